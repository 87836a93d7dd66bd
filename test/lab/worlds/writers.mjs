// Who writes the locks: other programs, and this package with all, without its addon and on other runtimes.
import { fileURLToPath } from "node:url";

import { bunOf, denoOf } from "../install/tools.mjs";

const SCRIPT = fileURLToPath(new URL("writer.mjs", import.meta.url));
const NODE = [process.execPath, SCRIPT];

/** The versions are those that test/lab/install/runtimes.mjs tries. */
export const WRITERS = [
  { name: "plain", isPlain: true, command: () => [...NODE, "plain"] },
  { name: "plain, no start time", isPlain: true, command: () => [...NODE, "plain-without-start"] },
  { name: "ours", command: () => [...NODE, "ours"] },
  { name: "ours, no addon", env: { PIDENTITY_NO_NATIVE: "1" }, command: () => [...NODE, "ours"] },
  { name: "ours, Bun", command: () => [bunOf("1.4.5"), SCRIPT, "ours"] },
  {
    name: "ours, Deno",
    command: () => [denoOf("2.9.6"), "run", "--no-prompt", "--allow-all", SCRIPT, "ours"],
  },
];
