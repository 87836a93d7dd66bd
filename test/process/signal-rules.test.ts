/**
 * Which process is sent which signal, decided on processes that are made up: pids are given anew between any two
 * questions, descriptors run out, trees grow while they are ended. Real ones: signal.test.ts, end.test.ts, end-tree.test.ts.
 */
import { constants } from "node:os";

import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { endProcess, EndOwnProcessError, type EndProcessOptions } from "../../lib/process/end.js";
import { openProcess } from "../../lib/process/open-process.js";
import { signalNumber, signalProcess } from "../../lib/process/signal.js";
import { runs } from "../properties/runs.js";
import { ProcessTable, type TableProcess } from "../support/processes/process-table.js";
import { requireLinux } from "../support/require.js";

const world = vi.hoisted(() => ({ table: undefined as unknown }));
const table = (): ProcessTable => world.table as ProcessTable;

vi.mock("../../lib/process/backends/select-backend.js", () => ({
  processBackend: () => table().backend,
}));
vi.mock("../../lib/process/nested-processes.js", () => ({
  lookForNestedProcessesSync: (...args: Parameters<ProcessTable["lookForNested"]>) =>
    table().lookForNested(...args),
  isProcOurs: () => table().hasStat,
}));
vi.mock("../../lib/process/tree/linux-stat.js", () => ({
  linuxStat: (pid: number) => table().stat(pid),
  hasStopped: (pid: number) => table().hasStopped(pid),
}));
vi.mock("../../lib/util/clocks.js", async () =>
  (await import("../support/global-clocks.js")).globalClocks(),
);
vi.mock("../../lib/util/node-modules.js", async (original) =>
  (await import("../support/global-clocks.js")).withGlobalTimers(original),
);

/** The caller's own family: process 1, a shell that leads a session, the caller. */
const SHELL = 900_001;
const PID = 1_000_001;

let caller: TableProcess;

beforeEach((context) => {
  requireLinux(context, "processes that are made up as Linux numbers them");
  world.table = new ProcessTable();
  start({ pid: 1, parentPid: null, session: 1 });
  start({ pid: SHELL, parentPid: 1, session: SHELL });
  caller = start({ pid: process.pid, parentPid: SHELL, session: SHELL });
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
  (world.table as ProcessTable | undefined)?.assertAllClosed();
});

const start = (...facts: Parameters<ProcessTable["start"]>): TableProcess =>
  table().start(...facts);

/** What a promise comes to, while time passes as fast as it is waited for. */
async function settled<Value>(promise: Promise<Value>): Promise<Value> {
  let isSettled = false;
  const settle = (): void => void (isSettled = true);
  promise.then(settle, settle);
  while (!isSettled) await vi.advanceTimersByTimeAsync(1);
  return await promise;
}

const end = (target: TableProcess, options?: EndProcessOptions) =>
  settled(endProcess(table().token(target), options));

const unknown = (reason: string) => ({ state: "unknown", reason });
const NOTHING_SENT = { killed: [], survivors: [] };

