/** `pidentity kill`: ends the very processes that were named, or sends them a signal. */
import { quote } from "../../util/printable.js";
import { parseArguments, parseTimeout, requireSome } from "../arguments.js";
import { type Command, EXIT, type ExitCode, UsageError } from "../command.js";
import { jsonDocumentParts } from "../json-document.js";
import { carryOut, keep, type KillOutcome, type KillWish, settle } from "../kill/carry-out.js";
import { refuseOwn } from "../kill/refuse-own.js";
import { look, questionFor, shownLines } from "../kill/show.js";
import { isNamed, isPid, type NamedTarget, nameTarget, type Target } from "../processes/target.js";
import { signalNumber } from "../../process/signal.js";
import { ask } from "../terminal/ask.js";
import { type CliIo, writeInChunks } from "../terminal/io.js";
import { linesOf } from "../kill/lines.js";

export const kill: Command = {
  name: "kill",
  usage: "<pid|token…> [--tree | --signal NAME] [--yes] [--json]",
  summary: "ends the very processes that were named, or what descends too",
  help: `Ends processes: SIGTERM, some time to end by themselves, SIGKILL. Each signal
reaches the very process that was named or none, never a later one of its pid.
A pid is taken for the process that has it when the command starts: that one is
shown, and on a terminal you are asked. A token (of pidentity identify) names
one process for good and needs no question, unless with --tree. This command
itself and the processes that it descends from are refused.

Options:
  --tree         also all that descend from them, children born meanwhile too
  --grace-ms N   milliseconds between SIGTERM and SIGKILL (default 5000)
  --signal NAME  send this signal instead, such as HUP, and do not wait
  --yes          do not ask; where there is no terminal to ask on it is required
                 for a pid and with --tree
  --json         one JSON document instead of lines:
                 {"schemaVersion", "processes"}

Exit code: 0 when all have ended, now or before; 1 when some still run, also by
your answer; 3 when none is known to run, but of some it cannot be told, and
nothing was sent to those; 2 on wrong usage. With --signal: 0 when all were sent
it, 1 when some had ended, 3 when some could not be sent it.

Examples:
  pidentity kill "$(cat server.pidentity)"
  pidentity kill 4711 --tree --grace-ms 10000
  pidentity kill 4711 --signal HUP --yes
`,
  run: async (args, io) => {
    const { values, positionals } = parseArguments(args, {
      "grace-ms": { type: "string" },
      json: { type: "boolean" },
      signal: { type: "string" },
      tree: { type: "boolean" },
      yes: { type: "boolean" },
    });
    const { json = false, yes = false, tree = false } = values;
    requireSome("pid or token", positionals);
    const wish = parseWish(tree, values.signal, values["grace-ms"]);
    // All are named before the first is shown: a pid may be another process's by then.
    const targets = eachOnce(positionals.map(nameTarget));
    refuseOwn(targets);
    const settled = new Map(targets.map((target) => [target, settle(target)]));
    const running = targets.filter(isNamed).filter((target) => settled.get(target) === null);
    const isAgreed = await agree(running, wish, { json, yes }, io);
    const acted = isAgreed ? await carryOut(running, wish, io) : running.map(keep);
    // A signal asked this process to end, which it now does.
    if (acted === null) return EXIT.no;
    for (const [index, target] of running.entries()) settled.set(target, acted[index] ?? null);
    const outcomes = [...settled.values()].filter((outcome) => outcome !== null);
    writeInChunks(
      io.stdout,
      json ? jsonDocumentParts({}, "processes", outcomes) : outcomes.flatMap(linesOf),
    );
    return exitCodeOf(outcomes, wish);
  },
};

/** @throws UsageError */
function parseWish(
  tree: boolean,
  signalText: string | undefined,
  graceText: string | undefined,
): KillWish {
  if (signalText === undefined) {
    const graceMs = graceText === undefined ? undefined : parseTimeout("--grace-ms", graceText);
    return { tree, graceMs, signal: null };
  }
  if (tree) {
    throw new UsageError(
      "--tree cannot be combined with --signal, which is for the named processes",
    );
  }
  if (graceText !== undefined) {
    throw new UsageError("--grace-ms cannot be combined with --signal, which does not wait");
  }
  return { tree, graceMs: undefined, signal: parseSignal(signalText) };
}

/** With or without SIG, in either case, as kill(1) takes it. */
function parseSignal(text: string): NodeJS.Signals {
  const upper = text.toUpperCase();
  const name = upper.startsWith("SIG") ? upper : `SIG${upper}`;
  try {
    signalNumber("--signal", name);
  } catch (cause) {
    const expected = "--signal must be the name of a signal that can be sent here";
    const known = process.platform === "win32" ? " (on Windows TERM or KILL)" : "";
    throw new UsageError(`${expected}: ${quote(text)}${known}`, { cause });
  }
  return name as NodeJS.Signals;
}

function eachOnce(targets: readonly Target[]): Target[] {
  const seen = new Set<string>();
  return targets.filter(({ process, token }) => {
    const key = token ?? process;
    return seen.size < seen.add(key).size;
  });
}

interface Output {
  readonly json: boolean;
  readonly yes: boolean;
}

/**
 * Shows what a pid stands for, or what else would be ended, and asks where that can be done.
 *
 * @returns whether to go on
 * @throws UsageError where nothing can answer
 */
async function agree(
  targets: readonly NamedTarget[],
  wish: KillWish,
  { json, yes }: Output,
  io: CliIo,
): Promise<boolean> {
  if (!targets.some(({ process }) => wish.tree || isPid(process))) return true;
  const mayAsk = !yes && io.hasKeyboard && io.stderr.isTTY;
  // The document is the only thing on standard output.
  const output = json ? io.stderr : io.stdout;
  const seen = await look(targets, wish.tree);
  if (!json || mayAsk) writeInChunks(output, shownLines(seen, io.wallClock(), output));
  if (yes || seen.length === 0) return true;
  if (!mayAsk) {
    const remedy = wish.tree ? "say --yes to go on" : "say --yes, or name the process by its token";
    throw new UsageError(`there is no terminal to ask on: ${remedy}`);
  }
  return await ask(questionFor(seen, wish.signal), io);
}

function exitCodeOf(outcomes: readonly KillOutcome[], { signal }: KillWish): ExitCode {
  const isNo = ({ state }: KillOutcome): boolean =>
    state === "running" || state === "kept" || (signal !== null && state === "gone");
  if (outcomes.some(isNo)) return EXIT.no;
  return outcomes.some(({ state }) => state === "unknown") ? EXIT.unknown : EXIT.ok;
}
