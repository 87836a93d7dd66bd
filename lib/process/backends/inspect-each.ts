/** Many processes, for the backends that can only ask one after the other. */
import type { ProcessInfo } from "../process-info.js";
import type { ProcessBackend } from "./backend.js";
import { runtimeMs } from "../../util/clocks.js";

/** `ProcessBackend.inspectMany` by `inspect`. */
export function inspectEach(
  inspect: ProcessBackend["inspect"],
  pids: readonly number[],
  withArgs: boolean,
  budgetMs: number,
): ProcessInfo[] {
  const startedAt = runtimeMs();
  const infos: ProcessInfo[] = [];
  for (const pid of pids) {
    infos.push(inspect(pid, withArgs));
    if (runtimeMs() - startedAt >= budgetMs) break;
  }
  return infos;
}
