/**
 * `npm run trust` takes hours without a person: what it says of them must follow from what was done, what is cut off must
 * not count, and the guides must say the very numbers of its report.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

import { describe, expect, test, type TestContext } from "vitest";

import { ROOT } from "../support/processes/programs.js";
import { requireLinux, requireProgram } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { waitFor } from "../support/wait-for.js";

type Kind = "waits" | "computes" | "alone";

interface Step {
  readonly name: string;
  readonly subject: string;
  readonly kind: Kind;
  readonly seconds: number;
  readonly command: string;
  readonly by: readonly string[];
  readonly given?: object;
  readonly of?: readonly string[];
  readonly counts: Readonly<Record<string, object>>;
}

interface Result {
  readonly name: string;
  readonly subject: string;
  readonly method: string;
  readonly command: string;
  readonly cases: Readonly<Record<string, number>>;
  readonly result: "passed" | "failed" | "skipped";
  readonly reason?: string;
  readonly seconds: number;
  readonly scale: number;
  readonly commit: string;
  readonly code: string;
  readonly form: string;
  readonly date: string;
  readonly machine: object;
}

interface Report {
  readonly isWhole: boolean;
  readonly missing: readonly string[];
  readonly outdated: readonly string[];
  readonly subjects: readonly {
    readonly subject: string;
    readonly isWhole: boolean;
    readonly cases: Readonly<Record<string, number>>;
  }[];
  readonly steps: readonly Result[];
}

interface Claim {
  readonly text: string;
  readonly unit: string;
  readonly holds: (count: number) => boolean;
}

async function importOfTrust(file: string): Promise<unknown> {
  return await import(pathToFileURL(join(ROOT, "test/lab/trust", file)).href);
}

const { makeReport, showReport, withSpaces } = (await importOfTrust("report.mjs")) as {
  makeReport: (
    results: readonly Result[],
    wanted: readonly Pick<Step, "name" | "subject">[],
    isCurrent: (result: Result) => boolean,
  ) => Report;
  showReport: (report: Report) => string;
  withSpaces: (count: number) => string;
};
const { claimsIn } = (await importOfTrust("claims.mjs")) as {
  claimsIn: (guide: string, units: readonly string[]) => readonly Claim[];
};
const { nextStep, runSteps, secondsOf } = (await importOfTrust("../../../.ci/schedule.mjs")) as {
  nextStep: (waiting: readonly Step[], running: readonly Step[]) => Step | null;
  runSteps: (
    steps: readonly Step[],
    run: (step: Step) => Promise<void>,
    signal: AbortSignal,
  ) => Promise<void>;
  secondsOf: (steps: readonly Step[]) => number;
};
const { casesOf, stepsAt } = (await importOfTrust("steps.mjs")) as {
  casesOf: (step: object, text: string) => Readonly<Record<string, number>>;
  stepsAt: (scale: number) => readonly Step[];
};
const { describeCode, describeCommit, describeForm, readResults, takeOver, writeResult } =
  (await importOfTrust("results.mjs")) as {
    describeCode: (step: Pick<Step, "of">, checkout: string) => string;
    describeCommit: (checkout: string) => string;
    describeForm: (step: Pick<Step, "command" | "by" | "given">, checkout: string) => string;
    readResults: (folder: string, names: readonly string[]) => readonly Result[];
    takeOver: (folder: string, reported: readonly Result[]) => void;
    writeResult: (folder: string, result: Result) => void;
  };
const { execute } = (await importOfTrust("execute.mjs")) as {
  execute: (command: string, how: object) => Promise<string>;
};

const MACHINE = { cpu: "CPU", cores: 2, memoryGiB: 8, kernel: "linux 6", node: "v22" };

function resultOf(name: string, change: Partial<Result> = {}): Result {
  return {
    name,
    subject: name,
    method: "as it does",
    command: `do ${name}`,
    cases: {},
    result: "passed",
    seconds: 60,
    scale: 1,
    commit: "0a1b2c3",
    code: "c0de",
    form: "f0",
    date: "2026-11-28 10:00",
    machine: MACHINE,
    ...change,
  };
}

const WANTED = [
  { name: "fuzz", subject: "fuzz" },
  { name: "torture", subject: "torture" },
  { name: "torture-xfs", subject: "torture" },
];
const FUZZ = resultOf("fuzz", { cases: { "executions each": 10_000_001 } });
const TORTURE = resultOf("torture", { cases: { acquisitions: 1000, reclaims: 90 } });
const TORTURE_XFS = resultOf("torture-xfs", {
  subject: "torture",
  cases: { acquisitions: 2345, reclaims: 10 },
});

const isAnything = (): boolean => true;

describe("the report of a trust run", () => {
  test("numbers of one subject's steps are added up", () => {
    const { isWhole, subjects } = makeReport([FUZZ, TORTURE, TORTURE_XFS], WANTED, isAnything);
    expect(isWhole).toBe(true);
    expect(subjects[1]).toEqual({
      subject: "torture",
      isWhole: true,
      cases: { acquisitions: 3345, reclaims: 100 },
    });
    const text = showReport(makeReport([FUZZ, TORTURE, TORTURE_XFS], WANTED, isAnything));
    expect(text).toContain("All steps have passed, begun at `0a1b2c3`;");
    expect(text).toContain("Together, torture: 3 345 acquisitions, 100 reclaims.");
    expect(text).toContain("10 000 001 executions each");
  });

  test.each<[what: string, results: readonly Result[], said: readonly string[]]>([
    [
      "a step that was not run is named",
      [FUZZ, TORTURE],
      ["**Not run: torture-xfs.**", "not a whole run", "2 steps have passed"],
    ],
    [
      "a step that failed is named, and does not count",
      [FUZZ, TORTURE, { ...TORTURE_XFS, result: "failed", cases: {} }],
      ["Failed: torture-xfs.", "2 steps have passed", "as far as it passed: 1 000 acquisitions"],
    ],
    [
      "a step that was skipped says why",
      [FUZZ, TORTURE, { ...TORTURE_XFS, result: "skipped", reason: "no xfs here", cases: {} }],
      ["Skipped: torture-xfs.", "skipped: no xfs here", "not a whole run"],
    ],
    [
      "a step of something that has changed since is named",
      [FUZZ, TORTURE, { ...TORTURE_XFS, commit: "9f8e7d6", code: "0dd" }],
      ["has changed since: torture-xfs.", "`0dd`", "not a whole run"],
    ],
    [
      "a step of another scale says so",
      [{ ...FUZZ, scale: 0.01 }, TORTURE, TORTURE_XFS],
      ["`c0de`, scale 0.01"],
    ],
  ])("%s", (_what, results, said) => {
    const text = showReport(makeReport(results, WANTED, ({ code }) => code === "c0de"));
    for (const words of said) expect(text).toContain(words);
  });

  test("commits between which nothing has changed that is tried are one run", () => {
    const results = [FUZZ, TORTURE, { ...TORTURE_XFS, commit: "9f8e7d6" }];
    const report = makeReport(results, WANTED, isAnything);
    expect(report.isWhole).toBe(true);
    expect(showReport(report)).toContain("begun at `0a1b2c3`, `9f8e7d6`;");
  });

  test("nothing that was run is nothing that has passed", () => {
    const report = makeReport([], WANTED, isAnything);
    expect(report.isWhole).toBe(false);
    expect(showReport(report)).toContain("**Not run: fuzz, torture, torture-xfs.**");
    expect(showReport(report)).not.toContain("passed");
  });

  test.each([
    [0, "0"],
    [999, "999"],
    [1000, "1 000"],
    [209_397, "209 397"],
    [10_000_000, "10 000 000"],
  ])("%i is written as %s", (count, text) => {
    expect(withSpaces(count)).toBe(text);
  });
});

const OWN_TESTS = ["test/lock.test.ts", "test/sweep.test.ts", "test/support/wait.ts"];

describe("what a result is of", () => {
  /** A clone with one file of each kind, all committed. */
  function clone(context: TestContext) {
    requireProgram(context, "git");
    const checkout = temporaryFolder();
    const git = (...args: readonly string[]) => {
      const author = ["-c", "user.name=a", "-c", "user.email=a@b"];
      execFileSync("git", [...author, ...args], { cwd: checkout });
    };
    const put = (file: string, text: string) => writeFileSync(join(checkout, file), text);
    const commit = () => {
      git("add", ".");
      git("commit", "--quiet", "--message", "any");
    };
    git("init", "--quiet");
    for (const folder of [".github", "native", "test", "test/support"])
      mkdirSync(join(checkout, folder));
    for (const file of ["lock.ts", "guide.md", "native/parse.cc", ...OWN_TESTS]) put(file, "1");
    commit();
    return { checkout, put, commit, codeOf: (step = {}) => describeCode(step, checkout) };
  }

  test("a changed or a new file makes other code, a commit, a guide or a test does not", (context) => {
    const { checkout, put, commit, codeOf } = clone(context);
    const first = codeOf();
    put("guide.md", "2");
    put(".github/chart.svg", "1");
    put("test/lock.test.ts", "2");
    put("test/support/wait.ts", "2");
    put("test/new.test.ts", "1");
    expect(codeOf()).toBe(first);
    commit();
    expect(codeOf()).toBe(first);
    put("lock.ts", "2");
    const changed = codeOf();
    expect(changed).not.toBe(first);
    put("new.ts", "1");
    const added = codeOf();
    expect(added).not.toBe(changed);
    commit();
    expect(codeOf()).toBe(added);
    expect(describeCommit(checkout)).toMatch(/^[0-9a-f]{12}$/u);
    rmSync(join(checkout, "new.ts"));
    expect(codeOf()).toBe(changed);
  });

  test("what would be of nothing fails", (context) => {
    const { codeOf } = clone(context);
    expect(() => codeOf({ of: ["natve"] })).toThrow(/no files in natve/u);
    expect(() => codeOf({ of: ["test"] })).toThrow(/no files in test/u);
  });

  test("a proof of one part is not of the others", (context) => {
    const { put, codeOf } = clone(context);
    const native = { of: ["native"] };
    const first = codeOf(native);
    expect(first).not.toBe(codeOf());
    put("lock.ts", "2");
    expect(codeOf(native)).toBe(first);
    put("native/parse.cc", "2");
    expect(codeOf(native)).not.toBe(first);
  });

  test("a step is another one with another command, or other tests of its own", (context) => {
    const { checkout, put, commit } = clone(context);
    const formOf = (change: Partial<Step> = {}) =>
      describeForm({ command: "vitest", by: ["test/lock*", "test/support"], ...change }, checkout);
    const first = formOf();
    expect(formOf({ command: "vitest run" })).not.toBe(first);
    expect(formOf({ by: ["test/sweep*"] })).not.toBe(first);
    expect(formOf({ given: { least: 90 } })).not.toBe(first);
    put("test/sweep.test.ts", "2");
    expect(formOf()).toBe(first);
    put("test/support/wait.ts", "2");
    expect(formOf()).not.toBe(first);
    put("test/support/wait.ts", "1");
    put("test/lock.test.ts", "2");
    const changed = formOf();
    expect(changed).not.toBe(first);
    put("test/lock-names.test.ts", "1");
    expect(formOf()).not.toBe(changed);
    commit();
    expect(formOf()).not.toBe(first);
    put("test/lock.test.ts", "1");
    rmSync(join(checkout, "test/lock-names.test.ts"));
    commit();
    expect(formOf()).toBe(first);
  });

  test.each(stepsAt(1))("$name names what it is of, and by what", ({ by, of = [], command }) => {
    expect(by).not.toEqual([]);
    for (const path of [...by, ...of]) {
      const start = basename(path).replace(/\*$/u, "");
      const siblings = readdirSync(join(ROOT, dirname(path)));
      expect(
        siblings.filter((name) => name.startsWith(start)),
        path,
      ).not.toEqual([]);
    }
    for (const [room] of command.matchAll(/test\/lab\/[a-z]+/gu)) {
      const isOf = (path: string): boolean => `${path}/`.startsWith(`${room}/`);
      expect(by.some((path) => isOf(path) || room.startsWith(`${path}/`))).toBe(true);
    }
  });

  test("a run goes on with what a report says, but for what it has done itself", () => {
    const folder = temporaryFolder();
    writeResult(folder, resultOf("fuzz", { date: "2026-11-28 11:00" }));
    takeOver(folder, [FUZZ, TORTURE]);
    const dates = readResults(folder, ["fuzz", "torture", "leaks"]).map(({ date }) => date);
    expect(dates).toEqual(["2026-11-28 11:00", "2026-11-28 10:00"]);
  });
});

