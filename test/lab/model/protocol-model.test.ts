/**
 * Every interleaving of the lock's operations: the product's own functions, call by call, on a model of the
 * file system, beside this file. Each scenario visits all states that it can reach and checks that
 *
 * - there are never two holders, and no live holder's lock loses its name before its limit is over,
 * - a removal takes the very lock that was judged, a release its own,
 * - a fenced write happens only while its lock is there, from its beginning to its end,
 * - from every state some process can get the lock, however processes crashed before,
 * - no operation throws or leaves a file open.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { acquireLock } from "../../../lib/lock/acquire.js";
import { resolveAcquireOptions } from "../../../lib/session-lock/acquire-options.js";
import { startHolder } from "../../support/locks/lock-holder.js";
import { requireNative } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { Automaton, type Operation } from "./automaton.js";
import { BROKEN_WITH_GUARD_FILES, BROKEN_WITH_INODE_GUARDS } from "./broken-variants.js";
import { type Exploration, explore } from "./explore.js";
import { operationsOf } from "./operations.js";
import { byName, callsIn, recordCalls } from "./recording.js";
import { type Scenario, World } from "./world.js";

type Operations = Readonly<Record<string, Operation>>;

const TWO = ["contender", "contender"] as const;
const THREE = ["contender", "contender", "contender"] as const;
const MIXED = ["contender", "sandboxed"] as const;

/** A local disk on Linux: the lock file is its own guard. */
const INODE_GUARDS: Scenario = {
  roles: TWO,
  crashes: 1,
  overdue: 1,
  truncations: 0,
  initially: "stale",
  hasLinks: true,
  hasUnnamed: true,
  platform: "linux",
  mayPutBack: false,
  refusals: null,
  fullDisk: false,
  symmetric: true,
  merged: true,
};

/** macOS, and what is not a local disk: a guard file. */
const GUARD_FILES: Scenario = { ...INODE_GUARDS, platform: "darwin", hasUnnamed: false };

/** All outcomes that two contenders, one of them late, can meet: a model that misses some proves little. */
function outcomesWith(kind: "owned" | "locked"): readonly string[] {
  return [
    "publish: published",
    "publish: contended",
    "inspect: absent",
    "inspect: kept",
    "inspect: removable",
    `reclaim ${kind}: removed`,
    `reclaim ${kind}: changed`,
    `reclaim ${kind}: busy`,
    `fence ${kind}: written`,
    `fence ${kind}: lost`,
    `fence ${kind}: busy`,
    `release ${kind}: removed`,
    `release ${kind}: not-ours`,
    `release ${kind}: busy`,
    "close: closed",
  ];
}

const OWNED = outcomesWith("owned");
const LOCKED = outcomesWith("locked");

function check(
  change: Partial<Scenario>,
  operations: Operations = operationsOf(change.platform ?? "darwin", change.refusals === "ENOTSUP"),
): Exploration {
  const scenario = { ...(change.platform === "linux" ? INODE_GUARDS : GUARD_FILES), ...change };
  return explore(scenario, new Automaton(operations, scenario.platform));
}

interface ScenarioCheck {
  readonly name: string;
  readonly change: Partial<Scenario>;
  /** So many states at least: fewer would mean that the model has lost something. */
  readonly atLeast: number;
  readonly outcomes: readonly string[];
}

function onTime(outcomes: readonly string[]): readonly string[] {
  return outcomes.filter((name) => !/lost|not-ours/u.test(name));
}

/**
 * What becomes of locks with a guard file where one process alone makes them: another one is in their guard only to remove
 * one whose holder has crashed, which then is in no fence and no release.
 */
const LOCKED_BY_ONE = onTime(LOCKED).filter(
  (name) => !/^(?:fence|release) locked: busy$/u.test(name),
);

