/** The order of a tree and the lines between its processes, of lists that are made up. */
import { describe, expect, test } from "vitest";

import { type Branch, inTreeOrder, treeLines } from "../../../lib/cli/processes/family-tree.js";
import { treeTable } from "../../../lib/cli/processes/tree-table.js";
import { displayWidth } from "../../../lib/cli/terminal/display-width.js";
import type { ProcessInfo } from "../../../lib/process/process-info.js";
import { recordingStream } from "../../support/command-line.js";

function processOf(pid: number, parentPid: number | null, startTime = pid): ProcessInfo {
  return {
    pid,
    parentPid,
    startTime,
    state: "alive",
    reason: "running",
    startedAtMs: 0,
    args: [`p${String(pid)}`],
    argsReason: null,
    commandLine: `p${String(pid)}`,
  };
}

const PIPE = { isTTY: false, columns: undefined };
const WIDE = { isTTY: true, columns: 200 };

function drawn(branches: readonly Branch[], stream = PIPE as Parameters<typeof treeLines>[1]) {
  const lines = treeLines(branches, stream);
  return branches.map(({ info }, index) => `${lines[index] ?? ""}${String(info.pid)}`);
}

// 1 ─ 10 ─ 20 ─ 30, 10 ─ 21, 1 ─ 11, and 2 by itself.
const FAMILY = [
  processOf(1, null),
  processOf(2, null),
  processOf(10, 1),
  processOf(11, 1),
  processOf(20, 10),
  processOf(21, 10),
  processOf(30, 20),
];

test("each process stands below its parent, before the next child of that parent", () => {
  expect(drawn(inTreeOrder(FAMILY))).toEqual([
    "1",
    "|- 10",
    "|  |- 20",
    "|  |  `- 30",
    "|  `- 21",
    "`- 11",
    "2",
  ]);
});

test("a terminal gets box characters", () => {
  expect(drawn(inTreeOrder(FAMILY, 10), WIDE)).toEqual(["10", "├─ 20", "│  └─ 30", "└─ 21"]);
});

test("a tree below one process has it at depth 0, and still names its parent", () => {
  const [root, ...others] = inTreeOrder(FAMILY, 10);
  expect(root).toMatchObject({ depth: 0, parentPid: 1 });
  expect(others.map(({ info, depth, parentPid }) => [info.pid, depth, parentPid])).toEqual([
    [20, 1, 10],
    [30, 2, 20],
    [21, 1, 10],
  ]);
  expect(inTreeOrder(FAMILY, 4711)).toEqual([]);
});

test("a parent that is not in the list, or that started after its child, is none", () => {
  const list = [processOf(5, 4), processOf(6, 7, 10), processOf(7, null, 11)];
  const branches = inTreeOrder(list);
  expect(branches.map(({ depth, parentPid }) => [depth, parentPid])).toEqual([
    [0, null],
    [0, null],
    [0, null],
  ]);
});

test("processes that name each other as parents are shown once each", () => {
  const list = [processOf(1, null, 0), processOf(5, 6, 7), processOf(6, 5, 7), processOf(8, 6, 8)];
  const branches = inTreeOrder(list);
  expect(branches.map(({ info }) => info.pid).toSorted((a, b) => a - b)).toEqual([1, 5, 6, 8]);
  expect(drawn(branches)).toEqual(["1", "5", "`- 6", "   `- 8"]);
});

describe("a chain of 10 000 processes", () => {
  const chain = Array.from({ length: 10_000 }, (_, index) =>
    processOf(index + 1, index === 0 ? null : index),
  );

  test("is put in order without a stack overflow, whatever the order of the list", () => {
    for (const list of [chain, chain.toReversed()]) {
      const branches = inTreeOrder(list);
      expect(branches.map(({ info }) => info.pid)).toEqual(chain.map(({ pid }) => pid));
      expect(branches.at(-1)?.depth).toBe(9999);
    }
  });

  test("is drawn with the level as a number where the lines would take too much room", () => {
    const lines = treeLines(inTreeOrder(chain), PIPE);
    expect(lines[100]).toBe(`${" ".repeat(99 * 3)}\`- `);
    expect(lines[101]).toBe(`${" ".repeat(100 * 3)}(level 101) `);
    expect(lines[9999]).toBe(`${" ".repeat(100 * 3)}(level 9999) `);
  });

  test.each([20, 40, 80, 200])("fits a terminal of %i columns", (columns) => {
    // A short chain: facts of the last processes of the long one are wider.
    const branches = inTreeOrder(chain.slice(0, 500));
    const stream = recordingStream(true, columns, { NO_COLOR: "1" });
    const lines = [...treeTable(branches, 1000, stream)].map((line) => line.trimEnd());
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(columns);
    // Of a narrow one there is room for the lines' beginning.
    const level = columns < 80 ? /^100 +1s +[ (level9…)]+$/u : /\(level 99\) p100$/u;
    expect(lines[100]).toMatch(level);
  });
});

test("behind a level that is only a number the lines of the others go on", () => {
  const list = [
    processOf(1, null),
    processOf(2, 1),
    processOf(3, 2),
    processOf(4, 3),
    processOf(9, 1),
  ];
  // Half of 12 columns are two levels.
  expect(drawn(inTreeOrder(list), { isTTY: true, columns: 12 })).toEqual([
    "1",
    "├─ 2",
    "│  └─ 3",
    "│     (level 3) 4",
    "└─ 9",
  ]);
});
