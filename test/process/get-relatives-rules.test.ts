/**
 * Which processes count as relatives, decided on processes that are made up: parents end, pids are given anew and processes
 * hide between any two questions. Real ones: get-relatives.test.ts; lists alone: relatives.test.ts.
 */
import { beforeEach, describe, expect, test, vi } from "vitest";

import { getProcessAncestors, getProcessChildren } from "../../lib/process/get-relatives.js";
import { ProcessListError } from "../../lib/process/list.js";
import { ProcessTable, type TableProcess } from "../support/processes/process-table.js";
import { requireLinux } from "../support/require.js";

const world = vi.hoisted(() => ({ table: undefined as unknown }));
const table = (): ProcessTable => world.table as ProcessTable;

vi.mock("../../lib/process/backends/select-backend.js", () => ({
  processBackend: () => table().backend,
}));

const PARENT = 500;
const CHILD = 600;

const start = (...facts: Parameters<ProcessTable["start"]>): TableProcess =>
  table().start(...facts);

beforeEach((context) => {
  requireLinux(context, "processes that are made up as Linux numbers them");
  world.table = new ProcessTable();
  start({ pid: 1 }).parentPid = null;
});

const pids = (infos: readonly { readonly pid: number }[]): number[] => infos.map(({ pid }) => pid);
const ancestors = (pid: number): number[] => pids(getProcessAncestors(pid, { args: false }));
const children = (pid: number): number[] => pids(getProcessChildren(pid, { args: false }));
const descendants = (pid: number): number[] =>
  pids(getProcessChildren(pid, { args: false, recursive: true }));

/** Lets something happen right before the OS answers a question, the first being number 1. */
function beforeQuestion(number: number, happen: () => void): void {
  let asked = 0;
  table().beforeCall = () => {
    asked++;
    if (asked === number) happen();
  };
}

/** The pids whose command lines were read. */
function argsRead(): number[] {
  const read: number[] = [];
  const { backend } = table();
  const inspect = backend.inspect.bind(backend);
  const inspectMany = backend.inspectMany.bind(backend);
  vi.spyOn(backend, "inspect").mockImplementation((pid, withArgs) => {
    if (withArgs) read.push(pid);
    return inspect(pid, withArgs);
  });
  vi.spyOn(backend, "inspectMany").mockImplementation((some, withArgs, budgetMs) => {
    if (withArgs) read.push(...some);
    return inspectMany(some, withArgs, budgetMs);
  });
  return read;
}

test("what cannot be a pid has no relatives, and is not asked about", () => {
  const asked = vi.fn<() => void>();
  table().beforeCall = asked;
  for (const pid of [0, -1, 1.5, 2 ** 40]) {
    expect(getProcessAncestors(pid)).toEqual([]);
    expect(getProcessChildren(pid)).toEqual([]);
  }
  expect(asked).not.toHaveBeenCalled();
});