/** With the lock file as its own guard. */
const INODE_CHECKS: readonly ScenarioCheck[] = [
  {
    name: "three processes, one of which may crash",
    change: { platform: "linux", roles: THREE, overdue: 0 },
    atLeast: 40_000,
    outcomes: onTime(OWNED),
  },
  {
    name: "two processes, of which one may crash and one be overdue, every call by itself",
    change: { platform: "linux", merged: false },
    atLeast: 12_000,
    outcomes: OWNED,
  },
  {
    name: "two processes behind another program's stale lock",
    change: { platform: "linux", initially: "plain", merged: false },
    atLeast: 12_000,
    outcomes: [...OWNED, "reclaim plain: removed", "reclaim plain: busy", "reclaim plain: changed"],
  },
  {
    name: "two processes on a file system without hard links, where locks are written in their place",
    change: { platform: "linux", hasLinks: false, hasUnnamed: false },
    atLeast: 80_000,
    outcomes: [...OWNED, "publish: busy", "reclaim empty: removed", "reclaim empty: busy"],
  },
  {
    name: "two processes to which the kernel may refuse every lock for a while",
    change: { platform: "linux", refusals: "ENOLCK" },
    atLeast: 80_000,
    outcomes: [
      ...OWNED,
      ...LOCKED,
      "fence owned: refused",
      "release owned: refused",
      "reclaim owned: refused",
      "fence unlocked: written",
      "release unlocked: removed",
    ],
  },
  {
    name: "two processes of which one may not use the locks that the other one owns by",
    change: { platform: "linux", roles: MIXED, symmetric: false, initially: "plain" },
    atLeast: 5000,
    outcomes: [...OWNED, ...LOCKED, "reclaim plain: removed"],
  },
  {
    name: "two such processes without hard links",
    change: {
      platform: "linux",
      roles: MIXED,
      symmetric: false,
      overdue: 0,
      hasLinks: false,
      hasUnnamed: false,
    },
    atLeast: 40_000,
    outcomes: [...onTime(OWNED), ...onTime(LOCKED), "reclaim empty: removed"],
  },
  {
    name: "a process and a sweep of leftovers that takes everything for old",
    change: {
      platform: "linux",
      roles: ["contender", "sweeper"],
      overdue: 0,
      symmetric: false,
      hasUnnamed: false,
      initially: "stale and guard",
    },
    atLeast: 1000,
    outcomes: ["sweep T0: removed", "sweep T0: gone", "sweep G: removed", "publish: swept"],
  },
  {
    name: "two processes whose lock's file a tool truncates",
    change: { platform: "linux", truncations: 1 },
    atLeast: 25_000,
    outcomes: [...OWNED, "reclaim empty: removed", "reclaim empty: changed"],
  },
  {
    name: "two processes without hard links whose lock's file a tool truncates",
    change: { platform: "linux", hasLinks: false, hasUnnamed: false, overdue: 0, truncations: 1 },
    atLeast: 75_000,
    outcomes: [...OWNED, "reclaim empty: removed", "reclaim empty: changed"],
  },
  {
    name: "two processes whose lock's file a tool truncates, of which one may not use those locks",
    change: {
      platform: "linux",
      roles: MIXED,
      symmetric: false,
      overdue: 0,
      truncations: 1,
    },
    atLeast: 11_000,
    outcomes: [...onTime(OWNED), ...onTime(LOCKED), "reclaim empty: removed"],
  },
];

