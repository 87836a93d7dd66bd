/** When a remembered answer about a process counts: on processes that are made up. Real ones: process-references.test.ts. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { ProcessReferences } from "../../../lib/lock/verdict/process-references.js";
import { ProcessTable } from "../../support/processes/process-table.js";
import { requireLinux } from "../../support/require.js";

const world = vi.hoisted(() => ({ table: undefined as unknown }));
const table = (): ProcessTable => world.table as ProcessTable;

vi.mock("../../../lib/process/backends/select-backend.js", () => ({
  processBackend: () => table().backend,
}));

const PID = 1_000_001;
let references: ProcessReferences;

/** Does something before the OS answers the question with this number, counted from 0. */
function atCall(number: number, act: () => void): void {
  let calls = 0;
  table().beforeCall = () => {
    if (calls++ === number) act();
  };
}

beforeEach((context) => {
  requireLinux(context, "processes that are made up as Linux numbers them");
  world.table = new ProcessTable();
  references = new ProcessReferences();
});

afterEach(() => {
  if (world.table === undefined) return;
  references.close();
  table().assertAllClosed();
});

test("a live process is held, and is asked about in full once", () => {
  const process = table().start({ pid: PID });
  const first = references.identity(PID);
  expect(first).toEqual(process.identity());
  expect(table().openReferences).toBe(1);
  expect(references.identity(PID)).toBe(first);
  expect(table().openReferences).toBe(1);
});

test("one that has ended is let go, and its successor is asked about", () => {
  table().start({ pid: PID });
  references.identity(PID);
  const later = table().start({ pid: PID });
  expect(references.identity(PID)).toEqual(later.identity());
  expect(table().openReferences).toBe(1);
  later.end();
  expect(references.identity(PID)).toMatchObject({ state: "gone", reason: "zombie" });
  expect(table().openReferences).toBe(0);
  table().reap(later);
  expect(references.identity(PID).reason).toBe("no-such-process");
});

test("an answer is never of another process than the one that is held, whenever the pid is given anew", () => {
  for (let calls = 0; calls < 8; calls++) {
    const at = calls;
    table().start({ pid: PID });
    atCall(at, () => void table().start({ pid: PID }));
    references.identity(PID);
    table().beforeCall = () => {};
    const now = table().at(PID);
    expect(references.identity(PID)).toEqual(now?.identity());
    now?.end();
    expect(references.identity(PID).state).toBe("gone");
    expect(table().openReferences).toBe(0);
  }
});

test("one that is gone is asked about once", () => {
  table().start({ pid: PID }).end();
  let calls = 0;
  table().beforeCall = () => void calls++;
  expect(references.identity(PID).state).toBe("gone");
  expect(calls).toBe(1);
});

test("one that is not the process that was asked about is not held", () => {
  // The reference is taken of the first, the answer is the second one's.
  atCall(2, () => void table().start({ pid: PID }));
  table().start({ pid: PID });
  expect(references.identity(PID)).toEqual(table().at(PID)?.identity());
  expect(table().openReferences).toBe(0);
});

test("one whose first thread has ended is not held, though its others run", () => {
  const process = table().start({ pid: PID });
  let calls = 0;
  table().beforeCall = () => {
    process.state = ["running", "running", "zombie", "running"][calls++] as typeof process.state;
  };
  expect(references.identity(PID).state).toBe("gone");
  expect(calls).toBe(3);
  expect(table().openReferences).toBe(0);
});

test("no more than 64 are held; the others are asked about every time", () => {
  const pids = Array.from({ length: 70 }, (_, index) => PID + index);
  for (const pid of pids) table().start({ pid });
  for (const pid of pids) expect(references.identity(pid).state).toBe("alive");
  expect(table().openReferences).toBe(64);
  for (const pid of pids) table().start({ pid });
  for (const pid of pids) {
    expect(references.identity(pid)).toEqual(table().at(pid)?.identity());
  }
  references.close();
  expect(table().openReferences).toBe(0);
  expect(references.identity(PID).state).toBe("alive");
});

test("where none can be held each is asked about every time", () => {
  table().mostReferences = 0;
  table().start({ pid: PID });
  references.identity(PID);
  const later = table().start({ pid: PID });
  expect(references.identity(PID)).toEqual(later.identity());
});
