/** Aborts: bounded, whatever the writes of the run do. */
import { mkdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";

import { describe, expect, test, vi } from "vitest";

import { createControllerIn } from "../../lib/session-controller/controller.js";
import { Latch } from "../../lib/session-controller/locks/latch.js";
import {
  createSessionController,
  type SessionController,
  SessionTakeoverError,
  type SessionWrite,
} from "../../lib/session-controller/index.js";
import { resolveControllerOptions } from "../../lib/session-controller/options.js";
import { realSessionFs } from "../../lib/session-controller/fence/session-file.js";
import { acquireSessionWriteLock } from "../../lib/session-lock/index.js";
import { nodeArguments, runNode, start } from "../support/processes/child.js";
import { importDist } from "../support/locks/lock-holder.js";
import { memoryLocks } from "../support/locks/memory-lock.js";
import {
  controllerOf,
  FIRST_LINE,
  sessionFileWith,
  watch,
} from "../support/locks/run-controller.js";
import { waitFor } from "../support/wait-for.js";

const LINE = '{"role":"user"}\n';
const LOCK_IMPORT = importDist("acquireSessionWriteLock", "session-lock/index.js");
const CONTROLLER_IMPORT = importDist("createSessionController", "session-controller/index.js");

/** A controller whose settle time is up when the test says so. */
async function controllerInTest(sessionFile = sessionFileWith()) {
  const locks = memoryLocks();
  const timers = new Set<() => void>();
  const kept = new Set<() => void>();
  const controller = await createControllerIn(
    resolveControllerOptions({ acquire: locks.acquire, sessionFile, env: {} }),
    {
      fs: realSessionFs,
      startTimer: (ms, fire) => {
        expect(ms).toBe(2000);
        timers.add(fire);
        return { stop: () => void timers.delete(fire), keepAlive: () => void kept.add(fire) };
      },
    },
  );
  const letTimePass = (): void => timers.forEach((fire) => fire());
  return { controller, sessionFile, locks, timers, kept, letTimePass };
}

/** A write that settles only when told to, and what it then can still do. */
async function beginStuckWrite(controller: SessionController) {
  const [begun, end] = [new Latch(), new Latch()];
  const writes: SessionWrite[] = [];
  const written = controller.withWriteLock(async (write) => {
    writes.push(write);
    begun.open();
    await end.opened;
  });
  written.catch(() => {});
  await begun.opened;
  const [write] = writes;
  if (write === undefined) throw new Error("not begun");
  return { write, end, written };
}

describe("a write that does not settle", () => {
  test.each(["releaseForAbort", "dispose"] as const)(
    "%s releases the lock when the time is up, and the late write is refused",
    async (name) => {
      const { controller, sessionFile, locks, timers, letTimePass } = await controllerInTest();
      const { write, end, written } = await beginStuckWrite(controller);
      const released = controller[name]();
      expect(await watch(released).isSettled()).toBe(false);
      expect(controller.hasTakeover()).toBe(false);
      letTimePass();
      await released;
      expect(locks.holder()).toBeNull();
      expect(controller.hasTakeover()).toBe(true);
      expect(write.signal.aborted).toBe(true);
      expect(() => write.appendFenced(LINE)).toThrow(SessionTakeoverError);
      end.open();
      await expect(written).rejects.toMatchObject({
        reason: "write-abandoned",
        cause: { message: "writes did not settle within the time for it: 2000ms" },
      });
      expect(readFileSync(sessionFile, "utf8")).toBe(FIRST_LINE);
      expect(locks.events).toEqual(["acquired 1", "releasing 1", "released 1"]);
      expect(timers.size).toBe(0);
    },
  );

  test("under a lock of its own does not keep that lock either", async () => {
    const { controller, locks, letTimePass } = await controllerInTest();
    await controller.releaseForPrompt();
    const { end, written } = await beginStuckWrite(controller);
    const released = controller.releaseForAbort();
    expect(await watch(released).isSettled()).toBe(false);
    letTimePass();
    await released;
    expect(locks.holder()).toBeNull();
    end.open();
    await expect(written).rejects.toThrow(SessionTakeoverError);
    expect(locks.events.filter((event) => event.startsWith("releasing"))).toHaveLength(2);
  });

  test("does not keep callers that wait for a prompt's release, once an abort's time is up", async () => {
    const { controller, locks, letTimePass } = await controllerInTest();
    await beginStuckWrite(controller);
    const waiting = [
      controller.releaseForPrompt(),
      controller.reacquireAfterPrompt(),
      controller.acquireForCleanup(),
    ];
    const refused = controller.withWriteLock(vi.fn());
    controller.abort({ timeout: true });
    letTimePass();
    await Promise.all(waiting);
    await expect(refused).rejects.toThrow(SessionTakeoverError);
    expect(locks.events).toEqual(["acquired 1", "releasing 1", "released 1"]);
  });

  test("under a lock that is no more than a release is refused all the same", async () => {
    const release = vi.fn();
    const { controller, sessionFile } = await controllerOf(sessionFileWith(), {
      acquire: () => Promise.resolve({ release }),
      settleTimeoutMs: 20,
    });
    const { write } = await beginStuckWrite(controller);
    await controller.releaseForAbort();
    expect(release).toHaveBeenCalledTimes(1);
    expect(() => write.appendFenced(LINE)).toThrow(SessionTakeoverError);
    expect(readFileSync(sessionFile, "utf8")).toBe(FIRST_LINE);
  });

  test("does not keep its lock when it began only after the abort, under a lock that others share", async () => {
    const release = vi.fn();
    const { controller } = await controllerOf(sessionFileWith(), {
      acquire: () => Promise.resolve({ release }),
      settleTimeoutMs: 20,
    });
    await controller.releaseForPrompt();
    await beginStuckWrite(controller);
    const aborted = controller.releaseForAbort();
    await beginStuckWrite(controller);
    await aborted;
    await waitFor("the releases", () => release.mock.calls.length === 3);
    expect(controller.hasTakeover()).toBe(true);
  });

  test("that waits inside for its own abort is not waited for", async () => {
    const { controller, locks, letTimePass } = await controllerInTest();
    const never = new Latch();
    const aborted = new Latch();
    void controller
      .withWriteLock(async () => {
        // As from a timer that was set inside: it is in the scope, too.
        await controller.releaseForAbort();
        aborted.open();
        await never.opened;
      })
      .catch(() => {});
    await aborted.opened;
    letTimePass();
    await waitFor("the release", () => locks.holder() === null);
    expect(controller.hasTakeover()).toBe(true);
  });

  test("begun after an abort and stuck when the takeover comes is not forgotten", async () => {
    const { controller, locks, timers, letTimePass } = await controllerInTest();
    await controller.releaseForPrompt();
    const first = await beginStuckWrite(controller);
    const aborted = controller.releaseForAbort();
    const second = beginStuckWrite(controller);
    first.end.open();
    await aborted;
    await second;
    locks.displace();
    expect(controller.hasTakeover()).toBe(true);
    expect(timers.size).toBe(1);
    letTimePass();
    await waitFor("the release", () => timers.size === 0);
    expect(locks.events.at(-1)).toBe("released 3");
  });
});

test("a write that settles in time keeps the graceful path", async () => {
  const { controller, locks, timers } = await controllerInTest();
  const { write, end, written } = await beginStuckWrite(controller);
  const released = controller.releaseForAbort();
  write.appendFenced(LINE);
  end.open();
  await Promise.all([written, released]);
  expect(controller.hasTakeover()).toBe(false);
  expect(timers.size).toBe(0);
  // And the fence is armed with what it wrote.
  expect(await controller.withWriteLock(() => "after the abort")).toBe("after the abort");
  expect(locks.holder()).toBeNull();
});

test("a slow physical release is waited for, and does not make the writes count as abandoned", async () => {
  const { controller, locks, letTimePass } = await controllerInTest();
  const physical = new Latch();
  locks.holdReleasesUntil(physical.opened);
  const released = controller.releaseForAbort();
  await waitFor("the release", () => locks.events.includes("releasing 1"));
  letTimePass();
  expect(await watch(released).isSettled()).toBe(false);
  physical.open();
  await released;
  expect(controller.hasTakeover()).toBe(false);
});

test("a session file that cannot be read in time does not keep the lock", async () => {
  const locks = memoryLocks();
  const sessionFile = sessionFileWith();
  const disk = new Latch();
  const closed = new Latch();
  const fire: (() => void)[] = [];
  const controller = await createControllerIn(
    resolveControllerOptions({ acquire: locks.acquire, sessionFile, env: {} }),
    {
      fs: {
        ...realSessionFs,
        open: async (path) => {
          await disk.opened;
          const file = await realSessionFs.open(path);
          const close = async (): Promise<void> => {
            await file.close();
            closed.open();
          };
          return { ...file, close };
        },
      },
      startTimer: (_ms, up) => {
        fire.push(up);
        return { stop: () => {}, keepAlive: () => {} };
      },
    },
  );
  const released = controller.releaseForAbort();
  expect(await watch(released).isSettled()).toBe(false);
  fire.forEach((up) => up());
  await released;
  expect(locks.holder()).toBeNull();
  expect(controller.hasTakeover()).toBe(true);
  // Whatever the disk gives in the end is closed.
  disk.open();
  await closed.opened;
});

describe("abort", () => {
  test("a timeout releases at once when nothing is in flight", async () => {
    const { controller, locks, sessionFile } = await controllerInTest();
    controller.abort({ timeout: true });
    // No time passes in this test: whatever waited for a timer would wait for ever.
    const next = await locks.acquire({ sessionFile });
    expect(locks.events).toEqual(["acquired 1", "releasing 1", "released 1", "acquired 2"]);
    await next.release();
  });

  test("a timeout releases the lock's file when nothing is in flight", async () => {
    const sessionFile = sessionFileWith(LINE.repeat(1000));
    const controller = await createSessionController({
      acquire: acquireSessionWriteLock,
      sessionFile,
      env: {},
    });
    controller.abort({ timeout: true });
    const next = await acquireSessionWriteLock({ sessionFile, env: {} });
    expect(next.lost.aborted).toBe(false);
    await next.release();
    await controller.dispose();
  });

  test("a manual cancel does not release", async () => {
    const { controller, locks, timers } = await controllerInTest();
    controller.abort({ timeout: false });
    expect(timers.size).toBe(0);
    expect(await controller.withWriteLock(() => "goes on")).toBe("goes on");
    expect(locks.events).toEqual(["acquired 1"]);
  });

  test("a failure is logged and not thrown", async () => {
    const warn = vi.fn();
    const acquire = () =>
      Promise.resolve({ release: () => Promise.reject(new Error("EBUSY: held")) });
    const { controller } = await controllerOf(sessionFileWith(), { acquire, log: { warn } });
    controller.abort({ timeout: true });
    await waitFor("the warning", () => warn.mock.calls.length > 0);
    expect(warn.mock.calls).toEqual([
      ["failed to release session lock on timeout abort: Error: EBUSY: held"],
    ]);
  });

  test("a failure to look at the file is logged, and the lock released", async () => {
    const warn = vi.fn();
    const { controller, sessionFile, locks } = await controllerOf(sessionFileWith(), {
      log: { warn },
    });
    rmSync(sessionFile);
    mkdirSync(sessionFile);
    controller.abort({ timeout: true });
    await waitFor("the warning", () => warn.mock.calls.length > 0);
    expect(warn.mock.calls[0]?.[0]).toMatch(
      /^failed to release session lock on timeout abort: Error/,
    );
    expect(locks.holder()).toBeNull();
    rmdirSync(sessionFile);
  });

  test.each([undefined, null, {}, { timeout: 1 }])("refuses %j as its options", async (options) => {
    const { controller } = await controllerOf(sessionFileWith());
    expect(() => controller.abort(options as never)).toThrow(TypeError);
  });
});

describe("the time limit of an abort", () => {
  test("keeps the process alive while a caller waits, and only then", async () => {
    const { controller, kept, letTimePass } = await controllerInTest();
    await beginStuckWrite(controller);
    controller.abort({ timeout: true });
    expect(kept.size).toBe(0);
    const cleanup = controller.acquireForCleanup();
    expect(kept.size).toBe(1);
    letTimePass();
    await cleanup;
  });

  test("keeps the process alive for callers that had been waiting before", async () => {
    const { controller, kept, letTimePass } = await controllerInTest();
    await beginStuckWrite(controller);
    const released = controller.releaseForPrompt();
    controller.abort({ timeout: true });
    expect(kept.size).toBe(1);
    letTimePass();
    await released;
  });

  test("an awaited release resolves in a process that has nothing else to do", async () => {
    const sessionFile = sessionFileWith();
    const outcome = await runNode(
      `${LOCK_IMPORT} ${CONTROLLER_IMPORT}
       const controller = await createSessionController({
         acquire: acquireSessionWriteLock, sessionFile: ${JSON.stringify(sessionFile)}, settleTimeoutMs: 50,
       });
       void controller.withWriteLock(() => new Promise(() => {})).catch(() => {});
       await new Promise((resolve) => setTimeout(resolve, 20));
       await controller.releaseForAbort();
       console.log(JSON.stringify(controller.hasTakeover()));`,
    );
    expect(outcome).toBe(true);
  });

  test("an abort that no caller waits for does not keep a process from ending", async () => {
    const sessionFile = sessionFileWith();
    const outcome = await runNode(
      `${LOCK_IMPORT} ${CONTROLLER_IMPORT}
       import { existsSync } from "node:fs";
       const sessionFile = ${JSON.stringify(sessionFile)};
       const controller = await createSessionController({
         acquire: acquireSessionWriteLock, sessionFile, settleTimeoutMs: 2_000_000_000,
       });
       void controller.withWriteLock(() => new Promise(() => {})).catch(() => {});
       controller.abort({ timeout: true });
       process.on("exit", () => console.log(JSON.stringify(existsSync(sessionFile + ".lock"))));`,
    );
    // The end of the process has released the lock before our listener came.
    expect(outcome).toBe(false);
  });

  test.each<[string, number | undefined, string | undefined, number]>([
    ["the default", undefined, undefined, 2000],
    ["the option", 70, "80", 70],
    ["the environment", undefined, "80", 80],
    ["zero in the environment is none", undefined, "0", 2000],
    ["text that is no number is none", undefined, "1e3", 2000],
    ["what a timer can count", 1e12, undefined, 2_147_000_000],
  ])(
    "comes from the option, the environment or the default: %s",
    (_name, given, text, expected) => {
      const { settleTimeoutMs } = resolveControllerOptions({
        acquire: memoryLocks().acquire,
        sessionFile: "s.jsonl",
        settleTimeoutMs: given,
        env: { OPENCLAW_EMBEDDED_ABORT_SETTLE_TIMEOUT_MS: text },
      });
      expect(settleTimeoutMs).toBe(expected);
    },
  );
});

test("a real session: the next process writes while the aborted one's write still hangs", async () => {
  const sessionFile = sessionFileWith(LINE);
  const controller = await createSessionController({
    acquire: acquireSessionWriteLock,
    sessionFile,
    settleTimeoutMs: 100,
    env: {},
  });
  const { write, end, written } = await beginStuckWrite(controller);
  write.appendFenced('{"role":"assistant","part":1}\n');
  const next = await start(
    process.execPath,
    nodeArguments(`
      ${LOCK_IMPORT} ${CONTROLLER_IMPORT}
      console.log("waiting");
      const controller = await createSessionController({
        acquire: acquireSessionWriteLock, sessionFile: ${JSON.stringify(sessionFile)}, timeoutMs: 60_000,
      });
      await controller.withWriteLock(({ appendFenced }) => appendFenced('{"role":"user","next":true}\\n'));
      console.log("written");
      await new Promise((resolve) => process.stdin.once("data", resolve));
      await controller.dispose();
      process.exit();
    `),
  );
  expect(await next.line()).toBe("waiting");
  await controller.releaseForAbort();
  expect(await next.line()).toBe("written");
  expect(() => write.appendFenced(LINE)).toThrow(SessionTakeoverError);
  end.open();
  await expect(written).rejects.toThrow(SessionTakeoverError);
  next.say("end");
  expect(await next.exited()).toBe(0);
  expect(readFileSync(sessionFile, "utf8")).toBe(
    `${LINE}{"role":"assistant","part":1}\n{"role":"user","next":true}\n`,
  );
});
