// Asks for little: for runtimes that are allowed little.
import { identifyProcess, inspectProcess, nativeStatus } from "pidentity";

const { backend, path, error } = nativeStatus();
const { state } = inspectProcess(process.pid);
const named = identifyProcess() !== null;
console.log(JSON.stringify({ backend, path, error: error?.message, state, named }));