/** With a guard file. */
const GUARD_FILE_CHECKS: readonly ScenarioCheck[] = [
  {
    name: "three processes, one of which may crash",
    change: { roles: THREE, overdue: 0 },
    atLeast: 300_000,
    outcomes: onTime(LOCKED),
  },
  {
    name: "two processes, of which one may crash and one be overdue, every call by itself",
    change: { merged: false },
    atLeast: 40_000,
    outcomes: LOCKED,
  },
  {
    name: "two processes on a file system without hard links",
    change: { hasLinks: false },
    atLeast: 70_000,
    outcomes: [...LOCKED, "publish: busy", "reclaim empty: removed"],
  },
  {
    name: "two processes to which the kernel may refuse every lock for a while",
    change: { refusals: "ENOLCK" },
    atLeast: 25_000,
    outcomes: [
      ...LOCKED,
      "fence locked: refused",
      "release locked: refused",
      "reclaim locked: refused",
      "fence unlocked: written",
      "release unlocked: removed",
    ],
  },
  {
    name: "two processes to which the kernel may say that there are no locks here, though there are",
    change: { refusals: "ENOTSUP" },
    atLeast: 20_000,
    outcomes: [
      ...LOCKED,
      "fence locked: refused",
      "release locked: refused",
      "reclaim locked: no-guard",
      "fence unlocked: written",
      "release unlocked: removed",
    ],
  },
  {
    name: "two processes on a disk without free inodes, which a guard may find now and then",
    change: { fullDisk: true },
    atLeast: 45_000,
    outcomes: [...LOCKED, "reclaim locked: refused"],
  },
  {
    name: "two processes on Windows",
    change: { platform: "win32", initially: "stale and guard" },
    atLeast: 9000,
    outcomes: [...LOCKED, "publish: busy", "reclaim empty: removed"],
  },
  {
    name: "a process and a sweep of leftovers that takes everything for old",
    change: {
      roles: ["contender", "sweeper"],
      overdue: 0,
      symmetric: false,
      initially: "stale and guard",
    },
    atLeast: 2000,
    outcomes: ["sweep T0: removed", "sweep T0: gone", "sweep G: removed", "publish: swept"],
  },
  {
    name: "a process and such a sweep on a disk without free inodes, where locks may be refused",
    change: {
      roles: ["contender", "sweeper"],
      overdue: 0,
      symmetric: false,
      initially: "stale and guard",
      fullDisk: true,
      refusals: "ENOLCK",
    },
    atLeast: 2000,
    outcomes: ["sweep G: removed", "sweep G: refused", "publish: swept", "release locked: removed"],
  },
  {
    name: "two processes whose lock's file a tool truncates",
    change: { truncations: 1 },
    atLeast: 45_000,
    outcomes: [...LOCKED, "reclaim empty: removed", "reclaim empty: changed"],
  },
  {
    name: "two processes on Windows whose lock's file a tool truncates",
    change: { platform: "win32", truncations: 1, overdue: 0 },
    atLeast: 12_000,
    outcomes: [...LOCKED, "publish: busy", "reclaim empty: removed", "reclaim empty: changed"],
  },
];

const LONG_INODE_CHECKS: readonly ScenarioCheck[] = [
  {
    name: "three processes, of which one may crash and one be overdue",
    change: { platform: "linux", roles: THREE },
    atLeast: 200_000,
    outcomes: OWNED,
  },
  {
    name: "three processes, of which one may not use the locks that the others own by",
    change: {
      platform: "linux",
      roles: ["contender", "sandboxed", "contender"],
      symmetric: false,
      overdue: 0,
    },
    atLeast: 100_000,
    outcomes: [...onTime(OWNED), ...LOCKED_BY_ONE],
  },
  {
    name: "three processes behind another program's stale lock, one of which may not use those locks",
    change: {
      platform: "linux",
      roles: ["contender", "sandboxed", "contender"],
      symmetric: false,
      overdue: 0,
      initially: "plain",
    },
    atLeast: 100_000,
    outcomes: [...onTime(OWNED), ...LOCKED_BY_ONE, "reclaim plain: changed"],
  },
];

/** The whole of it, too large for every day: minutes and 3 GB. Run by `npm run trust`. */
const LONG_GUARD_FILE_CHECKS: readonly ScenarioCheck[] = [
  {
    name: "three processes, of which one may crash, to which the kernel may refuse every lock",
    change: { roles: THREE, overdue: 0, refusals: "ENOLCK" },
    atLeast: 1_000_000,
    outcomes: [
      ...onTime(LOCKED),
      "fence locked: refused",
      "release locked: refused",
      "reclaim locked: refused",
    ],
  },
  {
    name: "two processes on a disk without free inodes, to which the kernel may refuse every lock",
    change: { fullDisk: true, refusals: "ENOLCK" },
    atLeast: 200_000,
    outcomes: [
      ...LOCKED,
      "fence locked: refused",
      "release locked: refused",
      "reclaim locked: refused",
    ],
  },
  {
    name: "two processes on such a disk without hard links",
    change: { fullDisk: true, refusals: "ENOLCK", hasLinks: false },
    atLeast: 600_000,
    outcomes: [...LOCKED, "fence locked: refused", "publish: refused", "reclaim empty: refused"],
  },
  {
    name: "three processes, of which one may crash and one be overdue",
    change: { roles: THREE },
    atLeast: 2_000_000,
    outcomes: LOCKED,
  },
];

