/** `pidentity ps`: what the OS says about some pids. */
import { inspectProcesses } from "../../process/inspect.js";
import type { ProcessInfo } from "../../process/process-info.js";
import { printable } from "../../util/printable.js";
import { parseArguments, parsePid, requireSome } from "../arguments.js";
import { type Command, EXIT, type ExitCode } from "../command.js";
import { formatDuration, formatLocalTime } from "../terminal/duration.js";
import { jsonDocumentParts } from "../json-document.js";
import { writeInChunks } from "../terminal/io.js";
import { type Cell, type Column, tableLines } from "../terminal/table.js";

export const ps: Command = {
  name: "ps",
  usage: "<pid…> [--json]",
  summary: "state, parent, start time, age and command line of processes",
  help: `Asks the OS about each pid and prints one line for it.

Options:
  --json   one JSON document instead of the table:
           {"schemaVersion", "processes"}, in the words of inspectProcess

Exit code: 0 when all exist, 1 when at least one does not (or cannot be found
out), 2 on wrong usage.

Examples:
  pidentity ps 1 4711
  pidentity ps "$(cat server.pid)" --json
`,
  run: async (args, io) => {
    const { values, positionals } = parseArguments(args, { json: { type: "boolean" } });
    requireSome("pid", positionals);
    const found = await inspectProcesses(positionals.map(parsePid));
    const processes = [...found.values()];
    const nowMs = io.wallClock();
    writeInChunks(
      io.stdout,
      values.json
        ? jsonDocumentParts({}, "processes", processes)
        : tableLines(
            COLUMNS,
            processes.map((info) => toRow(info, nowMs)),
            io.stdout,
          ),
    );
    return exitCodeOf(processes);
  },
};

const COLUMNS: readonly Column[] = [
  { title: "PID" },
  { title: "STATE" },
  { title: "PPID" },
  { title: "STARTED" },
  { title: "AGE" },
  { title: "COMMAND", shrinkTo: 8 },
];

function toRow(info: ProcessInfo, nowMs: number): Cell[] {
  const { pid, parentPid, startedAtMs } = info;
  return [
    { text: String(pid) },
    toState(info),
    { text: parentPid === null ? "-" : String(parentPid) },
    { text: formatLocalTime(startedAtMs) },
    { text: startedAtMs === null ? "-" : formatDuration(Math.max(0, nowMs - startedAtMs)) },
    { text: commandOf(info) },
  ];
}

function toState({ state, reason }: ProcessInfo): Cell {
  switch (state) {
    case "alive":
      return { text: reason === "running" ? state : `${state} (${reason})`, color: "green" };
    case "gone":
      return { text: `${state} (${reason})`, color: "red" };
    case "unknown":
      return { text: `${state} (${reason})`, color: "yellow" };
  }
}

function commandOf({ args, argsReason, commandLine }: ProcessInfo): string {
  if (argsReason === "gone") return "-";
  if (args === null) return `(not readable: ${argsReason ?? "unsupported"})`;
  // A rewritten process title is padded up to the room that it had.
  return args.length === 0 ? "(none)" : printable((commandLine ?? args.join(" ")).trimEnd());
}

function exitCodeOf(processes: readonly ProcessInfo[]): ExitCode {
  return processes.every(exists) ? EXIT.ok : EXIT.no;
}

/** Denied is not gone: the OS says that something has this pid, and no more. */
function exists({ state, reason }: ProcessInfo): boolean {
  return state === "alive" || reason === "access-denied";
}
