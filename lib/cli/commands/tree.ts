/** `pidentity tree`: which process has started which. */
import { inspectProcess } from "../../process/inspect.js";
import type { ProcessInfo } from "../../process/process-info.js";
import { quote } from "../../util/printable.js";
import { parseArguments, parsePid } from "../arguments.js";
import { type Command, EXIT, UsageError } from "../command.js";
import { jsonDocumentParts } from "../json-document.js";
import { type Branch, inTreeOrder } from "../processes/family-tree.js";
import { listAll } from "../processes/list-all.js";
import { treeTable } from "../processes/tree-table.js";
import { writeInChunks } from "../terminal/io.js";

export const tree: Command = {
  name: "tree",
  usage: "[pid] [--json]",
  summary: "all processes, or one and what descends from it, as a tree",
  help: `Prints one line for each process that can be seen from here, below its parent;
with a pid only that process and what descends from it. A parent that started
after its child is none: a later process has its pid. The lines between them are
box characters on a terminal and ASCII elsewhere.

Options:
  --json   one JSON document instead of the table:
           {"schemaVersion", "processes"}, a flat list in the order of the tree:
           what ps --json tells of each, its "depth" below what the tree begins
           with, and "parentPid" null where no process is its parent any more

Exit code: 0 when the tree is printed, 1 when there is no process with that pid,
2 on wrong usage, and where processes cannot be listed.

Examples:
  pidentity tree
  pidentity tree "$(cat server.pid)"
`,
  run: async (args, io) => {
    const { values, positionals } = parseArguments(args, { json: { type: "boolean" } });
    const [pidText, extra] = positionals;
    if (extra !== undefined) throw new UsageError(`only one pid can be shown: ${quote(extra)}`);
    const pid = pidText === undefined ? undefined : parsePid(pidText);

    const processes = await listAll(io);
    if (processes === null) return EXIT.failure;
    const missing = pid === undefined ? null : whatIsMissing(processes, pid);
    if (missing !== null && missing.state !== "gone") processes.push(missing);
    const branches = inTreeOrder(processes, pid);
    if (values.json) {
      writeInChunks(io.stdout, jsonDocumentParts({}, "processes", branches.map(toJson)));
    } else if (branches.length > 0) {
      writeInChunks(io.stdout, treeTable(branches, io.wallClock(), io.stdout));
    }
    if (missing?.state !== "gone") return EXIT.ok;
    io.stderr.write(`pidentity: no such process (${missing.reason}): ${String(missing.pid)}\n`);
    return EXIT.no;
  },
};

/** What the OS says about a pid that is not in the list: it may have started since. null: it is there. */
function whatIsMissing(processes: readonly ProcessInfo[], pid: number): ProcessInfo | null {
  return processes.some((info) => info.pid === pid) ? null : inspectProcess(pid);
}

function toJson({ info, parentPid, depth }: Branch): object {
  return { ...info, parentPid, depth };
}
