/** Parents and children in lists that are made up. */
import { describe, expect, test } from "vitest";

import { isParentOf, relativesIn, type RelativeFacts } from "../../lib/process/relatives.js";

type Row = readonly [pid: number, parentPid: number | null, startTime: number | null];

const list = (...rows: readonly Row[]): RelativeFacts[] =>
  rows.map(([pid, parentPid, startTime]) => ({ pid, parentPid, startTime }));
const pids = (found: readonly RelativeFacts[]): number[] => found.map(({ pid }) => pid);

// 1 ─ 10 ─ 20 ─ 30, and 10 ─ 21.
const FAMILY = list([30, 20, 5], [1, null, 0], [21, 10, 4], [20, 10, 3], [10, 1, 1]);

test("children, descendants and ancestors come nearest first", () => {
  const relatives = relativesIn(FAMILY);
  expect(pids(relatives.childrenOf(10))).toEqual([21, 20]);
  expect(pids(relatives.descendantsOf(1))).toEqual([10, 21, 20, 30]);
  expect(pids(relatives.ancestorsOf(30))).toEqual([20, 10, 1]);
  expect(relatives.ancestorsOf(1)).toEqual([]);
  expect(relatives.descendantsOf(30)).toEqual([]);
});

test("a pid that is not in the list has no relatives", () => {
  const relatives = relativesIn(FAMILY);
  for (const pid of [2, 0, -1, Number.NaN]) {
    expect(relatives.childrenOf(pid)).toEqual([]);
    expect(relatives.descendantsOf(pid)).toEqual([]);
    expect(relatives.ancestorsOf(pid)).toEqual([]);
  }
});

test("what is given back is the caller's to change", () => {
  const relatives = relativesIn(FAMILY);
  relatives.childrenOf(10).length = 0;
  expect(pids(relatives.childrenOf(10))).toEqual([21, 20]);
});

describe("isParentOf", () => {
  const parent = { pid: 10, parentPid: 1, startTime: 100 };
  const child = { pid: 20, parentPid: 10, startTime: 100 };
  test.each<[string, RelativeFacts, RelativeFacts, boolean]>([
    ["a parent that started before its child is one", { ...parent, startTime: 99 }, child, true],
    ["a parent that started in the same unit of time is one", parent, child, true],
    ["a later process at the parent's pid is none", { ...parent, startTime: 101 }, child, false],
    ["another pid is none", { ...parent, pid: 11 }, child, false],
    ["a parent of unknown start is none", { ...parent, startTime: null }, child, false],
    ["a child of unknown start has none", parent, { ...child, startTime: null }, false],
    ["a child that names none has none", parent, { ...child, parentPid: null }, false],
    ["no process is its own parent", parent, { ...parent, parentPid: 10 }, false],
    [
      "the idle process of Windows is no parent",
      { ...parent, pid: 0 },
      { ...child, parentPid: 0 },
      false,
    ],
  ])("%s", (_, one, other, expected) => {
    expect(isParentOf(one, other)).toBe(expected);
  });
});