describe("the order of the steps", () => {
  const step = (name: string, kind: Kind, seconds: number): Step => ({
    name,
    subject: name,
    kind,
    seconds,
    command: name,
    by: [],
    counts: {},
  });
  const [LEASE, PODS] = [step("lease", "waits", 30), step("pods", "waits", 20)];
  const [FUZZING, MODEL] = [step("fuzz", "computes", 40), step("model", "computes", 10)];
  const SWEEP = step("sweep", "alone", 100);
  const ALL = [MODEL, SWEEP, PODS, LEASE, FUZZING];

  test.each<[what: string, waiting: readonly Step[], running: readonly Step[], next: Step | null]>([
    ["the longest starts first", ALL, [], FUZZING],
    ["one that waits runs beside one that computes", ALL, [FUZZING], LEASE],
    ["one that computes runs beside one that waits", ALL, [LEASE], FUZZING],
    ["a third one does not", ALL, [LEASE, FUZZING], null],
    ["two that compute do not share the machine", [MODEL, SWEEP], [FUZZING], null],
    ["two that wait do, when none computes", [PODS, SWEEP], [LEASE], PODS],
    ["one that runs alone comes last", [SWEEP], [], SWEEP],
    ["nothing runs beside it", ALL, [SWEEP], null],
    ["it waits until nothing else runs", [SWEEP], [LEASE], null],
    ["nothing is next when nothing is left", [], [LEASE], null],
  ])("%s", (_what, waiting, running, next) => {
    expect(nextStep(waiting, running)).toBe(next);
  });

  test("the time of all follows from what runs side by side", () => {
    // fuzz and model beside lease and pods; then sweep.
    expect(secondsOf(ALL)).toBe(50 + 100);
  });

  test("each step runs once, and none starts after an interruption", async () => {
    const started: string[] = [];
    const interrupt = new AbortController();
    const run = async ({ name }: Step): Promise<void> => {
      started.push(name);
      if (name === "pods") interrupt.abort();
      await Promise.resolve();
    };
    await runSteps(ALL, run, new AbortController().signal);
    expect(started.toSorted()).toEqual(ALL.map(({ name }) => name).toSorted());
    started.length = 0;
    await runSteps(ALL, run, interrupt.signal);
    expect(started).toEqual([]);
    const again = new AbortController();
    await runSteps(
      ALL,
      async ({ name }) => {
        started.push(name);
        again.abort();
        await Promise.resolve();
      },
      again.signal,
    );
    expect(started).toEqual(["fuzz"]);
  });

  test("a whole run has its time: 150 minutes on two cores", () => {
    expect(secondsOf(stepsAt(1)) / 60).toBeLessThan(150);
  });
});

