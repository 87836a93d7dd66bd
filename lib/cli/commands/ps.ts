/** `pidentity ps`: what the OS says about some pids, or about all processes. */
import { inspectProcesses } from "../../process/inspect.js";
import type { ProcessInfo } from "../../process/process-info.js";
import { parseArguments, parsePid } from "../arguments.js";
import { type Command, EXIT, type ExitCode } from "../command.js";
import { jsonDocumentParts } from "../json-document.js";
import { ageOf, commandOf } from "../processes/describe.js";
import { listAll } from "../processes/list-all.js";
import { formatLocalTime } from "../terminal/duration.js";
import { writeInChunks } from "../terminal/io.js";
import { type Cell, type Column, tableLines } from "../terminal/table.js";

export const ps: Command = {
  name: "ps",
  usage: "[pid…] [--json]",
  summary: "state, parent, start time, age and command line of processes",
  help: `Asks the OS about each pid and prints one line for it; without a pid about every
process that can be seen from here, by pid.

Options:
  --json   one JSON document instead of the table:
           {"schemaVersion", "processes"}, in the words of inspectProcess

Exit code: 0 when all exist, 1 when at least one does not (or cannot be found
out), 2 on wrong usage. Without a pid: 0, or 2 where processes cannot be listed.

Examples:
  pidentity ps
  pidentity ps 1 4711
  pidentity ps "$(cat server.pid)" --json
`,
  run: async (args, io) => {
    const { values, positionals } = parseArguments(args, { json: { type: "boolean" } });
    const isAll = positionals.length === 0;
    const processes = isAll ? await listAll(io) : await inspectAll(positionals.map(parsePid));
    if (processes === null) return EXIT.failure;
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
    return isAll ? EXIT.ok : exitCodeOf(processes);
  },
};

async function inspectAll(pids: readonly number[]): Promise<ProcessInfo[]> {
  return [...(await inspectProcesses(pids)).values()];
}

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
    { text: ageOf(info, nowMs) },
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

function exitCodeOf(processes: readonly ProcessInfo[]): ExitCode {
  return processes.every(exists) ? EXIT.ok : EXIT.no;
}

/** Denied is not gone: the OS says that something has this pid, and no more. */
function exists({ state, reason }: ProcessInfo): boolean {
  return state === "alive" || reason === "access-denied";
}
