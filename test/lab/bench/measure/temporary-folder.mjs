/** Where a benchmark makes its files. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";

/**
 * A folder inside `parent`, gone when this process ends in any way but a kill.
 *
 * @param {string} parent
 */
export function temporaryFolder(parent) {
  const folder = mkdtempSync(join(parent, "pidentity-bench-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  // Without a listener the process would end without its exit event.
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));
  return folder;
}