describe("what a step counts", () => {
  test("what was tried too seldom has not been tried", () => {
    const counts = { acquisitions: { pattern: /(\d+) acquisitions/gu, least: 100 } };
    expect(casesOf({ counts }, "60 acquisitions\n40 acquisitions\n")).toEqual({
      acquisitions: 100,
    });
    expect(() => casesOf({ counts }, "99 acquisitions\n")).toThrow(
      "at least 100 acquisitions were to be tried: 99",
    );
    expect(() => casesOf({ counts }, "")).toThrow("tried: 0");
  });

  test("no two subjects count under one name: the guides' numbers would be of either", () => {
    const subjects = new Map<string, Set<string>>();
    for (const { subject, counts } of stepsAt(1)) {
      for (const unit of Object.keys(counts)) {
        subjects.set(unit, (subjects.get(unit) ?? new Set()).add(subject));
      }
    }
    expect([...subjects].filter(([, of]) => of.size > 1)).toEqual([]);
  });
});

describe("a step's command", () => {
  function howIn(folder: string, signal: AbortSignal): object {
    return {
      mark: folder,
      cwd: folder,
      log: join(folder, "log"),
      environment: {},
      isPolite: true,
      signal,
      graceMs: 200,
    };
  }
  const never = new AbortController().signal;

  /** As execute.mjs does not: by the folder that they work in. */
  function processesIn(folder: string): string[] {
    return readdirSync("/proc").filter((pid) => {
      try {
        return (
          /^\d+$/u.test(pid) &&
          readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(join(folder, "endless"))
        );
      } catch {
        return false;
      }
    });
  }

  test("its output comes back when it ends well, and in the error when it does not", async () => {
    const folder = temporaryFolder();
    expect(await execute("echo done", howIn(folder, never))).toBe("done\n");
    await expect(execute("echo wrong; exit 3", howIn(folder, never))).rejects.toThrow(
      /^wrong\nended with 3/u,
    );
  });

  test("interrupted, it ends with all that it has started, in its process group or not", async (context) => {
    requireLinux(context, "processes are found by /proc");
    const folder = temporaryFolder();
    const interrupt = new AbortController();
    const file = join(folder, "endless");
    // The second one ignores what asks it to end, in a session of its own.
    const command = `tail -f /dev/null ${file}.1 & setsid sh -c 'trap "" TERM; tail -f /dev/null ${file}.2; sleep 1000' & wait`;
    for (const name of ["1", "2"]) await execute(`touch ${file}.${name}`, howIn(folder, never));
    const ended = execute(command, howIn(folder, interrupt.signal));
    await waitFor("all to run", () => processesIn(folder).length >= 4);
    interrupt.abort(new Error("SIGINT"));
    await expect(ended).rejects.toThrow("SIGINT");
    expect(processesIn(folder)).toEqual([]);
  }, 60_000);
});