describe("ancestors", () => {
  test("the first process has none, and a family is told up to it", () => {
    start({ pid: PARENT });
    start({ pid: CHILD, parentPid: PARENT });
    expect(ancestors(CHILD)).toEqual([PARENT, 1]);
    expect(ancestors(1)).toEqual([]);
  });

  test("a parent that ends before it is asked about is followed by what takes its child over", () => {
    const parent = start({ pid: PARENT });
    start({ pid: CHILD, parentPid: PARENT });
    beforeQuestion(2, () => table().reap(parent));
    expect(ancestors(CHILD)).toEqual([1]);
  });

  test("a process that gets the parent's pid meanwhile is not told as the parent", () => {
    const parent = start({ pid: PARENT });
    start({ pid: CHILD, parentPid: PARENT, startTime: 5000 });
    beforeQuestion(2, () => {
      table().reap(parent);
      start({ pid: PARENT, parentPid: 1 });
    });
    expect(ancestors(CHILD)).toEqual([1]);
  });

  test("a process that ends while its parent is asked about has no ancestors", () => {
    start({ pid: PARENT });
    const child = start({ pid: CHILD, parentPid: PARENT });
    beforeQuestion(3, () => table().reap(child));
    expect(ancestors(CHILD)).toEqual([]);
  });

  test("a process that gets the child's pid meanwhile does not lend it its own parent", () => {
    start({ pid: PARENT });
    const child = start({ pid: CHILD, parentPid: PARENT });
    beforeQuestion(3, () => {
      table().reap(child);
      start({ pid: CHILD, parentPid: PARENT });
    });
    expect(ancestors(CHILD)).toEqual([]);
  });

  test("an ancestor that ends after it was told is the last that is told", () => {
    start({ pid: 400 });
    const parent = start({ pid: PARENT, parentPid: 400 });
    start({ pid: CHILD, parentPid: PARENT });
    beforeQuestion(4, () => table().reap(parent));
    expect(ancestors(CHILD)).toEqual([PARENT]);
  });

  test.each([
    [3, [1]],
    [4, []],
  ])("where parents end %i times in a row, %j are told", (ends, told) => {
    for (let pid = 701; pid <= 704; pid++) start({ pid });
    const child = start({ pid: CHILD, parentPid: 701 });
    // Each attempt asks about the parent, and then about the child.
    let ended = 0;
    let asked = 0;
    table().beforeCall = () => {
      asked++;
      if (asked < 2 || asked % 2 === 1 || ended === ends) return;
      ended++;
      child.parentPid = ended === ends ? 1 : 701 + ended;
    };
    expect(ancestors(CHILD)).toEqual(told);
  });

  test.each([
    ["has ended and was not waited for", { state: "zombie" as const }],
    ["has taken over a pid that a later process has", { startTime: 9000 }],
    ["hides when it started", { startTime: null }],
  ])("a parent that %s is none", (_, { startTime, state = "running" }: Partial<TableProcess>) => {
    const parent = start({ pid: PARENT, ...(startTime === undefined ? {} : { startTime }) });
    start({ pid: CHILD, parentPid: PARENT });
    parent.state = state;
    expect(ancestors(CHILD)).toEqual([]);
  });

  test.each([0, -1, 2 ** 40])("a parent pid that is none (%i) ends the list", (parentPid) => {
    start({ pid: CHILD, parentPid });
    expect(ancestors(CHILD)).toEqual([]);
  });

  test("each process is told once, even where two name each other as parents", () => {
    start({ pid: PARENT, parentPid: CHILD, startTime: 2000 });
    start({ pid: CHILD, parentPid: PARENT, startTime: 2000 });
    expect(ancestors(CHILD)).toEqual([PARENT]);
  });

  test("command lines are read of the ancestors only, and of none where they are not wanted", () => {
    start({ pid: PARENT });
    start({ pid: CHILD, parentPid: PARENT });
    const read = argsRead();
    getProcessAncestors(CHILD, { args: false });
    expect(read).toEqual([]);
    getProcessAncestors(CHILD);
    expect(read).toEqual([PARENT, 1]);
  });
});

describe("children", () => {
  test("are told of one level, descendants of all", () => {
    start({ pid: PARENT });
    start({ pid: CHILD, parentPid: PARENT });
    start({ pid: 700, parentPid: CHILD });
    expect(children(PARENT)).toEqual([CHILD]);
    expect(descendants(PARENT)).toEqual([CHILD, 700]);
  });

  test("are found wherever they stand in a long list, each once", () => {
    const expected = Array.from({ length: 200 }, (_, index) => 1000 + index);
    for (const pid of expected) start({ pid });
    expect(children(1)).toEqual(expected);
  });

  test("that have ended and were not waited for are left out", () => {
    start({ pid: PARENT });
    start({ pid: CHILD, parentPid: PARENT }).end();
    expect(descendants(PARENT)).toEqual([]);
    expect(pids(getProcessChildren(PARENT))).toEqual([]);
  });

  test("are not told of where processes cannot be listed", () => {
    start({ pid: CHILD });
    table().isListable = false;
    const ask = vi.spyOn(table().backend, "inspectMany");
    expect(() => getProcessChildren(1, { recursive: true })).toThrow(ProcessListError);
    expect(ask).not.toHaveBeenCalled();
  });

  test("that end before their command line is read are left out, and so is what has their pid then", () => {
    start({ pid: PARENT });
    const ends = start({ pid: CHILD, parentPid: PARENT });
    const dies = start({ pid: 700, parentPid: PARENT });
    const replaced = start({ pid: 701, parentPid: PARENT });
    start({ pid: 702, parentPid: PARENT });
    // Process 1 and these five are looked at before.
    beforeQuestion(7, () => {
      table().reap(ends);
      dies.end();
      table().reap(replaced);
      start({ pid: 701, parentPid: PARENT });
    });
    expect(pids(getProcessChildren(PARENT))).toEqual([702]);
  });

  test("command lines are read of the children only, and of none where they are not wanted", () => {
    start({ pid: PARENT });
    start({ pid: CHILD, parentPid: PARENT });
    const read = argsRead();
    getProcessChildren(PARENT, { args: false });
    expect(read).toEqual([]);
    getProcessChildren(PARENT, { args: true });
    expect(read).toEqual([CHILD]);
  });
});