describe("signalProcess", () => {
  test("sends to the process of the token", () => {
    const target = start({ pid: PID });
    const sent = { state: "sent", reason: "running" };
    expect(signalProcess(table().token(target), "SIGUSR1")).toEqual(sent);
    expect(signalProcess(table().token(target), 0)).toEqual(sent);
    expect(signalProcess(table().token(target))).toEqual(sent);
    expect(target.got).toEqual(["SIGUSR1", "0", "SIGTERM"]);
  });

  test("sends nothing to a later process of the pid", () => {
    const token = table().token(start({ pid: PID }));
    const later = start({ pid: PID });
    expect(signalProcess(token)).toEqual({ state: "gone", reason: "recycled" });
    expect(later.got).toEqual([]);
  });

  test("sends nothing to a later process that gets the pid while it is asked", () => {
    const target = start({ pid: PID });
    const token = table().token(target);
    for (let calls = 0; calls < 10; calls++) {
      const at = calls;
      let call = 0;
      table().beforeCall = () => {
        if (call++ === at) start({ pid: PID });
      };
      signalProcess(token, "SIGKILL");
      expect(table().strangersHit(target)).toEqual([]);
    }
  });

  test("says why a process is gone that ends between the look and the signal", () => {
    const target = start({ pid: PID });
    let call = 0;
    table().beforeCall = () => {
      // The reference, its identity, the signal.
      if (++call === 3) target.end();
    };
    expect(signalProcess(table().token(target))).toEqual({ state: "gone", reason: "zombie" });
    expect(target.got).toEqual([]);
  });

  test.each(["access-denied", "unsupported"] as const)(
    "says that the OS refuses: %s",
    (refuses) => {
      const target = start({ pid: PID, refuses });
      expect(signalProcess(table().token(target))).toEqual(unknown(refuses));
    },
  );

  test("sends nothing where no reference can be held", () => {
    const target = start({ pid: PID });
    table().mostReferences = 0;
    expect(signalProcess(table().token(target))).toEqual(unknown("unsupported"));
    expect(target.got).toEqual([]);
  });

  test("takes a token for a text and nothing else", () => {
    for (const token of [undefined, null, 1, {}]) {
      expect(() => signalProcess(token as string)).toThrow(TypeError);
      expect(() => signalProcess(token as string)).toThrow(/^token must be /u);
    }
    expect(signalProcess("pi1")).toEqual(unknown("malformed"));
  });

  test("looks at the arguments before it looks for a process", () => {
    table().beforeCall = () => expect.unreachable();
    const call = (): unknown => signalProcess("pi1", "SIGNONE" as "SIGTERM");
    expect(call).toThrow(RangeError);
    expect(call).toThrow(/^signal must be /u);
  });
});

describe("a signal's number", () => {
  test("is the system's", () => {
    for (const [name, number] of Object.entries(constants.signals)) {
      expect(signalNumber("signal", name)).toBe(number);
    }
    expect(signalNumber("signal", 0)).toBe(0);
  });

  test.each([1, 15, -1, Number.NaN, "SIGNONE", "sigterm", "", "0", "toString", "__proto__"])(
    "is none: %j",
    (signal) => {
      expect(() => signalNumber("why", signal)).toThrow(RangeError);
      expect(() => signalNumber("why", signal)).toThrow(
        /^why must be the name of a signal \(on Windows "SIGTERM" or "SIGKILL"\), or 0\b/u,
      );
    },
  );

  test.each([undefined, null, {}, [], true, 0n])("is a typing error: %s", (signal) => {
    expect(() => signalNumber("signal", signal)).toThrow(TypeError);
    expect(() => signalNumber("signal", signal)).toThrow(/the name of a signal/u);
  });
});

describe("on Windows", () => {
  const { platform } = process;
  const pretend = (value: NodeJS.Platform): void => {
    Object.defineProperty(process, "platform", { value, configurable: true, enumerable: true });
  };
  beforeEach(() => pretend("win32"));
  afterEach(() => pretend(platform));

  test("the two signals that end a process are the only ones", () => {
    const { SIGTERM, SIGKILL } = constants.signals;
    expect(signalNumber("signal", "SIGTERM")).toBe(SIGTERM);
    expect(signalNumber("signal", "SIGKILL")).toBe(SIGKILL);
    expect(signalNumber("signal", 0)).toBe(0);
    for (const signal of ["SIGINT", "SIGHUP", "SIGCONT"]) {
      expect(() => signalNumber("signal", signal)).toThrow(RangeError);
    }
  });

  test("a handle that cannot be had was refused", () => {
    const token = table().token(start({ pid: PID }));
    table().mostReferences = 0;
    expect(signalProcess(token)).toEqual(unknown("access-denied"));
  });
});