describe("numbers in a guide", () => {
  const guide = [
    "8 processes fight: 209 397 acquisitions with 18 323 reclaims, no overlap",
    "over 2 million states; 12 known-broken protocols",
    "10 million executions each; about 5 800 cases",
  ].join("\n");

  test.each<[unit: string, count: number, holds: boolean]>([
    ["acquisitions", 209_397, true],
    ["acquisitions", 209_398, false],
    ["acquisitions", 397, false],
    ["reclaims", 18_323, true],
    ["states", 2_000_000, true],
    ["states", 1_999_999, false],
    ["known-broken protocols", 12, true],
    ["known-broken protocols", 20, false],
    ["executions each", 10_000_000, true],
    ["executions each", 10_200_000, false],
    ["cases", 5801, true],
    ["cases", 6100, false],
  ])("%s: %i counted: %s", (unit, count, holds) => {
    const claims = claimsIn(guide, [unit]);
    expect(claims).toHaveLength(1);
    expect(claims[0]?.holds(count)).toBe(holds);
  });

  test("a number of something else is no claim", () => {
    expect(claimsIn("1.5 states, 3 states-of-affairs, many states", ["states"])).toEqual([]);
  });
});

describe("the guides", () => {
  const file = join(ROOT, "test/lab/trust/report.json");
  const report = JSON.parse(readFileSync(file, "utf8")) as Report;
  const whole = report.subjects.filter(({ isWhole }) => isWhole);
  const counted = new Map(whole.flatMap(({ cases }) => Object.entries(cases)));

  test.each(["README.md", "test/README.md", "test/lab/README.md", "lib/lease/README.md"])(
    "%s says the numbers of the trust run's report",
    (name) => {
      const guide = readFileSync(join(ROOT, name), "utf8");
      const wrong = claimsIn(guide, [...counted.keys()])
        .filter(({ unit, holds }) => !holds(counted.get(unit) ?? Number.NaN))
        .map(({ text, unit }) => `${text}: the report has ${withSpaces(counted.get(unit) ?? 0)}`);
      expect(wrong).toEqual([]);
    },
  );

  test.for([
    ["torture", ["acquisitions", "reclaims"]],
    ["model", ["states"]],
    ["mutation", ["mutants"]],
    ["fuzz", ["executions each"]],
    ["leaks", ["calls of every native function"]],
    ["lease", ["hand-overs"]],
    ["pods", ["moves"]],
    ["strangers", ["reuses"]],
  ] as const)(
    "test/README.md says what %s has come to, when the report has it",
    ([subject, units], context) => {
      const isCounted = whole.some((one) => one.subject === subject);
      if (!isCounted) context.skip("the report of the trust run has no such numbers yet");
      const guide = readFileSync(join(ROOT, "test/README.md"), "utf8");
      for (const unit of units) expect(claimsIn(guide, [unit]), unit).not.toEqual([]);
    },
  );

  test("the torture has given the lock away 25 000 times on each file system, 200 000 times on all eight", () => {
    const isTorture = ({ subject }: { readonly subject: string }): boolean => subject === "torture";
    const passed = report.steps.filter((step) => isTorture(step) && step.result === "passed");
    const acquisitions = report.subjects.find(isTorture)?.cases["acquisitions"] ?? 0;
    expect(acquisitions).toBeGreaterThanOrEqual(25_000 * passed.length);
    expect(stepsAt(1).filter(isTorture)).toHaveLength(8);
  });

  test("the report is what its results say, and both its forms are the same", () => {
    const steps = stepsAt(1);
    const { missing, subjects, steps: results } = report;
    const isCurrent = ({ name }: Result): boolean => !report.outdated.includes(name);
    expect(makeReport(results, steps, isCurrent)).toEqual(report);
    expect(new Set([...missing, ...results.map(({ name }) => name)]).size).toBe(steps.length);
    expect(subjects.length).toBeGreaterThan(0);
    expect(existsSync(file.replace(/json$/u, "md"))).toBe(true);
    const squeezed = (text: string): string => text.replaceAll(/[\s-]+/gu, " ");
    expect(squeezed(readFileSync(file.replace(/json$/u, "md"), "utf8"))).toBe(
      squeezed(showReport(report)),
    );
  });
});
