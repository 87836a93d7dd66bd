/** One process as text for people. */
import type { ProcessInfo } from "../../process/process-info.js";
import { printable } from "../../util/printable.js";
import { formatDuration } from "../terminal/duration.js";

/** Its command line on one line, or why there is none. */
export function commandOf({ args, argsReason, commandLine }: ProcessInfo): string {
  if (argsReason === "gone") return "-";
  if (args === null) return `(not readable: ${argsReason ?? "unsupported"})`;
  // A rewritten process title is padded up to the room that it had.
  return args.length === 0 ? "(none)" : printable((commandLine ?? args.join(" ")).trimEnd());
}

/** Since it started, by the wall clock; never negative, though that clock may have been set back since. */
export function ageOf({ startedAtMs }: ProcessInfo, nowMs: number): string {
  return startedAtMs === null ? "-" : formatDuration(Math.max(0, nowMs - startedAtMs));
}
