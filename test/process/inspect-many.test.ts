/** Many processes in one question: each answer is the one that the process alone would have got. */
import { readdirSync } from "node:fs";
import { dirname } from "node:path";

import { describe, expect, test } from "vitest";

import { inspectProcess, inspectProcesses, type ProcessInfo } from "../../lib/index.js";
import {
  ARGUMENT_COUNT,
  FACT_COUNT,
  FACT_ROW,
  MOST_AT_ONCE,
  type NativeBinding,
} from "../../lib/native/binding.js";
import type { ProcessBackend } from "../../lib/process/backends/backend.js";
import { createBasicBackend } from "../../lib/process/backends/basic.js";
import { createNativeBackend } from "../../lib/process/backends/native.js";
import { backendNamed, LINUX_BACKENDS } from "../support/processes/backends.js";
import { startReady } from "../support/processes/child.js";
import { program } from "../support/processes/programs.js";
import { requireBinding, requireLinux } from "../support/require.js";

/** Numbers that Linux could hand out and does not: beyond the default of kernel.pid_max on every machine. */
const ABSENT = [4_194_301, 4_194_302, 4_194_303];

/** The longest command line whose arguments are cut out of one string (kLongestCut of native/argument_array.h). */
const LONGEST_CUT = 4096;

/** The most arguments that are told of by where they end. */
const MOST_ENDS = FACT_ROW - FACT_COUNT - 1;

/** How often a process that changes meanwhile is asked about again. */
const ATTEMPTS = 5;

/** The start in wall-clock time is computed anew for each answer. */
function withoutClock({ startedAtMs, ...info }: ProcessInfo): unknown {
  return { ...info, isDated: startedAtMs !== null };
}