const isLong = process.env["PIDENTITY_TRUST"] === "1";

describe.each([
  ["the lock file as its own guard", INODE_CHECKS, LONG_INODE_CHECKS],
  ["a guard file", GUARD_FILE_CHECKS, LONG_GUARD_FILE_CHECKS],
] as const)("every order of steps, with %s", (_, short, long) => {
  const checks = isLong ? [...short, ...long] : short;
  const named = checks.map((one) => [one.name, one] as const);
  test.for(named)(
    "no order of steps breaks the protocol: %s",
    { timeout: 600_000 },
    ([name, { change, atLeast, outcomes }]) => {
      const found = check(change);
      process.stdout.write(`explored, ${name}: ${found.states} states\n`);
      expect(found.counterexample).toBeNull();
      expect([...found.outcomes]).toEqual(expect.arrayContaining([...outcomes]));
      expect(found.states).toBeGreaterThan(atLeast);
    },
  );
});

type Variants<Name extends string> = readonly (readonly [Name, Partial<Scenario>, string])[];

const INODE_VARIANTS: Variants<keyof typeof BROKEN_WITH_INODE_GUARDS> = [
  [
    "a guard that is not compared with the path after it was locked",
    { roles: THREE, overdue: 0 },
    "a removal of another lock than the judged one",
  ],
  [
    "a look at the owner before the guard, and none inside",
    {},
    "a removal of another lock than the judged one",
  ],
  ["a release without its guard", {}, "a release of another one's lock"],
  ["a fence without its guard", {}, "a fenced write without the lock"],
  [
    "a guard on another file than the lock",
    { roles: THREE, overdue: 0 },
    "a removal of another lock than the judged one",
  ],
  [
    "two kinds of guards of which each process enters one",
    { roles: ["contender", "sandboxed", "contender"], symmetric: false, initially: "plain" },
    "a removal of another lock than the judged one",
  ],
  [
    "an empty file that is removed without the guard file of those who write it",
    { hasLinks: false, hasUnnamed: false },
    "a live holder's lock is gone",
  ],
  [
    "a publication that counts the names of its file",
    { hasUnnamed: false },
    "a fenced write without the lock",
  ],
];

const GUARD_FILE_VARIANTS: Variants<keyof typeof BROKEN_WITH_GUARD_FILES> = [
  [
    "a reclaim that reads, compares and unlinks by path",
    { roles: THREE },
    "a removal of another lock than the judged one",
  ],
  [
    "a reclaim that renames aside and verifies there",
    { roles: THREE, mayPutBack: true },
    "two holders",
  ],
  ["a reclaim that compares inode numbers", {}, "a removal of another lock than the judged one"],
  [
    // Of two processes that go by different ways, the one in the guard removes a third process's lock.
    "a release without guard",
    { roles: THREE, crashes: 0 },
    "a removal of another lock than the judged one",
  ],
  ["a fence without guard", {}, "a fenced write without the lock"],
  [
    "a guard whose path is not looked at again",
    { roles: THREE, crashes: 0 },
    "a fenced write without the lock",
  ],
  [
    "a guard that is closed before it is unlinked",
    { roles: THREE, crashes: 0 },
    "a fenced write without the lock",
  ],
  ["a guard file that only its maker removes", {}, "nobody can ever get the lock again"],
  [
    "a lock that is locked after it is published",
    { merged: false },
    "a live holder's lock is gone",
  ],
  ["a lock that is published by a rename", { merged: false }, "a live holder's lock is gone"],
  [
    "a refused guard that counts as none",
    { refusals: "ENOLCK" },
    "a fenced write without the lock",
  ],
  [
    "a second name for a guard that is not looked at",
    { fullDisk: true },
    "a fenced write without the lock",
  ],
];