describe("a process in a container", () => {
  const [INSIDE, OTHER] = ["4026532001", "4026532002"];

  test("is found by its exact id", () => {
    const target = start({ pid: PID, nestedPid: 7, nestedNamespace: INSIDE });
    const neighbour = start({ pid: PID + 1, nestedPid: 7, nestedNamespace: OTHER });
    expect(signalProcess(table().nestedToken(target), "SIGUSR1").state).toBe("sent");
    expect(target.got).toEqual(["SIGUSR1"]);
    expect(neighbour.got).toEqual([]);
  });

  test("is sent nothing where its exact id gives no reference, and its end is told all the same", () => {
    const target = start({ pid: PID, nestedPid: 7, nestedNamespace: INSIDE });
    const token = table().nestedToken(target);
    table().mostReferences = 0;
    expect(signalProcess(token)).toEqual(unknown("unsupported"));
    target.end();
    expect(signalProcess(token)).toEqual({ state: "gone", reason: "zombie" });
    expect(target.got).toEqual([]);
  });

  test("is found by its number and its start among its neighbours of that number", () => {
    const neighbours = [OTHER, INSIDE].map((nestedNamespace, index) =>
      start({ pid: PID + 1 + index, nestedPid: 7, nestedNamespace, startTime: 10, exactId: null }),
    );
    const target = start({ pid: PID, nestedPid: 7, nestedNamespace: INSIDE, exactId: null });
    expect(signalProcess(table().nestedToken(target), "SIGUSR1").state).toBe("sent");
    expect(target.got).toEqual(["SIGUSR1"]);
    expect(neighbours.flatMap(({ got }) => got)).toEqual([]);
  });

  test("is gone when it is not found, and its neighbour of that number is sent nothing", () => {
    const target = start({ pid: PID, nestedPid: 7, nestedNamespace: INSIDE, exactId: null });
    const token = table().nestedToken(target);
    const neighbour = start({ pid: PID + 1, nestedPid: 7, nestedNamespace: OTHER, exactId: null });
    table().reap(target);
    expect(signalProcess(token)).toEqual({ state: "gone", reason: "no-such-process" });
    table().isLookComplete = false;
    expect(signalProcess(token)).toEqual(unknown("other-pid-namespace"));
    expect(neighbour.got).toEqual([]);
  });

  test("that ends while its token is judged is not mistaken for the process that gets its number", () => {
    const target = start({ pid: PID, nestedPid: 7, nestedNamespace: INSIDE, exactId: null });
    const token = table().nestedToken(target);
    for (let calls = 0; calls < 12; calls++) {
      const at = calls;
      let call = 0;
      table().beforeCall = () => {
        if (call++ === at) start({ pid: PID, nestedPid: 7, nestedNamespace: OTHER, exactId: null });
      };
      signalProcess(token, "SIGKILL");
      expect(table().strangersHit(target)).toEqual([]);
    }
  });

  test("is ended from outside by the number that it has here", async () => {
    const target = start({ pid: PID, nestedPid: 7, nestedNamespace: INSIDE });
    const other = start({ pid: 7 });
    const token = table().nestedToken(target);
    await expect(settled(endProcess(token, { tree: true }))).resolves.toEqual({
      state: "ended",
      reason: "exited",
      killed: [{ pid: PID, token, signal: "SIGTERM" }],
      survivors: [],
    });
    expect(other.got).toEqual([]);
  });

  test("is not ended without an exact id to find its number here", async () => {
    const target = start({ pid: PID, nestedPid: 7, nestedNamespace: INSIDE, exactId: null });
    const token = table().nestedToken(target);
    await expect(settled(endProcess(token))).resolves.toEqual({
      ...unknown("other-pid-namespace"),
      ...NOTHING_SENT,
    });
    expect(target.got).toEqual([]);
  });

  test("is not ended where processes cannot be listed", async () => {
    const target = start({ pid: PID, nestedPid: 7, nestedNamespace: INSIDE });
    table().isListable = false;
    await expect(settled(endProcess(table().nestedToken(target)))).resolves.toMatchObject(
      unknown("other-pid-namespace"),
    );
    expect(target.got).toEqual([]);
  });
});

test("an opened process is held, and is the one of the token", () => {
  const target = start({ pid: PID });
  const opened = openProcess(table().token(target));
  if (opened.state !== "same") throw new Error(opened.reason);
  expect(table().openReferences).toBe(1);
  start({ pid: PID });
  expect(opened.reference.exited()).toBe(true);
  opened.reference.close();
});

