/** `pidentity wait`: waits until processes have ended. */
import { identifyProcess } from "../../process/identity.js";
import { inspectProcess } from "../../process/inspect.js";
import { parseToken } from "../../process/token.js";
import { ProcessUnknownError, waitForProcessExit } from "../../process/wait.js";
import { printable } from "../../util/printable.js";
import { parseArguments, parsePid, parseTimeout, requireSome } from "../arguments.js";
import { type Command, EXIT, type ExitCode, UsageError } from "../command.js";
import { jsonDocumentParts } from "../json-document.js";
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
    const targets = positionals.map(nameTarget);
    const ends = await Promise.all(targets.map((target) => waitFor(target, timeoutMs)));
    if (values.json) writeInChunks(io.stdout, jsonDocumentParts({}, "processes", ends));
    else for (const end of ends) if (end.state !== "ended") io.stdout.write(`${lineOf(end)}\n`);
    return exitCodeOf(ends);
  },
};

/** What is waited for. */
interface Target {
  /** As it was given. */
  readonly process: string;
  readonly pid: number | null;
  /** null: `reason` says all that is known. */
  readonly token: string | null;
  readonly isGone: boolean;
  readonly reason: string | null;
}

interface End {
  readonly process: string;
  readonly pid: number | null;
  readonly state: "ended" | "running" | "unknown";
  /** Why it is unknown; null otherwise. */
  readonly reason: string | null;
}

/** @throws UsageError */
function nameTarget(text: string): Target {
  if (/^\d+$/u.test(text)) {
    const pid = parsePid(text);
    const token = identifyProcess(pid);
    if (token !== null) return { process: text, pid, token, isGone: false, reason: null };
    const { state, reason } = inspectProcess(pid, { args: false });
    const isGone = state === "gone";
    return {
      process: text,
      pid,
      token,
      isGone,
      reason: state === "alive" ? "unsupported" : reason,
    };
  }
  const parsed = parseToken(text);
  if (parsed === null && !text.startsWith("pi")) {
    throw new UsageError(`neither a pid nor a token: ${printable(text)}`);
  }
  return { process: text, pid: parsed?.pid ?? null, token: text, isGone: false, reason: null };
}

async function waitFor(target: Target, timeoutMs: number): Promise<End> {
  const { process, pid, token, isGone, reason } = target;
  if (token === null)
    return { process, pid, state: isGone ? "ended" : "unknown", reason: isGone ? null : reason };
  try {
    const end = await waitForProcessExit(token, { timeoutMs });
    return { process, pid, state: end === "exited" ? "ended" : "running", reason: null };
  } catch (error) {
    if (!(error instanceof ProcessUnknownError)) throw error;
    return { process, pid, state: "unknown", reason: error.reason };
  }
}

function lineOf({ process, state, reason }: End): string {
  return printable(reason === null ? `${process} ${state}` : `${process} ${state} (${reason})`);
}

function exitCodeOf(ends: readonly End[]): ExitCode {
  if (ends.some(({ state }) => state === "running")) return EXIT.no;
  return ends.every(({ state }) => state === "ended") ? EXIT.ok : EXIT.unknown;
}
