/** What would be ended, for the person who is asked. */
import { verifyProcess } from "../../process/identity.js";
import { inspectProcess } from "../../process/inspect.js";
import { ProcessListError } from "../../process/list.js";
import type { ProcessInfo } from "../../process/process-info.js";
import { printable } from "../../util/printable.js";
import { type Branch, inTreeOrder } from "../processes/family-tree.js";
import { listByPid } from "../processes/list-all.js";
import { type NamedTarget, pidHere } from "../processes/target.js";
import { treeTable } from "../processes/tree-table.js";
import type { CliStream } from "../terminal/io.js";

/** One process that runs, and with `--tree` what descends from it. */
export interface Seen {
  readonly target: NamedTarget;
  /** The process first. Empty: it cannot be shown, as one of a nested pid namespace, whose number is not the one here. */
  readonly branches: readonly Branch[];
}

/** Lines for each process: a tree may have thousands. */
const MOST_SHOWN = 20;

/**
 * What is told of a pid is told of the process that the token names.
 *
 * @param targets - That run. Those that have ended meanwhile are left out.
 */
export async function look(
  targets: readonly NamedTarget[],
  withDescendants: boolean,
): Promise<Seen[]> {
  const listed = withDescendants ? await listByPid() : [];
  // Then nothing is sent either: endProcess says why.
  const list = listed instanceof ProcessListError ? [] : listed;
  return targets.flatMap((target): Seen[] => {
    const pid = pidHere(target.token);
    const info = pid === null ? null : inspectProcess(pid);
    const { state } = verifyProcess(target.token);
    if (state === "gone") return [];
    // The token's process had the pid before and has it after: it is the one that was looked at.
    const isIt = info !== null && state === "same";
    return [{ target, branches: isIt ? branchesOf(info, list) : [] }];
  });
}

function branchesOf(root: ProcessInfo, list: readonly ProcessInfo[]): Branch[] {
  const others = list.filter(({ pid }) => pid !== root.pid);
  return inTreeOrder([root, ...others], root.pid);
}

/** Each line with its end. */
export function shownLines(seen: readonly Seen[], nowMs: number, stream: CliStream): string[] {
  const shown = seen.flatMap(({ branches }) => branches.slice(0, MOST_SHOWN));
  const lines = shown.length === 0 ? [] : [...treeTable(shown, nowMs, stream)];
  const rest = seen.reduce((sum, { branches }) => sum + branches.length, 0) - shown.length;
  if (rest > 0) lines.push(`… and ${String(rest)} more that descend\n`);
  for (const { target, branches } of seen) {
    if (branches.length > 0) continue;
    lines.push(`cannot be shown: ${printable(target.process)}\n`);
  }
  return lines;
}

/** @param signal - null: they are to end. */
export function questionFor(seen: readonly Seen[], signal: NodeJS.Signals | null): string {
  const isOne = seen.length === 1;
  const named = isOne ? "this process" : `these ${String(seen.length)} processes`;
  if (signal !== null) return `Send ${signal} to ${named}?`;
  const pids = new Set(seen.flatMap(({ branches }) => branches.map(({ info }) => info.pid)));
  const roots = seen.filter(({ branches }) => branches.length > 0).length;
  const descending = pids.size - roots;
  const others = `the ${String(descending)} that descend from ${isOne ? "it" : "them"}`;
  return descending > 0 ? `End ${named} and ${others}?` : `End ${named}?`;
}
