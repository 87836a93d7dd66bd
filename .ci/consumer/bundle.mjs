// Bundled by esbuild, in two ways: with the package beside the bundle, and with the package inside it.
import { identifyProcess, inspectProcess, nativeStatus } from "pidentity";

const { backend, path, error } = nativeStatus();
const { state } = inspectProcess(process.pid);
const named = identifyProcess() !== null;
console.log(JSON.stringify({ backend, path, error: error?.message, state, named }));