describe("lists as they are met", () => {
  test("a process whose parent is not in the list has none, and keeps its own children", () => {
    const relatives = relativesIn(list([20, 10, 3], [30, 20, 4]));
    expect(relatives.ancestorsOf(20)).toEqual([]);
    expect(pids(relatives.ancestorsOf(30))).toEqual([20]);
    expect(pids(relatives.descendantsOf(20))).toEqual([30]);
    expect(relatives.childrenOf(10)).toEqual([]);
  });

  test("an orphan that process 1 has taken over is its child, not that of what once started it", () => {
    const shell = [100, 1, 50] as const;
    const orphan = [101, 1, 60] as const;
    const relatives = relativesIn(list([1, null, 0], shell, orphan));
    expect(pids(relatives.childrenOf(1))).toEqual([100, 101]);
    expect(relatives.descendantsOf(100)).toEqual([]);
    expect(pids(relatives.ancestorsOf(101))).toEqual([1]);
  });

  test("an orphan on Windows, whose parent's pid is a later process's, has no parent", () => {
    const system = [4, 0, 0] as const;
    const stranger = [5000, 4, 900] as const;
    const orphan = [6000, 5000, 500] as const;
    const relatives = relativesIn(list([0, 0, 0], system, stranger, orphan));
    expect(relatives.childrenOf(5000)).toEqual([]);
    expect(relatives.ancestorsOf(6000)).toEqual([]);
    expect(pids(relatives.ancestorsOf(5000))).toEqual([4]);
    expect(relatives.ancestorsOf(4)).toEqual([]);
    expect(relatives.childrenOf(0)).toEqual([]);
  });

  test("the first process and the kernel's thread that start with tick 0 are not each other's", () => {
    const relatives = relativesIn(list([1, null, 0], [2, null, 0], [3, 2, 0]));
    expect(relatives.descendantsOf(1)).toEqual([]);
    expect(pids(relatives.descendantsOf(2))).toEqual([3]);
  });

  test("of two rows of one pid the later counts", () => {
    const relatives = relativesIn(list([10, 1, 1], [20, 10, 2], [1, null, 0], [20, 1, 9]));
    expect(relatives.childrenOf(10)).toEqual([]);
    expect(pids(relatives.childrenOf(1))).toEqual([10, 20]);
  });
});

describe("hostile lists", () => {
  test("processes that claim each other as parents are each other's relatives once, and never their own", () => {
    const relatives = relativesIn(list([10, 20, 5], [20, 10, 5], [30, 20, 5]));
    expect(pids(relatives.ancestorsOf(10))).toEqual([20]);
    expect(pids(relatives.ancestorsOf(30))).toEqual([20, 10]);
    expect(pids(relatives.descendantsOf(10))).toEqual([20, 30]);
    expect(pids(relatives.descendantsOf(20))).toEqual([10, 30]);
    expect(relatives.descendantsOf(30)).toEqual([]);
  });

  test("a process that claims to be its own parent is alone", () => {
    const relatives = relativesIn(list([10, 10, 5]));
    expect(relatives.childrenOf(10)).toEqual([]);
    expect(relatives.ancestorsOf(10)).toEqual([]);
  });

  test("a loop of many that started in one tick comes to an end", () => {
    const many = 10_000;
    const rows = Array.from({ length: many }, (_, i): Row => [i + 1, ((i + 1) % many) + 1, 7]);
    const relatives = relativesIn(list(...rows));
    expect(relatives.ancestorsOf(5)).toHaveLength(many - 1);
    expect(new Set(pids(relatives.descendantsOf(5))).size).toBe(many - 1);
  });
});

describe("100 000 processes", () => {
  const MANY = 100_000;
  // Quadratic work would take minutes, and a step of recursion for each a stack that no runtime has.
  test("in a chain are found from either end", () => {
    const chain = relativesIn(
      list(...Array.from({ length: MANY }, (_, i): Row => [i + 1, i === 0 ? null : i, i])),
    );
    const down = pids(chain.descendantsOf(1));
    expect([down.length, down[0], down.at(-1)]).toEqual([MANY - 1, 2, MANY]);
    const up = pids(chain.ancestorsOf(MANY));
    expect([up.length, up[0], up.at(-1)]).toEqual([MANY - 1, MANY - 1, 1]);
  });

  test("in a star are all children of one", () => {
    const star = relativesIn(
      list(...Array.from({ length: MANY }, (_, i): Row => [i + 1, i === 0 ? null : 1, i])),
    );
    expect(star.childrenOf(1)).toHaveLength(MANY - 1);
    expect(star.descendantsOf(1)).toHaveLength(MANY - 1);
    expect(pids(star.ancestorsOf(MANY))).toEqual([1]);
  });
});
