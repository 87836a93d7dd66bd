/**
 * A look from a host at the processes of its containers: real pid namespaces, one in another, and a /proc that
 * hides processes, that is another namespace's, or that is missing.
 */
import { statSync } from "node:fs";
import { join, sep } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { pathToFileURL } from "node:url";

import { beforeEach, describe, expect, test, type TestContext } from "vitest";

import { hostFacts, identityOf, tokenHost, tokenLookups } from "../../lib/process/identity.js";
import {
  lookForNestedProcesses,
  lookForNestedProcessesSync,
  type NestedProcesses,
  startTimeOffsetOf,
} from "../../lib/process/nested-processes.js";
import { judgeToken, type ProcessVerdict } from "../../lib/process/judge-token.js";
import { parseToken } from "../../lib/process/token.js";
import { TimeSlice } from "../../lib/util/time-slice.js";
import { backendNamed, environmentFor, LINUX_BACKENDS } from "../support/processes/backends.js";
import {
  COMPILED,
  nodeArguments,
  type RunningChild,
  runNode,
  startReady,
} from "../support/processes/child.js";
import { importCompiled } from "../support/locks/lock-holder.js";
import { childrenOf } from "../support/processes/process-state.js";
import { program } from "../support/processes/programs.js";
import { requireLinux, requireRoot } from "../support/require.js";
import {
  AS_NOBODY,
  type ReadablePackage,
  readablePackage,
} from "../support/processes/unprivileged.js";
import { waitFor } from "../support/wait-for.js";

beforeEach((context) => requireLinux(context, "pid namespaces"));

const INSIDE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"] as const;
/** With the /proc of the namespace around it. */
const INSIDE_FOREIGN_PROC = ["unshare", "--pid", "--fork", "--kill-child"] as const;

interface Container extends RunningChild {
  /** What its first process, pid 1 in there, calls itself. */
  readonly token: string;
  /** That process's number here. */
  readonly outerPid: number;
}

/** A process that is pid 1 of a namespace of its own, until the test ends or it is killed. */
async function startContainer(prefix: readonly string[] = INSIDE): Promise<Container> {
  const script = nodeArguments("console.log(p.identifyProcess()); process.stdin.resume();");
  const [file = "", ...args] = [...prefix, process.execPath, ...script];
  const child = await startReady(file, args);
  const [outerPid] = childrenOf(child.pid);
  if (outerPid === undefined) throw new Error(`no process in the namespace of ${child.pid}`);
  return { ...child, token: child.first, outerPid };
}

async function end(container: Container): Promise<void> {
  await container.kill();
  await waitFor(
    "its first process to be gone",
    () => identityOf(container.outerPid).state === "gone",
  );
}

function requireHost(context: TestContext): void {
  requireRoot(context, "to make a pid namespace");
  if (!hostFacts().initialPidNamespace) context.skip("not in the initial pid namespace");
}

const LOOKS: Readonly<Record<string, () => NestedProcesses | Promise<NestedProcesses>>> = {
  "in one go": () => lookForNestedProcessesSync(identityOf),
  // So short that it is used up after every process.
  "in time slices": () => lookForNestedProcesses(identityOf, new TimeSlice(0)),
};

describe.each(Object.entries(LOOKS))("a look at all processes %s", (_, look) => {
  test("finds a container's process by its number in there, with all that names it", async (context) => {
    requireRoot(context, "to make a pid namespace");
    const container = await startContainer();
    const { startTime, exactId } = identityOf(container.outerPid);
    const pidNamespace = statSync(`/proc/${container.outerPid}/ns/pid`, { bigint: true }).ino;
    const found = (await look()).having(1);
    expect(found).toContainEqual({
      outerPid: container.outerPid,
      startTime,
      exactId,
      startTimeOffset: startTimeOffsetOf(process.pid),
      pidNamespace: String(pidNamespace),
    });
    expect(parseToken(container.token)).toMatchObject({ startTime, exactId });
  });

  test("does not find it once it has ended, and finds none under a number that none has", async (context) => {
    requireRoot(context, "to make a pid namespace");
    const container = await startContainer();
    const before = await look();
    const { startTime } = identityOf(container.outerPid);
    await end(container);
    // Neither does a look from before its end call it alive.
    for (const seen of [before, await look()]) {
      expect(seen.having(1).map((each) => each.startTime)).not.toContain(startTime);
      expect(seen.having(4_194_303)).toEqual([]);
    }
  });

  test("does not find the processes of its own namespace", async () => {
    const { startTime } = identityOf(process.pid);
    const found = (await look()).having(process.pid);
    expect(found.map((each) => each.startTime)).not.toContain(startTime);
  });

  test("is complete on a /proc that hides nothing, also while processes come and go", async (context) => {
    requireRoot(context, "sees all processes");
    // The kernel tells no type of one that is just ending.
    await startReady("sh", ["-c", "echo; while :; do (:); done"]);
    const until = performance.now() + 3000;
    while (performance.now() < until) expect((await look()).isComplete).toBe(true);
  });
});

