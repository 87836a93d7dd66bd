/** All processes, for the commands that show them. */
import { listProcesses, ProcessListError } from "../../process/list.js";
import type { ProcessInfo } from "../../process/process-info.js";
import { printable } from "../../util/printable.js";
import type { CliIo } from "../terminal/io.js";

/** By pid. null: they cannot be listed here, which standard error says. */
export async function listAll({ stderr }: Pick<CliIo, "stderr">): Promise<ProcessInfo[] | null> {
  const listed = await listByPid();
  if (!(listed instanceof ProcessListError)) return listed;
  stderr.write(
    printable(`pidentity: processes cannot be listed here (backend ${listed.backend})`) +
      ": pidentity native says why\n",
  );
  return null;
}

/** By pid, or why they cannot be listed here. */
export async function listByPid(): Promise<ProcessInfo[] | ProcessListError> {
  try {
    return (await listProcesses()).sort((one, other) => one.pid - other.pid);
  } catch (error) {
    if (error instanceof ProcessListError) return error;
    throw error;
  }
}