describe("protocols that are known to be broken", () => {
  test("the checker is tried on every broken protocol", () => {
    const names = (variants: Variants<string>): string[] => variants.map(([name]) => name).sort();
    expect(names(INODE_VARIANTS)).toEqual(Object.keys(BROKEN_WITH_INODE_GUARDS).sort());
    expect(names(GUARD_FILE_VARIANTS)).toEqual(Object.keys(BROKEN_WITH_GUARD_FILES).sort());
  });

  const refute = (
    name: string,
    scenario: Partial<Scenario>,
    change: (operations: Operations) => Operations,
  ): string | undefined => {
    const broken = change(operationsOf(scenario.platform ?? "darwin"));
    const { counterexample, states } = check(scenario, broken);
    const what = counterexample?.what;
    const trace = (counterexample?.trace ?? []).join("\n  ");
    process.stdout.write(`refuted after ${states} states, ${name}: ${what}:\n  ${trace}\n`);
    return what;
  };

  test.for(INODE_VARIANTS)(
    "the checker refutes, where the lock file is its own guard, %s",
    { timeout: 300_000 },
    ([name, change, what]) => {
      const scenario = { ...change, platform: "linux" } as const;
      expect(refute(name, scenario, BROKEN_WITH_INODE_GUARDS[name])).toBe(what);
    },
  );

  test.for(GUARD_FILE_VARIANTS)(
    "the checker refutes, where there is a guard file, %s",
    { timeout: 300_000 },
    ([name, change, what]) => {
      expect(refute(name, change, BROKEN_WITH_GUARD_FILES[name])).toBe(what);
    },
  );
});

describe("the model and the product", () => {
  const platform =
    process.platform === "win32" || process.platform === "darwin" ? process.platform : "linux";
  const kind = platform === "linux" ? "owned" : "locked";
  const alone: Scenario = {
    ...INODE_GUARDS,
    platform,
    hasUnnamed: platform === "linux",
    roles: ["contender"],
    crashes: 0,
    overdue: 0,
    symmetric: false,
    merged: false,
  };

  /** Lets the model's one process do the named operations, each to its end. */
  function callsOfModel(initially: Scenario["initially"], plan: readonly string[]): string[] {
    const scenario = { ...alone, initially };
    const world = new World(scenario, new Automaton(operationsOf(platform), platform));
    let state = world.initial();
    const calls: string[] = [];
    for (const operation of plan) {
      for (let isOver = false; !isOver;) {
        const step = world.steps(state).find(({ label }) => label.startsWith(`${operation}: `));
        if (step === undefined) throw new Error(`cannot ${operation} now`);
        calls.push(...callsIn(step.label));
        state = step.next;
        isOver = step.ended.includes(operation);
      }
    }
    return byName(calls);
  }

  async function callsOfProduct(folder: string): Promise<string[]> {
    const { fs, calls } = recordCalls(join(folder, "s.jsonl.lock"));
    const plan = resolveAcquireOptions({ sessionFile: join(folder, "s.jsonl"), env: {} });
    const lock = await acquireLock(plan, fs);
    lock.withFence(() => {});
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
    return byName(calls);
  }

  test("the model's process makes the real one's calls to acquire, fence and release a free lock", async (context) => {
    requireNative(context);
    const modelled = callsOfModel("empty", [
      "publish",
      `fence ${kind}`,
      `release ${kind}`,
      "close",
    ]);
    expect(await callsOfProduct(temporaryFolder())).toEqual(modelled);
    expect(modelled.length).toBeGreaterThan(10);
  });

  test("the model's process makes the real one's calls to take a lock that a dead process left", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const holder = await startHolder(join(folder, "s.jsonl.lock"));
    await holder.kill();
    const modelled = callsOfModel("stale", [
      "publish",
      "inspect",
      `reclaim ${kind}`,
      "publish",
      `fence ${kind}`,
      `release ${kind}`,
      "close",
    ]);
    expect(await callsOfProduct(folder)).toEqual(modelled);
  });
});