test("a look in time slices gives the event loop its turns", async () => {
  let turns = 0;
  let isDone = false;
  const count = async (): Promise<void> => {
    while (!isDone) {
      await turn();
      turns++;
    }
  };
  const counting = count();
  await lookForNestedProcesses(identityOf, new TimeSlice(0));
  isDone = true;
  await counting;
  expect(turns).toBeGreaterThan(2);
});

test("a process in a container of a container is found under each of its numbers", async (context) => {
  requireRoot(context, "to make a pid namespace");
  const { inner, innerPidInTheMiddle } = await startNested();
  const { startTime, exactId } = identityOf(inner);
  const look = lookForNestedProcessesSync(identityOf);
  const pidNamespace = String(statSync(`/proc/${inner}/ns/pid`, { bigint: true }).ino);
  expect(look.having(1)).toContainEqual(
    expect.objectContaining({ startTime, exactId, pidNamespace }),
  );
  // In the namespace of that number it is not at home: it says nothing about which one that is.
  expect(look.having(innerPidInTheMiddle)).toContainEqual(
    expect.objectContaining({ startTime, exactId, pidNamespace: null }),
  );
});

/** A namespace in a namespace. The process in the middle names the inner one as it sees it. */
async function startNested(): Promise<{
  readonly tokenFromTheMiddle: string;
  readonly innerPidInTheMiddle: number;
  /** Its number here. */
  readonly inner: number;
}> {
  const [file, ...args] = INSIDE;
  // The shell stays in the middle; what it starts is pid 1 of the inner namespace.
  const script = nodeArguments(`
    import { spawn } from "node:child_process";
    const shell = spawn("unshare", ["--pid", "sh", "-c", "sleep 1000 & echo $!; wait"]);
    shell.stdout.once("data", (line) => console.log(p.identifyProcess(Number(line))));`);
  const child = await startReady(file, [...args, process.execPath, ...script]);
  const innerPidInTheMiddle = parseToken(child.first)?.pid ?? Number.NaN;
  const [inner] = childrenOf(child.pid).flatMap(childrenOf).flatMap(childrenOf);
  if (inner === undefined) throw new Error(`no namespace within that of ${child.pid}`);
  return { tokenFromTheMiddle: child.first, innerPidInTheMiddle, inner };
}

describe("what its own time namespace adds to a process's start times", () => {
  test("is this process's own offset for this process, and unknown for one that is not there", () => {
    expect(startTimeOffsetOf(process.pid)).toBe(hostFacts().startTimeOffset);
    expect(startTimeOffsetOf(4_194_303)).toBeNull();
  });

  test.for([
    ["1000", "0"],
    ["-30", "0"],
    ["7", "5000000"],
  ] as const)(
    "is told of a container's process: %s s and %s ns",
    async ([seconds, nanoseconds], context) => {
      requireRoot(context, "to make namespaces");
      const shifted = [program("in-time-namespace"), seconds, nanoseconds];
      const container = await startContainer([...INSIDE, ...shifted]);
      const offset = (Number(seconds) + Number(nanoseconds) / 1e9) * 100;
      const expected = offset + (hostFacts().startTimeOffset ?? Number.NaN);
      expect(startTimeOffsetOf(container.outerPid)).toBeCloseTo(expected, 6);
      const { startTime } = identityOf(container.outerPid);
      const found = lookForNestedProcessesSync(identityOf).having(1);
      const itself = found.find((each) => each.startTime === startTime);
      expect(itself?.startTimeOffset).toBeCloseTo(expected, 6);
    },
  );
});

/** Prints what a process says of its look. */
const LOOK = `
  ${importCompiled("lookForNestedProcessesSync", "process/nested-processes.js")}
  ${importCompiled("identityOf", "process/identity.js")}
  const look = lookForNestedProcessesSync(identityOf);
  console.log(JSON.stringify({ isComplete: look.isComplete, having: look.having(1).length }));`;

const NOTHING_SEEN = { isComplete: false, having: 0 };

