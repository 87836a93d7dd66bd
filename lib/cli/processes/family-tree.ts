/** Processes in the order of their tree, and the lines between them. Pure. */
import type { ProcessInfo } from "../../process/process-info.js";
import { relativesIn } from "../../process/relatives.js";
import type { CliStream } from "../terminal/io.js";

/** One process and its place in the tree. */
export interface Branch {
  readonly info: ProcessInfo;
  /** Its parent in the list; null: what the OS names is not there, or started after it, and so is a later process. */
  readonly parentPid: number | null;
  /** 0 for what the tree begins with. */
  readonly depth: number;
  /** No other child of its parent comes after it. */
  readonly isLast: boolean;
}

/**
 * Parents before their children, each followed by all that descend from it; children of one parent in the order of the
 * list. Takes time in proportion to the list, and no stack, however deep the tree is.
 *
 * @param rootPid - Only this process and what descends from it; absent: all, from those without a parent in the list.
 */
export function inTreeOrder(processes: readonly ProcessInfo[], rootPid?: number): Branch[] {
  const relatives = relativesIn(processes);
  const parents = new Map<number, number>();
  for (const { pid } of processes) {
    for (const child of relatives.childrenOf(pid)) parents.set(child.pid, pid);
  }
  const seen = new Set<number>();
  const branches: Branch[] = [];
  const addFrom = (root: ProcessInfo): void => {
    const pending = [{ info: root, depth: 0, isLast: true }];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const { info, depth } = next;
      if (seen.has(info.pid)) continue;
      seen.add(info.pid);
      branches.push({ ...next, parentPid: parents.get(info.pid) ?? null });
      const children = relatives.childrenOf(info.pid).filter(({ pid }) => !seen.has(pid));
      for (const [index, child] of children.toReversed().entries()) {
        pending.push({ info: child, depth: depth + 1, isLast: index === 0 });
      }
    }
  };
  if (rootPid !== undefined) {
    for (const info of processes) if (info.pid === rootPid) addFrom(info);
    return branches;
  }
  for (const info of processes) if (!parents.has(info.pid)) addFrom(info);
  // Each other's parents, by what they say: several that started in one unit of time.
  for (const info of processes) addFrom(info);
  return branches;
}

interface LineStyle {
  readonly child: string;
  readonly lastChild: string;
  readonly passing: string;
}

const BOXES: LineStyle = { child: "├─ ", lastChild: "└─ ", passing: "│  " };
const ASCII: LineStyle = { child: "|- ", lastChild: "`- ", passing: "|  " };
const LEVEL_CELLS = BOXES.child.length;

/** Where nothing limits the width: deeper trees would take room that grows with the square of their depth. */
const MOST_LEVELS = 100;

/**
 * What stands before each process: lines to its parent, in box characters on a terminal, in ASCII elsewhere (as of
 * pstree). They take half of a terminal's width at most; what is deeper stands in one row, with its level as a number.
 *
 * @param branches - As {@link inTreeOrder} gives them.
 */
export function treeLines(
  branches: readonly Branch[],
  { isTTY, columns }: Pick<CliStream, "isTTY" | "columns">,
): string[] {
  const style = isTTY ? BOXES : ASCII;
  const fitting = Math.floor((columns ?? Infinity) / 2 / LEVEL_CELLS);
  const most = Math.min(MOST_LEVELS, Math.max(1, fitting));
  // By level: what leads past the processes below to the next child of the same parent.
  const passing: string[] = [];
  return branches.map(({ depth, isLast }) => {
    if (depth === 0) return "";
    if (depth > most) return `${passing.slice(1).join("")}(level ${String(depth)}) `;
    passing.length = depth;
    const before = passing.slice(1).join("");
    passing[depth] = isLast ? " ".repeat(LEVEL_CELLS) : style.passing;
    return before + (isLast ? style.lastChild : style.child);
  });
}