describe("endProcess", () => {
  test("asks, lets go on, and tells", async () => {
    const target = start({ pid: PID });
    await expect(end(target)).resolves.toEqual({
      state: "ended",
      reason: "exited",
      killed: [{ pid: PID, token: table().token(target), signal: "SIGTERM" }],
      survivors: [],
    });
    expect(target.got[0]).toBe("0");
    expect(target.signals).toEqual(["SIGTERM"]);
  });

  test("lets a stopped process act upon SIGTERM", async () => {
    const target = start({ pid: PID });
    target.isStopped = true;
    await expect(end(target)).resolves.toMatchObject({ killed: [{ signal: "SIGTERM" }] });
    expect(target.signals).toEqual(["SIGTERM", "SIGCONT"]);
  });

  test.each([0, 1, 200, 5000, undefined])("kills when the grace of %s is over", async (graceMs) => {
    const target = start({ pid: PID, ignoresTerm: true });
    const since = performance.now();
    let killedAt = 0;
    target.onSignal = (name) => {
      if (name === "SIGKILL") killedAt = performance.now() - since;
    };
    await expect(end(target, { graceMs })).resolves.toMatchObject({
      state: "ended",
      killed: [{ pid: PID, signal: "SIGKILL" }],
    });
    expect(killedAt).toBeGreaterThanOrEqual(graceMs ?? 5000);
    expect(killedAt).toBeLessThanOrEqual((graceMs ?? 5000) + 2);
    expect(target.signals).toEqual(["SIGTERM", "SIGCONT", "SIGKILL"]);
  });

  test("does not kill what ends within the grace", async () => {
    const target = start({ pid: PID, ignoresTerm: true });
    setTimeout(() => target.end(), 900);
    const since = performance.now();
    await expect(end(target, { graceMs: 1000 })).resolves.toMatchObject({
      killed: [{ signal: "SIGTERM" }],
    });
    // Looked at every 50 ms.
    expect(performance.now() - since).toBeLessThan(960);
    expect(target.signals).toEqual(["SIGTERM", "SIGCONT"]);
  });

  test("never kills with a grace without end", async () => {
    const target = start({ pid: PID, ignoresTerm: true });
    const controller = new AbortController();
    const ended = endProcess(table().token(target), {
      graceMs: Infinity,
      signal: controller.signal,
    });
    const caught = ended.catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(60_000);
    controller.abort("enough");
    expect(await caught).toBe("enough");
    expect(target.signals).toEqual(["SIGTERM", "SIGCONT"]);
  });

  test("gives up five seconds after SIGKILL", async () => {
    const target = start({ pid: PID, ignoresTerm: true });
    // Stuck in the kernel.
    target.end = () => {};
    const since = performance.now();
    await expect(end(target, { graceMs: 100 })).resolves.toEqual({
      ...unknown("running"),
      killed: [],
      survivors: [{ pid: PID, token: table().token(target), reason: "running" }],
    });
    expect(performance.now() - since).toBeGreaterThanOrEqual(5100);
    expect(performance.now() - since).toBeLessThan(5300);
    expect(target.signals).toEqual(["SIGTERM", "SIGCONT", "SIGKILL"]);
  });

  test("sends nothing to a later process of the pid", async () => {
    const target = start({ pid: PID });
    const token = table().token(target);
    const later = start({ pid: PID });
    await expect(settled(endProcess(token, { tree: true }))).resolves.toEqual({
      state: "gone",
      reason: "recycled",
      ...NOTHING_SENT,
    });
    expect(later.got).toEqual([]);
  });

  test.each([false, true])(
    "hits no later process of the pid, whenever it comes, tree: %s",
    async (tree) => {
      for (let calls = 0; calls < 60; calls++) {
        const at = calls;
        const target = start({ pid: PID, ignoresTerm: true });
        let call = 0;
        table().beforeCall = () => {
          if (call++ === at) start({ pid: PID });
        };
        await end(target, { graceMs: 20, tree });
        table().beforeCall = () => {};
        expect(table().strangersHit(target)).toEqual([]);
        table().all.length = 0;
      }
    },
  );

  test.each(["access-denied", "unsupported"] as const)(
    "sends nothing more after: %s",
    async (refuses) => {
      const target = start({ pid: PID, refuses });
      const child = start({ pid: PID + 1, parentPid: PID });
      for (const tree of [false, true]) {
        await expect(end(target, { tree })).resolves.toEqual({
          ...unknown(refuses),
          killed: [],
          survivors: [{ pid: PID, token: table().token(target), reason: refuses }],
        });
      }
      expect(child.got).toEqual([]);
    },
  );

  test.each([false, true])(
    "does not end the caller or what it descends from, tree: %s",
    async (tree) => {
      const error = await end(caller, { tree }).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(EndOwnProcessError);
      const token = table().token(caller);
      expect(error).toMatchObject({ relation: "caller", pid: process.pid, token });
      expect(String(error)).toBe(
        `EndOwnProcessError: endProcess must not be given the calling process itself: pid ${process.pid}, ${token}`,
      );
      for (const pid of [SHELL, 1]) {
        const ancestor = table().at(pid);
        if (ancestor === undefined) throw new Error(`no process ${pid}`);
        await expect(end(ancestor, { tree })).rejects.toMatchObject({ relation: "ancestor", pid });
        await expect(end(ancestor, { tree })).rejects.toThrow(
          /must not be given an ancestor of the/u,
        );
      }
      expect(table().all.flatMap(({ got }) => got)).toEqual([]);
    },
  );

  test("does not end a parent that the OS hides", async () => {
    const parent = start({ pid: PID, parentPid: 1 });
    vi.spyOn(process, "ppid", "get").mockReturnValue(PID);
    await expect(end(parent)).rejects.toMatchObject({ relation: "ancestor", pid: PID });
  });

  test("ends no tree where what descends cannot be found", async () => {
    const target = start({ pid: PID });
    table().isListable = false;
    await expect(end(target, { tree: true })).resolves.toEqual({
      ...unknown("unsupported"),
      ...NOTHING_SENT,
    });
    expect(target.got).toEqual([]);
    await expect(end(target)).resolves.toMatchObject({ state: "ended" });
  });

  test("ends no tree of a process whose start is not known", async () => {
    const target = start({ pid: PID, startTime: null });
    await expect(end(target, { tree: true })).resolves.toMatchObject(unknown("unsupported"));
    expect(target.got).toEqual([]);
    await expect(end(target)).resolves.toMatchObject({ state: "ended" });
  });

  test("sends nothing when it is aborted before, and looks at its arguments", async () => {
    const target = start({ pid: PID });
    const signal = AbortSignal.abort("no");
    await expect(endProcess(table().token(target), { signal })).rejects.toBe("no");
    const token = table().token(target);
    const wrong = (options: unknown) => endProcess(token, options as EndProcessOptions);
    await expect(wrong({ graceMs: -1 })).rejects.toThrow(RangeError);
    await expect(wrong({ tree: 1 })).rejects.toThrow(TypeError);
    await expect(wrong({ signal: {} })).rejects.toThrow(TypeError);
    await expect(wrong({ trees: true })).rejects.toThrow(TypeError);
    await expect(endProcess(1 as unknown as string)).rejects.toThrow(TypeError);
    expect(target.got).toEqual([]);
  });
});

