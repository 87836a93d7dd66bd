/** `pidentity wait`: waits until processes have ended. */
import { verifyProcess } from "../../process/identity.js";
import type { ProcessUnknownReason } from "../../process/judge-token.js";
import { ProcessUnknownError, waitForProcessExit } from "../../process/wait.js";
import { runtimeMs } from "../../util/clocks.js";
import { printable } from "../../util/printable.js";
import { parseArguments, parseTimeout, requireSome } from "../arguments.js";
import { type Command, EXIT, type ExitCode } from "../command.js";
import { jsonDocumentParts } from "../json-document.js";
import { nameTarget, type Target } from "../processes/target.js";
import { writeInChunks } from "../terminal/io.js";

export const wait: Command = {
  name: "wait",
  usage: "<pid|token…> [--timeout MS] [--json]",
  summary: "waits until processes have ended",
  help: `Waits until all of them have ended; they need not be children of your shell.
A pid is taken for the process that has it when the command starts: once that
has ended it counts as ended, even if another process gets the pid. A token (of
pidentity identify) names one process for good.

Options:
  --timeout MS  give up after so many milliseconds, and list those that still
                run; 0 only looks (default: no limit)
  --json        one JSON document, when the wait is over:
                {"schemaVersion", "processes"}

Exit code: 0 when all have ended, 1 when some still run after the timeout,
3 when none is known to run but of some it cannot be told, 2 on wrong usage.

Examples:
  pidentity wait 4711 && echo "it has ended"
  pidentity wait "$(cat server.pidentity)" --timeout 30000
`,
  run: async (args, io) => {
    const { values, positionals } = parseArguments(args, {
      json: { type: "boolean" },
      timeout: { type: "string" },
    });
    requireSome("pid or token", positionals);
    const timeoutMs =
      values.timeout === undefined ? Infinity : parseTimeout("--timeout", values.timeout);
    // All are named before the first is waited for: a pid may be another process's by then.
    const ends = await waitForAll(positionals.map(nameTarget), timeoutMs);
    if (values.json) writeInChunks(io.stdout, jsonDocumentParts({}, "processes", ends));
    else for (const end of ends) if (end.state !== "ended") io.stdout.write(`${lineOf(end)}\n`);
    return exitCodeOf(ends);
  },
};

interface End {
  readonly process: string;
  readonly pid: number | null;
  readonly state: "ended" | "running" | "unknown";
  /** Why it is unknown; null otherwise. */
  readonly reason: string | null;
}

/** In the order of the targets. */
async function waitForAll(targets: readonly Target[], timeoutMs: number): Promise<End[]> {
  const deadline = runtimeMs() + timeoutMs;
  const unknown = new Map<string, ProcessUnknownReason>();
  const running = new Set<string>();
  for (const { token } of targets) {
    if (token === null) continue;
    const { state, reason } = verifyProcess(token);
    if (state === "same") running.add(token);
    else if (state === "unknown") unknown.set(token, reason);
  }
  let ends: ReadonlyMap<string, "exited" | "timeout"> | null = null;
  while (ends === null) {
    try {
      const left = Math.max(0, Math.ceil(deadline - runtimeMs()));
      ends = await waitForProcessExit(running, { timeoutMs: left });
    } catch (error) {
      // Denied by now, as one that has become another user's: the others are waited for on.
      if (!(error instanceof ProcessUnknownError) || !running.delete(String(error.token))) {
        throw error;
      }
      unknown.set(String(error.token), error.reason);
    }
  }
  return targets.map((target) => endOf(target, ends, unknown));
}

function endOf(
  { process, pid, token, isGone, reason }: Target,
  ends: ReadonlyMap<string, "exited" | "timeout">,
  unknown: ReadonlyMap<string, ProcessUnknownReason>,
): End {
  if (token === null) {
    return { process, pid, state: isGone ? "ended" : "unknown", reason: isGone ? null : reason };
  }
  const why = unknown.get(token);
  if (why !== undefined) return { process, pid, state: "unknown", reason: why };
  return { process, pid, state: ends.get(token) === "timeout" ? "running" : "ended", reason: null };
}

function lineOf({ process, state, reason }: End): string {
  return printable(reason === null ? `${process} ${state}` : `${process} ${state} (${reason})`);
}

function exitCodeOf(ends: readonly End[]): ExitCode {
  if (ends.some(({ state }) => state === "running")) return EXIT.no;
  return ends.every(({ state }) => state === "ended") ? EXIT.ok : EXIT.unknown;
}