function askAll(backend: ProcessBackend, pids: readonly number[], withArgs: boolean): unknown[] {
  const infos: ProcessInfo[] = [];
  while (infos.length < pids.length) {
    const some = backend.inspectMany(pids.slice(infos.length), withArgs, Infinity);
    expect(some.length).toBeGreaterThan(0);
    infos.push(...some);
  }
  return infos.map(withoutClock);
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function everyPid(): number[] {
  const numbersIn = (folder: string): number[] => {
    try {
      return readdirSync(folder).map(Number).filter(Number.isInteger);
    } catch {
      return []; // it has ended
    }
  };
  return numbersIn("/proc").flatMap((pid) => [pid, ...numbersIn(`/proc/${pid}/task`)]);
}

/** Command lines of every form, and what is no running process. */
async function startUnusualProcesses(): Promise<readonly number[]> {
  const idle = program("idle");
  const lines = [
    [],
    [""],
    ["", "", "a"],
    ["a b", "c\nd", '"'],
    ["é", "日本", "😀"],
    Array.from({ length: MOST_ENDS - 1 }, (_, index) => String(index)),
    Array.from({ length: MOST_ENDS }, (_, index) => String(index)),
    Array.from({ length: 500 }, (_, index) => `argument-${index}`),
    ["x".repeat(LONGEST_CUT - idle.length - 1)],
    ["x".repeat(LONGEST_CUT - idle.length)],
    ["x".repeat(100_000), "y"],
  ];
  const children = await Promise.all(lines.map((args) => startReady(idle, args)));
  const bytes = await startReady(program("exec-bytes"), [
    idle,
    "6964",
    "ff78fe",
    "",
    "c3a9",
    "e282",
  ]);
  const nameless = await startReady(idle, [], { argv0: "" });
  const titled = await startReady(program("retitle"), ["fill", "worker 3", "x".repeat(300)]);
  const stuck = await startReady(program("vfork-parent"));
  const leaderless = await startReady(program("leader-exits"));
  const zombie = await startReady(program("zombie-parent"));
  return [
    ...[...children, bytes, nameless, titled, stuck, leaderless, zombie].map(({ pid }) => pid),
    Number(leaderless.first),
    Number(zombie.first),
  ];
}

describe.each(LINUX_BACKENDS)("with the backend %s", (name) => {
  test.for([true, false])(
    "processes of every kind are described together as each one alone, arguments %s",
    async (withArgs, context) => {
      const backend = backendNamed(name, context);
      const pids = [...(await startUnusualProcesses()), ...ABSENT, process.pid];
      // In another order, too: no answer may leave a trace in the one behind it.
      for (const asked of [pids, pids.toReversed()]) {
        const expected = asked.map((pid) => withoutClock(backend.inspect(pid, withArgs)));
        expect(askAll(backend, asked, withArgs)).toEqual(expected);
      }
    },
  );

  test.for([true, false])(
    "every process and thread of the machine is described together as each one alone, arguments %s",
    (withArgs, context) => {
      const backend = backendNamed(name, context);
      const pids = everyPid();
      const together = askAll(backend, pids, withArgs);
      expect(pids.length).toBeGreaterThan(20);
      for (const [index, pid] of pids.entries()) {
        let seen = together[index];
        // Processes come and go and change state; only what differs again and again is a difference.
        for (let attempt = 1; ; attempt++) {
          const alone = withoutClock(backend.inspect(pid, withArgs));
          if (attempt < ATTEMPTS && !isSame(seen, alone)) {
            [seen] = askAll(backend, [pid], withArgs);
            continue;
          }
          expect(seen).toEqual(alone);
          break;
        }
      }
    },
  );

  test("without time left one process is described, and not more", (context) => {
    const backend = backendNamed(name, context);
    const pids = [process.pid, process.ppid, 1];
    expect(backend.inspectMany(pids, false, 0).map(({ pid }) => pid)).toEqual([process.pid]);
    expect(backend.inspectMany([], false, Infinity)).toEqual([]);
  });
});

test("the last resort describes many processes as each one alone", () => {
  const backend = createBasicBackend();
  const pids = [process.pid, process.ppid, ...ABSENT];
  for (const withArgs of [true, false]) {
    const expected = pids.map((pid) => withoutClock(backend.inspect(pid, withArgs)));
    expect(askAll(backend, pids, withArgs)).toEqual(expected);
  }
});

test("the public answers about many pids are those about each, in order, whatever the pids are", async (context) => {
  requireLinux(context, "programs of test/support/native");
  const unusual = await startUnusualProcesses();
  const pids = [-1, ...unusual, Number.NaN, ...ABSENT, 1.5, ...unusual.toReversed(), 2 ** 40];
  for (const args of [true, false]) {
    const found = await inspectProcesses(pids, { args });
    expect([...found.keys()]).toEqual([...new Set(pids)]);
    expect([...found.values()].map(withoutClock)).toEqual(
      [...new Set(pids)].map((pid) => withoutClock(inspectProcess(pid, { args }))),
    );
  }
});

test("many pids are many times fewer calls of the addon, and each has the rest of the slice", (context) => {
  const binding = requireBinding(context);
  const budgets: number[] = [];
  const backend = createNativeBackend({
    ...binding,
    inspectMany(...all): number {
      budgets.push(all[3]);
      return binding.inspectMany(...all);
    },
  } satisfies NativeBinding);
  const pids = Array.from({ length: 10 * MOST_AT_ONCE }, () => process.pid);
  expect(askAll(backend, pids, true)).toHaveLength(pids.length);
  expect(budgets).toEqual(Array.from({ length: 10 }, () => Infinity));
});

test("a call about many processes ends soon after its time", (context) => {
  const binding = requireBinding(context);
  const facts = new Float64Array(MOST_AT_ONCE * FACT_ROW);
  const pids = new Uint32Array(MOST_AT_ONCE).fill(process.pid);
  const countFor = (budgetMs: number): number =>
    binding.inspectMany(pids, MOST_AT_ONCE, facts, budgetMs, []);
  expect(countFor(0)).toBe(1);
  expect(countFor(Infinity)).toBe(MOST_AT_ONCE);
  // The quickest of many: one that the machine was held up in would take for long what is short.
  const all = Math.min(
    ...Array.from({ length: 50 }, () => {
      const started = performance.now();
      countFor(Infinity);
      return performance.now() - started;
    }),
  );
  // A tenth of it: a machine that is held up meanwhile makes it fewer.
  expect(countFor(all / 10)).toBeLessThan(MOST_AT_ONCE);
});

test("arguments are told by where they end, or else in an array", async (context) => {
  requireLinux(context, "a program of test/support/native");
  const binding = requireBinding(context);
  // By a name in ASCII, whatever the names of the folders above are.
  const name = "./idle";
  const options = { cwd: dirname(program("idle")) };
  const [few, many] = await Promise.all([
    startReady(name, ["a", "", "b"], options),
    startReady(name, Array.from({ length: 100 }, String), options),
  ]);
  const facts = new Float64Array(2 * FACT_ROW);
  const lines: (string | string[] | undefined)[] = [];
  binding.inspectMany(Uint32Array.of(few.pid, many.pid), 2, facts, Infinity, lines);
  const { length } = name;
  expect(lines[0]).toBe(`${name} a  b`);
  expect(lines[1]).toBeUndefined();
  expect([...facts.subarray(ARGUMENT_COUNT, ARGUMENT_COUNT + 5)]).toEqual([
    4,
    length,
    length + 2,
    length + 3,
    length + 5,
  ]);
  expect(facts[FACT_ROW + ARGUMENT_COUNT]).toBe(0);
  expect(lines[3]).toHaveLength(101);
});