describe("endProcess with tree", () => {
  /** root ─ child ─ grandchild, root ─ second. */
  function family(facts: Partial<Parameters<ProcessTable["start"]>[0]> = {}) {
    const root = start({ pid: PID, ...facts });
    const child = start({ pid: PID + 1, parentPid: PID, ...facts });
    const second = start({ pid: PID + 2, parentPid: PID, ...facts });
    const grandchild = start({ pid: PID + 3, parentPid: PID + 1, ...facts });
    return { root, child, second, grandchild, all: [root, child, second, grandchild] };
  }

  /** The signals in the order in which they were sent, as "pid SIGNAL", less signal 0. */
  function record(...processes: readonly TableProcess[]): string[] {
    const log: string[] = [];
    for (const process of processes) {
      process.onSignal = (name) => {
        if (name !== "0") log.push(`${process.pid - PID} ${name}`);
      };
    }
    return log;
  }

  test("ends all that descend from the process, the process first", async () => {
    const { root, child, second, grandchild, all } = family();
    const other = start({ pid: PID + 9, parentPid: 1 });
    const log = record(...all);
    const result = await end(root, { tree: true });
    expect(result).toMatchObject({ state: "ended", survivors: [] });
    const row = (process: TableProcess) => ({
      pid: process.pid,
      token: table().token(process),
      signal: "SIGTERM",
    });
    expect(result.killed).toEqual([root, child, second, grandchild].map(row));
    expect(other.got).toEqual([]);
    expect(caller.got).toEqual([]);
    // All have stopped before the first is asked, and have been asked before the first goes on.
    const kinds = log.map((entry) => entry.split(" ")[1] ?? "");
    expect(kinds.join(" ")).toMatch(/^(?:SIGSTOP ){4}(?:SIGTERM ){4}(?:SIGCONT ?){4}$/u);
    expect(log[4]).toBe("0 SIGTERM");
  });

  test("kills those that are left, the farthest first", async () => {
    const { root, all } = family({ ignoresTerm: true });
    const log = record(...all);
    const result = await end(root, { tree: true, graceMs: 100 });
    expect(result.killed.map(({ signal }) => signal)).toEqual(all.map(() => "SIGKILL"));
    const kills = log.filter((entry) => entry.endsWith("SIGKILL"));
    expect(kills[0]).toBe("3 SIGKILL");
    expect(kills.at(-1)).toBe("0 SIGKILL");
    expect(kills).toHaveLength(4);
    // Stopped again before that.
    const beforeKills = log.slice(log.indexOf("3 SIGKILL") - 4, log.indexOf("3 SIGKILL"));
    expect(beforeKills.every((entry) => entry.endsWith("SIGSTOP"))).toBe(true);
  });

  test("kills only those that are left", async () => {
    const { root, child, second, grandchild } = family();
    second.ignoresTerm = true;
    await end(root, { tree: true, graceMs: 100 });
    expect(second.signals).toContain("SIGKILL");
    for (const { signals } of [root, child, grandchild]) {
      expect(signals).toEqual(["SIGSTOP", "SIGTERM", "SIGCONT"]);
    }
  });

  test("spares the caller and what it descends from, though a member is their parent", async () => {
    const root = start({ pid: PID, startTime: 1 });
    const shell = table().at(SHELL);
    if (shell === undefined) throw new Error("no shell");
    // As if it had been handed on to the member since the question.
    let isAsked = false;
    root.onSignal = () => {
      if (!isAsked) shell.parentPid = PID;
      isAsked = true;
    };
    await end(root, { tree: true });
    expect(shell.got).toEqual([]);
    expect(caller.got).toEqual([]);
  });

  test("takes a process for a child only when it started after its parent", async () => {
    const root = start({ pid: PID });
    const older = start({ pid: PID + 1, parentPid: PID, startTime: 1 });
    const same = start({ pid: PID + 2, parentPid: PID, startTime: root.startTime });
    const result = await end(root, { tree: true });
    expect(result.killed.map(({ pid }) => pid)).toEqual([PID, PID + 2]);
    expect(older.got).toEqual([]);
    expect(same.runs).toBe(false);
  });

  test("finds what is started while it looks, and ends it too", async () => {
    const { root, child } = family({ ignoresTerm: true });
    const born: TableProcess[] = [];
    child.onSignal = (name) => {
      // It finishes its fork before it stops.
      if (name === "SIGSTOP" && born.length < 3) {
        born.push(start({ pid: PID + 10 + born.length, parentPid: child.pid }));
      }
    };
    const result = await end(root, { tree: true, graceMs: 50 });
    expect(result).toMatchObject({ state: "ended", survivors: [] });
    expect(born.length).toBeGreaterThan(0);
    for (const process of born) expect(process.runs).toBe(false);
  });

  test("leaves what a member starts to tidy up alone until the member has ended", async () => {
    const root = start({ pid: PID, ignoresTerm: true });
    let helper: TableProcess | undefined;
    root.onSignal = (name) => {
      if (name === "SIGCONT") helper ??= start({ pid: PID + 1, parentPid: PID, ignoresTerm: true });
    };
    setTimeout(() => expect(helper?.signals).toEqual([]), 500);
    setTimeout(() => helper?.end(), 600);
    setTimeout(() => root.end(), 700);
    const result = await end(root, { tree: true, graceMs: 1000 });
    expect(result).toMatchObject({ state: "ended", killed: [{ pid: PID, signal: "SIGTERM" }] });
    expect(helper?.signals).toEqual([]);
  });

  test("asks what a member has started once that member has ended", async () => {
    const root = start({ pid: PID, ignoresTerm: true });
    let helper: TableProcess | undefined;
    root.onSignal = (name) => {
      if (name === "SIGCONT") helper ??= start({ pid: PID + 1, parentPid: PID });
    };
    setTimeout(() => root.end(), 300);
    const result = await end(root, { tree: true, graceMs: 1000 });
    expect(result).toMatchObject({ state: "ended", survivors: [] });
    expect(result.killed).toMatchObject([{ signal: "SIGTERM" }, { signal: "SIGTERM" }]);
    expect(helper?.signals).toEqual(["SIGTERM"]);
  });

  test("tells of a member that may not be signalled, and ends the others", async () => {
    const { root, child, second, grandchild } = family();
    child.refuses = "access-denied";
    const result = await end(root, { tree: true, graceMs: 100 });
    expect(result).toMatchObject({
      ...unknown("access-denied"),
      survivors: [{ pid: child.pid, token: table().token(child), reason: "access-denied" }],
    });
    expect(result.killed.map(({ pid }) => pid)).toEqual([root.pid, second.pid, grandchild.pid]);
    expect(child.got).toEqual([]);
  });

  test("does not name what had ended before it was told to", async () => {
    const { root, grandchild } = family();
    root.onSignal = (name) => {
      if (name === "SIGSTOP") setTimeout(() => grandchild.end(), 0);
    };
    grandchild.onSignal = () => {};
    const result = await end(root, { tree: true });
    expect(result).toMatchObject({ state: "ended", survivors: [] });
    expect(result.killed.map(({ pid }) => pid)).toContain(PID);
  });

  test("holds no more than 256 references, and ends more members than that", async () => {
    const root = start({ pid: PID });
    const members = Array.from({ length: 300 }, (_, index) =>
      start({ pid: PID + 1 + index, parentPid: PID }),
    );
    let most = 0;
    table().beforeCall = () => void (most = Math.max(most, table().openReferences));
    const result = await end(root, { tree: true });
    expect(result).toMatchObject({ state: "ended", survivors: [] });
    expect(result.killed).toHaveLength(members.length + 1);
    expect(most).toBeGreaterThanOrEqual(256);
    expect(most).toBeLessThanOrEqual(258);
  });

  test("ends more members than there are descriptors, and none of their later namesakes", async () => {
    const root = start({ pid: PID });
    const members = Array.from({ length: 30 }, (_, index) =>
      start({ pid: PID + 1 + index, parentPid: PID }),
    );
    table().mostReferences = 5;
    const result = await end(root, { tree: true });
    expect(result).toMatchObject({ state: "ended", survivors: [] });
    expect(result.killed).toHaveLength(members.length + 1);
    expect(table().strangersHit(root, ...members)).toEqual([]);
  });

  test("lets those go on that it has stopped when it is aborted, and kills none", async () => {
    for (let turns = 0; turns < 30; turns++) {
      const { root, all } = family({ ignoresTerm: true });
      const controller = new AbortController();
      const ended = endProcess(table().token(root), {
        tree: true,
        graceMs: Infinity,
        signal: controller.signal,
      });
      const caught = ended.catch((error: unknown) => error);
      for (let i = 0; i < turns; i++) await Promise.resolve();
      controller.abort("enough");
      await vi.advanceTimersByTimeAsync(100);
      expect(await caught).toBe("enough");
      for (const process of all) {
        expect(process.isStopped).toBe(false);
        expect(process.signals).not.toContain("SIGKILL");
      }
    }
  });

  test("goes on without those that do not stop in time", async () => {
    const { root, child, all } = family();
    child.cannotStop = true;
    const since = performance.now();
    const result = await end(root, { tree: true });
    expect(result.killed).toHaveLength(all.length);
    expect(performance.now() - since).toBeGreaterThanOrEqual(500);
    expect(performance.now() - since).toBeLessThan(1200);
  });

  test("ends a tree where the OS does not say whether a process has stopped", async () => {
    const { root, all } = family();
    table().hasStat = false;
    const result = await end(root, { tree: true });
    expect(result.killed).toHaveLength(all.length);
  });

  test("does not look for ever at a tree that grows faster than it is looked at", async () => {
    const root = start({ pid: PID, ignoresTerm: true });
    let next = PID + 1;
    let isGrowing = true;
    table().beforeCall = () => {
      if (!isGrowing || table().all.length > 400) return;
      table().beforeCall = () => {};
      start({ pid: next++, parentPid: PID });
      setTimeout(() => (table().beforeCall = grow), 1);
    };
    const grow = table().beforeCall;
    setTimeout(() => (isGrowing = false), 6000);
    const result = await end(root, { tree: true, graceMs: 100 });
    expect(result).toMatchObject({ state: "ended", survivors: [] });
    expect(result.killed.length).toBe(next - PID);
  });

  describe("finds orphans", () => {
    test("in the session that the process leads", async () => {
      const root = start({ pid: PID, session: PID });
      const orphan = start({ pid: PID + 1, parentPid: 1, session: PID });
      const other = start({ pid: PID + 2, parentPid: 1, session: PID + 2 });
      const result = await end(root, { tree: true });
      expect(result.killed.map(({ pid }) => pid)).toEqual([PID, orphan.pid]);
      expect(other.got).toEqual([]);
    });

    test("in the session of a founder that has ended, where another member is in it", async () => {
      const root = start({ pid: PID, session: 5 });
      const founder = start({ pid: PID + 1, parentPid: PID, session: PID + 1, ignoresTerm: true });
      const member = start({
        pid: PID + 2,
        parentPid: PID + 1,
        session: PID + 1,
        ignoresTerm: true,
      });
      root.ignoresTerm = true;
      setTimeout(() => table().reap(founder), 100);
      let orphan: TableProcess | undefined;
      setTimeout(() => {
        orphan = start({ pid: PID + 4, parentPid: 1, session: PID + 1, ignoresTerm: true });
      }, 200);
      const result = await end(root, { tree: true, graceMs: 1000 });
      expect(result.killed.map(({ pid }) => pid)).toContain(PID + 4);
      expect(orphan?.runs).toBe(false);
      expect(member.runs).toBe(false);
    });

    test("but not in a session of which no member is left", async () => {
      const root = start({ pid: PID, session: 5, ignoresTerm: true });
      const founder = start({ pid: PID + 1, parentPid: PID, session: PID + 1, ignoresTerm: true });
      let stranger: TableProcess | undefined;
      setTimeout(() => {
        table().reap(founder);
        // The number of the session is given anew, to a process that is none of the tree.
        stranger = start({ pid: PID + 4, parentPid: 1, session: PID + 1 });
      }, 100);
      await end(root, { tree: true, graceMs: 500 });
      expect(stranger?.got).toEqual([]);
    });

    test("but not in the caller's own session", async () => {
      const root = start({ pid: PID, session: PID });
      caller.session = PID;
      const other = start({ pid: PID + 1, parentPid: process.pid, session: PID });
      await end(root, { tree: true });
      expect(other.got).toEqual([]);
    });

    test("but nothing that is older than the process", async () => {
      const root = start({ pid: PID, session: PID });
      const older = start({ pid: PID + 1, parentPid: 1, session: PID, startTime: 1 });
      await end(root, { tree: true });
      expect(older.got).toEqual([]);
    });

    test("but none where sessions are not to be read", async () => {
      const root = start({ pid: PID, session: PID });
      const orphan = start({ pid: PID + 1, parentPid: 1, session: PID });
      table().hasStat = false;
      await end(root, { tree: true });
      expect(orphan.got).toEqual([]);
    });
  });

  test("hits members only, whichever process gets whichever pid at any point", async () => {
    const event = fc.record({
      atCall: fc.nat({ max: 250 }),
      offset: fc.nat({ max: 5 }),
      kind: fc.constantFrom("reuse", "end", "reap"),
    });
    const plan = fc.record({
      events: fc.array(event, { maxLength: 6 }),
      ignoresTerm: fc.boolean(),
      mostReferences: fc.constantFrom(4, Infinity),
      hasExactIds: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(plan, async ({ events, ignoresTerm, mostReferences, hasExactIds }) => {
        world.table = new ProcessTable();
        start({ pid: 1, parentPid: null });
        start({ pid: process.pid, parentPid: 1 });
        const exactId = hasExactIds ? undefined : null;
        const { root, all } = family({ ignoresTerm, exactId });
        table().mostReferences = mostReferences;
        let call = 0;
        table().beforeCall = () => {
          call++;
          for (const { atCall, offset, kind } of events) {
            if (atCall !== call) continue;
            const current = all.find(({ pid, runs: isAlive }) => pid === PID + offset && isAlive);
            if (kind === "reuse") start({ pid: PID + offset, parentPid: 1, exactId });
            else if (kind === "reap" && current !== undefined) table().reap(current);
            else current?.end();
          }
        };
        await settled(endProcess(table().token(root), { tree: true, graceMs: 30 }));
        table().beforeCall = () => {};
        expect(table().strangersHit(...all)).toEqual([]);
        expect(table().openReferences).toBe(0);
      }),
      runs(60),
    );
  });
});