describe("a look is not complete", () => {
  test.for(["1", "2", "4"])("under hidepid=%s, for an ordinary user", async (hidepid, context) => {
    requireRoot(context, "to mount a /proc that hides processes");
    const copy = readablePackage();
    const seen = await runNode(lookIn(copy), {
      ...copy,
      prefix: [...underHidepid(hidepid), ...AS_NOBODY],
      cwd: "/",
    }).catch((error: unknown) => String(error));
    // Linux 5.8
    if (hidepid === "4" && typeof seen === "string" && seen.includes("mount:")) {
      return context.skip("needs hidepid=ptraceable");
    }
    expect(seen).toEqual(NOTHING_SEEN);
  });

  test("with the /proc of another pid namespace, in which every number means another process", async (context) => {
    requireRoot(context, "to make a pid namespace");
    expect(await runNode(LOOK, { prefix: INSIDE_FOREIGN_PROC })).toEqual(NOTHING_SEEN);
  });

  test("without any /proc", async (context) => {
    requireRoot(context, "to hide /proc");
    const prefix = [
      "unshare",
      "--mount",
      "sh",
      "-ec",
      `mount -t tmpfs none /proc\nexec "$@"`,
      "sh",
    ];
    expect(await runNode(LOOK, { prefix })).toEqual(NOTHING_SEEN);
  });
});

test("under hidepid a look of root's is complete", async (context) => {
  requireRoot(context, "to mount a /proc that hides processes");
  expect(await runNode(LOOK, { prefix: underHidepid("2") })).toMatchObject({ isComplete: true });
});

/** {@link LOOK} with the modules of a copy that ordinary users may read. */
function lookIn({ compiled }: ReadablePackage): string {
  return LOOK.replaceAll(COMPILED, pathToFileURL(join(compiled, sep)).href);
}

/** A /proc of its own in a pid namespace of its own, whose process 1, a shell, is root's as on a host. */
function underHidepid(hidepid: string): readonly string[] {
  const shell = `mount -t proc -o hidepid=${hidepid} proc /proc\n"$@"\nexit "$?"`;
  return [...INSIDE_FOREIGN_PROC, "--mount", "sh", "-ec", shell, "sh"];
}

describe("a container's token without exact id, verified on its host", () => {
  test.for(LINUX_BACKENDS)(
    "with %s: same while it runs, gone once it has ended",
    async (name, context) => {
      requireHost(context);
      const backend = backendNamed(name, context);
      const judge = (token: string): ProcessVerdict =>
        judgeToken(withoutExactId(token), tokenHost(), {
          identity: (pid) => backend.identity(pid),
          byExactId: (exactId) => backend.byExactId(exactId),
          nested: () => lookForNestedProcessesSync((pid) => backend.identity(pid)),
        });
      const one = await startContainer();
      const other = await startContainer();
      expect([judge(one.token), judge(other.token)]).toEqual([SAME, SAME]);
      // The other one's first process has the same pid.
      await end(one);
      expect(judge(one.token)).toEqual({ state: "gone", reason: "no-such-process" });
      expect(judge(other.token)).toEqual(SAME);
    },
  );

  test("unknown when no look was made", async (context) => {
    requireHost(context);
    const { token } = await startContainer();
    const lookups = { ...tokenLookups, nested: () => null };
    expect(judgeToken(withoutExactId(token), tokenHost(), lookups)).toEqual({
      state: "unknown",
      reason: "other-pid-namespace",
    });
  });

  test("never gone when it names a process by its number in the namespace around its own", async (context) => {
    requireHost(context);
    const { tokenFromTheMiddle } = await startNested();
    expect(judgeToken(withoutExactId(tokenFromTheMiddle), tokenHost(), tokenLookups)).toEqual(SAME);
  });

  test("verifyProcess says so without the addon, too", async (context) => {
    requireHost(context);
    const container = await startContainer();
    const token = container.token.split(".").with(8, "-").join(".");
    const script = `console.log(JSON.stringify(p.verifyProcess(${JSON.stringify(token)})));`;
    const env = environmentFor("procfs");
    expect(await runNode(script, { env })).toEqual(SAME);
    await end(container);
    expect(await runNode(script, { env })).toEqual({ state: "gone", reason: "no-such-process" });
  });
});

const SAME: ProcessVerdict = { state: "same", reason: "running" };

function withoutExactId(token: string): ReturnType<typeof parseToken> {
  const parsed = parseToken(token);
  return parsed && { ...parsed, exactId: null };
}
