/** All processes, for the commands that show them. */
import { listProcesses, ProcessListError } from "../../process/list.js";
import type { ProcessInfo } from "../../process/process-info.js";
import { printable } from "../../util/printable.js";
import type { CliIo } from "../terminal/io.js";

/** By pid. null: they cannot be listed here, which standard error says. */
export async function listAll({ stderr }: Pick<CliIo, "stderr">): Promise<ProcessInfo[] | null> {
  try {
    const processes = await listProcesses();
    return processes.sort((one, other) => one.pid - other.pid);
  } catch (error) {
    if (!(error instanceof ProcessListError)) throw error;
    const { backend } = error;
    stderr.write(
      printable(`pidentity: processes cannot be listed here (backend ${backend})`) +
        ": pidentity native says why\n",
    );
    return null;
  }
}
