/**
 * The two Linux backends, call by call, over every process and thread of the machine: what they share is
 * only the contract.
 */
import { readdirSync } from "node:fs";

import { describe, expect, test } from "vitest";

import type { ProcessBackend } from "../../../lib/process/backends/backend.js";
import type { ProcessInfo } from "../../../lib/process/process-info.js";
import { backendNamed } from "../../support/processes/backends.js";
import { startReady } from "../../support/processes/child.js";
import { program } from "../../support/processes/programs.js";

/** Processes come and go and change state; only what differs again and again is a difference. */
const ATTEMPTS = 5;

function everyNumber(): number[] {
  const numbers = new Set<number>([process.pid, process.ppid]);
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/u.test(entry)) continue;
    numbers.add(Number(entry));
    try {
      for (const thread of readdirSync(`/proc/${entry}/task`)) numbers.add(Number(thread));
    } catch {
      // Gone meanwhile: still a number worth asking about.
    }
  }
  // Numbers that no process has, or some process.
  for (let pid = 1; pid <= 2 ** 22; pid = pid * 2 + 1) numbers.add(pid);
  numbers.add(2 ** 22);
  return [...numbers];
}

function compareAll(
  native: ProcessBackend,
  procfs: ProcessBackend,
  ask: (backend: ProcessBackend, pid: number) => unknown,
): number {
  const numbers = everyNumber();
  for (const pid of numbers) {
    for (let attempt = 1; ; attempt++) {
      const before = native.identity(pid).exactId ?? native.identity(pid).startTime;
      const [one, other] = [ask(native, pid), ask(procfs, pid)];
      const after = native.identity(pid).exactId ?? native.identity(pid).startTime;
      if (attempt < ATTEMPTS && (before !== after || !same(one, other))) continue;
      expect({ pid, answer: other }).toEqual({ pid, answer: one });
      break;
    }
  }
  return numbers.length;
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

const QUESTIONS: readonly [string, (backend: ProcessBackend, pid: number) => unknown][] = [
  ["isAlive", (backend, pid) => backend.isAlive(pid)],
  ["startTime", (backend, pid) => backend.startTime(pid)],
  ["args", (backend, pid) => backend.args(pid)],
  ["identity", (backend, pid) => ({ ...backend.identity(pid), exactId: null })],
  ["inspect", (backend, pid) => withoutClock(backend.inspect(pid, false))],
  ["inspect with arguments", (backend, pid) => withoutClock(backend.inspect(pid, true))],
];

/** The wall clock is compared on its own, with a tolerance. */
function withoutClock({ startedAtMs, ...info }: ProcessInfo): unknown {
  return { ...info, isDated: startedAtMs !== null };
}

describe.each(QUESTIONS)("native and procfs agree on %s", (_, ask) => {
  test("for every process and thread of the machine", async (context) => {
    const [native, procfs] = [backendNamed("native", context), backendNamed("procfs", context)];
    // The rare kinds are there for sure.
    await startReady(program("zombie-parent"));
    await startReady(program("leader-exits"));
    await startReady(program("vfork-parent"));
    await startReady(program("retitle"), ["fill", "a title"]);
    await startReady(program("idle"), ["", "a\nb", "é", ""]);
    const asked = compareAll(native, procfs, ask);
    expect(asked).toBeGreaterThan(20);
  });
});

test("native and procfs agree on when a process started, within the documented error", (context) => {
  const [native, procfs] = [backendNamed("native", context), backendNamed("procfs", context)];
  const one = native.inspect(process.pid, false).startedAtMs ?? Number.NaN;
  const other = procfs.inspect(process.pid, false).startedAtMs ?? Number.NaN;
  expect(Math.abs(one - other)).toBeLessThanOrEqual(20);
});

test("native and procfs agree on the machine", (context) => {
  const [native, procfs] = [backendNamed("native", context), backendNamed("procfs", context)];
  expect(procfs.host()).toEqual(native.host());
});
