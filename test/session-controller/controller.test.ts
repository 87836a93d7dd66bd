/** Who may write when: drains, scopes, hand-overs, on a lock in memory. */
import { readFileSync, truncateSync } from "node:fs";

import { describe, expect, test, vi } from "vitest";

import { Latch } from "../../lib/session-controller/locks/latch.js";
import {
  createSessionController,
  type SessionController,
  SessionTakeoverError,
  type SessionWrite,
  SessionWriteScopeError,
} from "../../lib/session-controller/index.js";
import { SessionWriteLockStaleError } from "../../lib/session-lock/errors.js";
import { memoryLocks } from "../support/locks/memory-lock.js";
import { waitFor } from "../support/wait-for.js";
import {
  controllerOf,
  FIRST_LINE,
  sessionFileWith,
  watch,
} from "../support/locks/run-controller.js";

const LINE = '{"role":"user"}\n';

/** Begins a write that ends when `end` is reached; resolves once it runs. */
async function beginWrite(
  controller: SessionController,
  run: (write: SessionWrite) => void = () => {},
): Promise<{ readonly end: Latch; readonly written: Promise<void> }> {
  const [begun, end] = [new Latch(), new Latch()];
  const written = controller.withWriteLock(async (write) => {
    begun.open();
    await end.opened;
    run(write);
  });
  // Some tests only look at it later, or not at all.
  written.catch(() => {});
  await begun.opened;
  return { end, written };
}

describe("the lock", () => {
  test("is acquired eagerly, with exactly the options of the lock", async () => {
    const acquire = vi.fn(() => Promise.resolve({ release: () => {} }));
    const limits = { timeoutMs: 60_000, staleMs: 1_800_000, maxHoldMs: 300_000 };
    const sessionFile = sessionFileWith();
    await createSessionController({ acquire, sessionFile, ...limits, settleTimeoutMs: 5, env: {} });
    expect(acquire.mock.calls).toStrictEqual([[{ sessionFile, ...limits }]]);
  });

  test("that cannot be acquired is the creation's error", async () => {
    const acquire = () => Promise.reject(new Error("locked"));
    const creating = createSessionController({ acquire, sessionFile: sessionFileWith() });
    await expect(creating).rejects.toThrow("locked");
  });

  test("needs no more than a release", async () => {
    const release = vi.fn();
    const { controller, sessionFile } = await controllerOf(sessionFileWith(), {
      acquire: () => Promise.resolve({ release }),
    });
    await controller.withWriteLock(({ appendFenced }) => appendFenced(LINE));
    await controller.releaseForPrompt();
    await controller.withWriteLock(({ appendFenced }) => appendFenced(LINE));
    await controller.reacquireAfterPrompt();
    await (await controller.acquireForCleanup()).release();
    expect(release).toHaveBeenCalledTimes(3);
    expect(readFileSync(sessionFile, "utf8")).toBe(FIRST_LINE + LINE + LINE);
  });

  test("is used by writes while it is held, and after a release each takes its own", async () => {
    const { controller, locks } = await controllerOf(sessionFileWith());
    await controller.withWriteLock(() => {});
    await controller.releaseForPrompt();
    await controller.withWriteLock(() => {});
    await controller.withWriteLock(() => {});
    expect(locks.events).toEqual([
      "acquired 1",
      "releasing 1",
      "released 1",
      "acquired 2",
      "releasing 2",
      "released 2",
      "acquired 3",
      "releasing 3",
      "released 3",
    ]);
  });
});

describe("giving the lock up", () => {
  test.each(["releaseForPrompt", "releaseForAbort", "dispose"] as const)(
    "%s can be called again and again, and releases once",
    async (name) => {
      const { controller, locks } = await controllerOf(sessionFileWith());
      await Promise.all([controller[name](), controller[name]()]);
      await controller[name]();
      await controller.dispose();
      expect(locks.events).toEqual(["acquired 1", "releasing 1", "released 1"]);
    },
  );

  test("waits for a write that has only just been called", async () => {
    const { controller, locks } = await controllerOf(sessionFileWith());
    const order: string[] = [];
    // Not awaited, nor is anything else: it has not come to its first await in earnest.
    const written = controller.withWriteLock(() => void order.push("written"));
    const released = controller.releaseForPrompt().then(() => order.push("released"));
    await Promise.all([written, released]);
    expect(order).toEqual(["written", "released"]);
    expect(locks.events).toEqual(["acquired 1", "releasing 1", "released 1"]);
  });

  test("waits for all writes under the lock, and holds new ones back", async () => {
    const { controller, locks } = await controllerOf(sessionFileWith());
    const first = await beginWrite(controller);
    const second = await beginWrite(controller);
    const released = controller.releaseForPrompt();
    const late = vi.fn();
    const lateWrite = controller.withWriteLock(late);
    first.end.open();
    expect(await watch(released).isSettled()).toBe(false);
    expect(late).not.toHaveBeenCalled();
    second.end.open();
    await Promise.all([released, lateWrite]);
    expect(locks.events.slice(0, 4)).toEqual([
      "acquired 1",
      "releasing 1",
      "released 1",
      "acquired 2",
    ]);
  });

  test("every call resolves only after the physical release, whichever call came first", async () => {
    const { controller, locks } = await controllerOf(sessionFileWith());
    const physical = new Latch();
    locks.holdReleasesUntil(physical.opened);
    const order: string[] = [];
    const note = (name: string) => (): void => {
      order.push(locks.events.includes("released 1") ? name : `${name} too early`);
    };
    const all = [
      controller.releaseForPrompt().then(note("prompt")),
      controller.releaseForAbort().then(note("abort")),
      controller.dispose().then(note("dispose")),
      controller.reacquireAfterPrompt().then(note("reacquire")),
      controller.withWriteLock(note("write")),
      controller.acquireForCleanup().then(async (lock) => {
        note("cleanup")();
        await lock.release();
      }),
    ];
    expect(await watch(Promise.any(all)).isSettled()).toBe(false);
    physical.open();
    await Promise.all(all);
    expect(order.toSorted()).toEqual([
      "abort",
      "cleanup",
      "dispose",
      "prompt",
      "reacquire",
      "write",
    ]);
  });

  test("a release that fails is told of, and is not tried again", async () => {
    const release = vi.fn(() => Promise.reject(new Error("EBUSY")));
    const acquire = () => Promise.resolve({ release });
    const { controller } = await controllerOf(sessionFileWith(), { acquire });
    await expect(controller.releaseForPrompt()).rejects.toThrow("EBUSY");
    await controller.dispose();
    expect(release).toHaveBeenCalledTimes(1);
  });
});

describe("taking the lock again", () => {
  test("does nothing while it is held, nor after the end", async () => {
    const { controller, locks } = await controllerOf(sessionFileWith());
    await controller.reacquireAfterPrompt();
    await controller.dispose();
    await controller.reacquireAfterPrompt();
    expect(locks.events).toEqual(["acquired 1", "releasing 1", "released 1"]);
  });

  test("happens once, however many ask for it, and writes wait for it", async () => {
    const { controller, locks } = await controllerOf(sessionFileWith());
    await controller.releaseForPrompt();
    await Promise.all([
      controller.reacquireAfterPrompt(),
      controller.reacquireAfterPrompt(),
      controller.withWriteLock(() => {}),
    ]);
    expect(locks.events.slice(3)).toEqual(["acquired 2"]);
  });

  test("that fails gives every caller the error, and can be tried again", async () => {
    const locks = memoryLocks();
    const error = new Error("ENOSPC");
    const failure = { isOn: false };
    const { controller } = await controllerOf(
      sessionFileWith(),
      { acquire: (options) => (failure.isOn ? Promise.reject(error) : locks.acquire(options)) },
      locks,
    );
    await controller.releaseForPrompt();
    failure.isOn = true;
    const asked = [controller.reacquireAfterPrompt(), controller.reacquireAfterPrompt()];
    for (const answer of await Promise.allSettled(asked)) {
      expect(answer).toMatchObject({ reason: error });
    }
    expect(controller.hasTakeover()).toBe(false);
    failure.isOn = false;
    await controller.reacquireAfterPrompt();
    expect(locks.holder()?.id).toBe(2);
  });

  test("is a takeover to every caller when another holder has the lock", async () => {
    const locks = memoryLocks();
    const { controller, sessionFile } = await controllerOf(
      sessionFileWith(),
      { timeoutMs: 30 },
      locks,
    );
    await controller.releaseForPrompt();
    const stranger = await locks.acquire({ sessionFile });
    const asked = [controller.reacquireAfterPrompt(), controller.reacquireAfterPrompt()];
    for (const answer of await Promise.allSettled(asked)) {
      expect(answer).toMatchObject({
        reason: { code: "SESSION_TAKEOVER", cause: { code: "SESSION_WRITE_LOCK_TIMEOUT" } },
      });
    }
    await stranger.release();
    await controller.reacquireAfterPrompt();
    expect(locks.holder()).toBeNull();
  });

  test.each(["releaseForAbort", "dispose"] as const)(
    "is cancelled by %s: the lock is released as soon as it is acquired",
    async (name) => {
      const { controller, sessionFile, locks } = await controllerOf(sessionFileWith(), {
        settleTimeoutMs: 20,
      });
      await controller.releaseForPrompt();
      const stranger = await locks.acquire({ sessionFile });
      const reacquired = controller.reacquireAfterPrompt();
      // Bounded: it does not wait for the stranger.
      await controller[name]();
      expect(await watch(reacquired).isSettled()).toBe(false);
      await stranger.release();
      await reacquired;
      expect(locks.holder()).toBeNull();
      expect(controller.hasTakeover()).toBe(false);
    },
  );
});

describe("scopes", () => {
  test("nested calls run directly, under the lock of the outermost", async () => {
    const { controller, sessionFile, locks } = await controllerOf(sessionFileWith());
    await controller.releaseForPrompt();
    const result = await controller.withWriteLock(async (outer) => {
      outer.appendFenced("1\n");
      const inner = await controller.withWriteLock(({ appendFenced }) => {
        appendFenced("2\n");
        return "inner";
      });
      outer.appendFenced("3\n");
      return inner;
    });
    expect(result).toBe("inner");
    expect(readFileSync(sessionFile, "utf8")).toBe(`${FIRST_LINE}1\n2\n3\n`);
    expect(locks.events.filter((event) => event.startsWith("acquired"))).toHaveLength(2);
  });

  test("a nested call that is not awaited keeps the scope open until it has settled", async () => {
    const { controller, locks } = await controllerOf(sessionFileWith());
    await controller.releaseForPrompt();
    const [end, innermost] = [new Latch(), new Latch()];
    const written = controller.withWriteLock(() => {
      void controller.withWriteLock(async () => {
        await end.opened;
        void controller.withWriteLock(() => innermost.opened);
      });
    });
    expect(await watch(written).isSettled()).toBe(false);
    end.open();
    expect(await watch(written).isSettled()).toBe(false);
    expect(locks.holder()?.id).toBe(2);
    innermost.open();
    await written;
    expect(locks.events.filter((event) => event.startsWith("acquired"))).toHaveLength(2);
  });

  test("work that outlives its scope takes a lock of its own", async () => {
    const { controller, locks } = await controllerOf(sessionFileWith());
    await controller.releaseForPrompt();
    const later = new Latch();
    const leaked: Promise<string>[] = [];
    await controller.withWriteLock(() => {
      leaked.push(later.opened.then(() => controller.withWriteLock(() => "late")));
    });
    later.open();
    expect(await Promise.all(leaked)).toEqual(["late"]);
    expect(locks.events.filter((event) => event.startsWith("acquired"))).toHaveLength(3);
  });

  test("an appendFenced that outlives its scope throws", async () => {
    const { controller, sessionFile } = await controllerOf(sessionFileWith());
    const leaked = await controller.withWriteLock((write) => write);
    expect(() => leaked.appendFenced(LINE)).toThrow(SessionWriteScopeError);
    expect(readFileSync(sessionFile, "utf8")).toBe(FIRST_LINE);
  });

  test("of two controllers are kept apart", async () => {
    const one = await controllerOf(sessionFileWith());
    const two = await controllerOf(sessionFileWith());
    await one.controller.releaseForPrompt();
    await two.controller.releaseForPrompt();
    await one.controller.withWriteLock(() =>
      two.controller.withWriteLock(() => one.controller.withWriteLock(() => {})),
    );
    for (const { locks } of [one, two]) {
      expect(locks.events.filter((event) => event.startsWith("acquired"))).toHaveLength(2);
    }
  });

  test.each(["releaseForPrompt", "releaseForAbort", "dispose"] as const)(
    "%s from inside resolves at once, and the write only after the release",
    async (name) => {
      const { controller, locks } = await controllerOf(sessionFileWith());
      await controller.withWriteLock(async ({ appendFenced }) => {
        await controller[name]();
        await controller[name]();
        expect(locks.events).toEqual(["acquired 1"]);
        appendFenced(LINE);
        await controller.withWriteLock((inner) => inner.appendFenced(LINE));
      });
      expect(locks.events).toEqual(["acquired 1", "releasing 1", "released 1"]);
      expect(controller.hasTakeover()).toBe(false);
    },
  );

  test("reacquireAfterPrompt from inside takes the lock when the write's own is released", async () => {
    const { controller, locks } = await controllerOf(sessionFileWith());
    await controller.releaseForPrompt();
    await controller.withWriteLock(() => controller.reacquireAfterPrompt());
    expect(locks.events.slice(3)).toEqual([
      "acquired 2",
      "releasing 2",
      "released 2",
      "acquired 3",
    ]);
    await controller.withWriteLock(() => {});
    expect(locks.holder()?.id).toBe(3);
  });

  test("the last call from inside counts: after a release and a reacquisition the lock is held", async () => {
    const { controller, locks } = await controllerOf(sessionFileWith());
    await controller.withWriteLock(async () => {
      await controller.releaseForPrompt();
      await controller.reacquireAfterPrompt();
    });
    expect(locks.events).toEqual(["acquired 1"]);
  });

  test("acquireForCleanup from inside would wait for itself, and says so", async () => {
    const { controller } = await controllerOf(sessionFileWith());
    const inside = controller.withWriteLock(() => controller.acquireForCleanup());
    await expect(inside).rejects.toMatchObject({ code: "SESSION_WRITE_SCOPE_ACTIVE" });
    expect(controller.hasTakeover()).toBe(false);
  });

  test("a write's error and result come through", async () => {
    const { controller } = await controllerOf(sessionFileWith());
    expect(await controller.withWriteLock(() => Promise.resolve(7))).toBe(7);
    const failing = controller.withWriteLock(() => Promise.reject(new Error("tool failed")));
    await expect(failing).rejects.toThrow("tool failed");
    await expect(controller.withWriteLock(undefined as never)).rejects.toThrow(
      "run must be a function, got undefined",
    );
  });

  test.each([
    ["text", '{"role":"user"}'],
    ["bytes", Buffer.from('{"role":"user"}')],
    ["whole text", LINE],
    ["whole bytes", Buffer.from(LINE)],
  ])("appendFenced ends the last line of %s", async (_of, data) => {
    const { controller, sessionFile } = await controllerOf(sessionFileWith());
    await controller.withWriteLock(({ appendFenced }) => {
      appendFenced("");
      appendFenced(data);
    });
    expect(readFileSync(sessionFile, "utf8")).toBe(FIRST_LINE + LINE);
  });

  test("withFence runs a write of another kind and gives what it gives; the file is this run's afterwards", async () => {
    const { controller, sessionFile } = await controllerOf(sessionFileWith(`${FIRST_LINE}{"half`));
    const size = await controller.withWriteLock(({ withFence }) =>
      withFence(() => {
        truncateSync(sessionFile, FIRST_LINE.length);
        return FIRST_LINE.length;
      }),
    );
    expect(size).toBe(FIRST_LINE.length);
    await controller.releaseForPrompt();
    await controller.withWriteLock(({ appendFenced }) => appendFenced(LINE));
    expect(readFileSync(sessionFile, "utf8")).toBe(FIRST_LINE + LINE);
  });

  test("withFence writes nothing once the lock is another's, nor beyond its scope", async () => {
    const { controller, locks } = await controllerOf(sessionFileWith());
    const late = vi.fn();
    const kept = await controller.withWriteLock((write) => write);
    expect(() => kept.withFence(late)).toThrow(SessionWriteScopeError);
    const writing = controller.withWriteLock(({ withFence }) => {
      locks.displace();
      withFence(late);
    });
    await expect(writing).rejects.toThrow(SessionTakeoverError);
    expect(late).not.toHaveBeenCalled();
  });

  test("withFence takes no promise", async () => {
    const { controller } = await controllerOf(sessionFileWith());
    const writing = controller.withWriteLock(({ withFence }) =>
      // @ts-expect-error -- the type refuses it, too
      withFence(async () => await Promise.reject(new Error("unheard"))),
    );
    await expect(writing).rejects.toThrow("write must be synchronous");
  });

  test("after dispose a write takes a lock of its own, and one that has ended appends nothing", async () => {
    const { controller, sessionFile, locks } = await controllerOf(sessionFileWith());
    const kept: SessionWrite[] = [];
    await controller.withWriteLock(async (write) => {
      kept.push(write);
      await controller.dispose();
      // It cannot end before the write does.
      write.appendFenced(LINE);
    });
    expect(locks.holder()).toBeNull();
    expect(() => kept[0]?.appendFenced(LINE)).toThrow(SessionWriteScopeError);
    await controller.withWriteLock((write) => {
      expect(locks.holder()).not.toBeNull();
      write.appendFenced(LINE);
    });
    expect(locks.holder()).toBeNull();
    expect(readFileSync(sessionFile, "utf8")).toBe(FIRST_LINE + LINE + LINE);
  });

  test.each([null, 7, ["line"]])("appendFenced takes no %j", async (data) => {
    const { controller } = await controllerOf(sessionFileWith());
    const writing = controller.withWriteLock(({ appendFenced }) => appendFenced(data as never));
    await expect(writing).rejects.toThrow("data must be a string or a Uint8Array");
  });
});

test("a release during taking the lock again comes after it", async () => {
  const { controller, locks } = await controllerOf(sessionFileWith());
  await controller.releaseForPrompt();
  const reacquired = controller.reacquireAfterPrompt();
  await controller.releaseForPrompt();
  await reacquired;
  expect(locks.events.slice(3)).toEqual(["acquired 2", "releasing 2", "released 2"]);
});

test("the lock can be taken again while an abort still waits to give an earlier one back", async () => {
  const { controller, sessionFile, locks } = await controllerOf(sessionFileWith(), {
    settleTimeoutMs: 20,
  });
  await controller.releaseForPrompt();
  const stranger = await locks.acquire({ sessionFile });
  const cancelled = controller.reacquireAfterPrompt();
  await controller.releaseForAbort();
  const again = controller.reacquireAfterPrompt();
  await stranger.release();
  await Promise.all([cancelled, again]);
  expect(locks.holder()?.id).toBe(4);
});

describe("the cleanup", () => {
  test("gets the held lock once no write uses it, and dispose leaves it alone", async () => {
    const { controller, locks } = await controllerOf(sessionFileWith());
    const write = await beginWrite(controller);
    const asked = controller.acquireForCleanup();
    expect(await watch(asked).isSettled()).toBe(false);
    write.end.open();
    const lock = await asked;
    await controller.dispose();
    await controller.releaseForAbort();
    expect(locks.events).toEqual(["acquired 1"]);
    await Promise.all([lock.release(), lock.release()]);
    await lock[Symbol.asyncDispose]();
    expect(locks.events).toEqual(["acquired 1", "releasing 1", "released 1"]);
  });

  test("gets a new one when none is held, also while dispose is under way", async () => {
    const { controller, locks } = await controllerOf(sessionFileWith());
    await controller.releaseForPrompt();
    const [lock] = await Promise.all([controller.acquireForCleanup(), controller.dispose()]);
    expect(locks.holder()?.id).toBe(2);
    await lock.release();
    expect(locks.events.slice(3)).toEqual(["acquired 2", "releasing 2", "released 2"]);
  });

  test("gets a new one although dispose comes while the file is looked at", async () => {
    const { controller, locks } = await controllerOf(sessionFileWith());
    await controller.releaseForPrompt();
    const asked = controller.acquireForCleanup();
    // The lock is there at once; no file is read between microtasks.
    for (let microtask = 0; microtask < 20; microtask++) await Promise.resolve();
    await Promise.all([asked, controller.dispose()]);
    expect(locks.holder()?.id).toBe(2);
    await (await asked).release();
  });

  test("has its lock to itself: the loss of it is no takeover of the run", async () => {
    const { controller, locks } = await controllerOf(sessionFileWith());
    const lock = await controller.acquireForCleanup();
    locks.displace();
    expect(controller.hasTakeover()).toBe(false);
    await lock.release();
  });

  test("two of them get one lock each, one after the other", async () => {
    const { controller, locks } = await controllerOf(sessionFileWith());
    const [first, second] = [controller.acquireForCleanup(), controller.acquireForCleanup()];
    const firstLock = await first;
    expect(await watch(second).isSettled()).toBe(false);
    await firstLock.release();
    await (await second).release();
    expect(locks.events).toEqual([
      "acquired 1",
      "releasing 1",
      "released 1",
      "acquired 2",
      "releasing 2",
      "released 2",
    ]);
  });

  test("a lock that is not to be had is a takeover: a timeout", async () => {
    const { controller, sessionFile, locks } = await controllerOf(sessionFileWith(), {
      timeoutMs: 20,
    });
    await controller.releaseForPrompt();
    const stranger = await locks.acquire({ sessionFile });
    const lock = await controller.acquireForCleanup();
    expect(controller.hasTakeover()).toBe(true);
    await lock.release();
    expect(locks.holder()).toBe(stranger);
    await expect(controller.withWriteLock(vi.fn())).rejects.toMatchObject({
      reason: "lock-unavailable",
      cause: { code: "SESSION_WRITE_LOCK_TIMEOUT" },
    });
  });

  test.each<[string, Error]>([
    ["stale", new SessionWriteLockStaleError(["too-old"], "pid=7 alive=true", "/s.lock")],
    [
      "stale, wrapped by the host",
      new Error("x", { cause: { code: "OPENCLAW_SESSION_WRITE_LOCK_STALE" } }),
    ],
  ])("a lock that is not to be had is a takeover: %s", async (_name, error) => {
    const { controller } = await withoutSecondLock(error);
    await (await controller.acquireForCleanup()).release();
    expect(controller.hasTakeover()).toBe(true);
  });

  test("any other failure to acquire is passed on, and is no takeover", async () => {
    const error = new Error("ENOSPC");
    const { controller } = await withoutSecondLock(error);
    await expect(controller.acquireForCleanup()).rejects.toBe(error);
    expect(controller.hasTakeover()).toBe(false);
  });

  async function withoutSecondLock(error: Error) {
    const locks = memoryLocks();
    let count = 0;
    const acquire: typeof locks.acquire = async (options) => {
      if (++count > 1) throw error;
      return await locks.acquire(options);
    };
    const run = await controllerOf(sessionFileWith(), { acquire }, locks);
    await run.controller.releaseForPrompt();
    return run;
  }
});

describe("a lock that is lost", () => {
  test("marks the takeover, aborts the write's signal, and refuses what comes", async () => {
    const { controller, sessionFile, locks } = await controllerOf(sessionFileWith());
    const signals: AbortSignal[] = [];
    const write = await beginWrite(controller, ({ signal, appendFenced }) => {
      signals.push(signal);
      appendFenced(LINE);
    });
    locks.displace();
    expect(controller.hasTakeover()).toBe(true);
    await expect(controller.withWriteLock(vi.fn())).rejects.toMatchObject({ reason: "lock-lost" });
    write.end.open();
    await expect(write.written).rejects.toMatchObject({
      code: "SESSION_TAKEOVER",
      cause: { code: "SESSION_WRITE_LOCK_LOST" },
    });
    expect(signals[0]?.reason).toBeInstanceOf(SessionTakeoverError);
    expect(readFileSync(sessionFile, "utf8")).toBe(FIRST_LINE);
  });

  test("without a signal is noticed by the fence of the lock", async () => {
    const locks = memoryLocks();
    const { controller, sessionFile } = await controllerOf(
      sessionFileWith(),
      {
        acquire: async (options) => {
          const { release, withFence } = await locks.acquire(options);
          return { release, withFence };
        },
      },
      locks,
    );
    const writing = controller.withWriteLock(({ appendFenced }) => {
      locks.displace();
      appendFenced(LINE);
    });
    await expect(writing).rejects.toMatchObject({ code: "SESSION_TAKEOVER", reason: "lock-lost" });
    expect(readFileSync(sessionFile, "utf8")).toBe(FIRST_LINE);
  });

  test("without a signal is noticed before a write begins", async () => {
    const locks = memoryLocks();
    const { controller } = await controllerOf(
      sessionFileWith(),
      {
        acquire: async (options) => {
          const { release, assertHeld } = await locks.acquire(options);
          return { release, assertHeld };
        },
      },
      locks,
    );
    locks.displace();
    const run = vi.fn();
    await expect(controller.withWriteLock(run)).rejects.toMatchObject({ reason: "lock-lost" });
    expect(run).not.toHaveBeenCalled();
  });

  test("in the middle of a write: what is in the file by then is not trusted as own", async () => {
    const locks = memoryLocks();
    const { controller: released, sessionFile } = await controllerOf(sessionFileWith(), {}, locks);
    await released.releaseForPrompt();
    const { controller: other } = await controllerOf(sessionFile, {}, locks);
    const writing = other.withWriteLock(({ appendFenced }) => {
      appendFenced(LINE);
      locks.displace();
    });
    await expect(writing).rejects.toThrow(SessionTakeoverError);
    await expect(released.reacquireAfterPrompt()).rejects.toThrow(SessionTakeoverError);
  });

  test("without a signal is noticed after a write that does not use the fence", async () => {
    const locks = memoryLocks();
    const { controller } = await controllerOf(
      sessionFileWith(),
      {
        acquire: async (options) => {
          const { release, assertHeld } = await locks.acquire(options);
          return { release, assertHeld };
        },
      },
      locks,
    );
    await controller.releaseForPrompt();
    await expect(controller.withWriteLock(() => locks.displace())).rejects.toMatchObject({
      reason: "lock-lost",
    });
  });

  test("is remembered also when the write swallows the error", async () => {
    const locks = memoryLocks();
    const { controller } = await controllerOf(
      sessionFileWith(),
      {
        acquire: async (options) => {
          const { release, withFence } = await locks.acquire(options);
          return { release, withFence };
        },
      },
      locks,
    );
    const writing = controller.withWriteLock(({ appendFenced }) => {
      locks.displace();
      expect(() => appendFenced(LINE)).toThrow(SessionTakeoverError);
    });
    await expect(writing).rejects.toThrow(SessionTakeoverError);
    expect(controller.hasTakeover()).toBe(true);
  });

  test("before it was ever used is released", async () => {
    const release = vi.fn();
    const lost = AbortSignal.abort(new Error("lost"));
    const { controller } = await controllerOf(sessionFileWith(), {
      acquire: () => Promise.resolve({ release, lost }),
    });
    await expect(controller.withWriteLock(vi.fn())).rejects.toMatchObject({ reason: "lock-lost" });
    await waitFor("the release", () => release.mock.calls.length > 0);
    await controller.dispose();
    expect(release).toHaveBeenCalledTimes(1);
  });

  test("a write that fails because of it keeps its own error as a cause", async () => {
    const { controller, locks } = await controllerOf(sessionFileWith());
    const writing = controller.withWriteLock(() => {
      locks.displace();
      throw new Error("socket closed");
    });
    await expect(writing).rejects.toMatchObject({
      code: "SESSION_TAKEOVER",
      cause: { errors: [{ code: "SESSION_WRITE_LOCK_LOST" }, { message: "socket closed" }] },
    });
  });

  test("nested calls are refused as well, and one that was running", async () => {
    const { controller, locks } = await controllerOf(sessionFileWith());
    const outcomes: PromiseSettledResult<unknown>[] = [];
    const writing = controller.withWriteLock(async () => {
      const running = controller.withWriteLock(async () => {
        await new Promise((resolve) => void setImmediate(resolve));
      });
      locks.displace();
      outcomes.push(...(await Promise.allSettled([running, controller.withWriteLock(vi.fn())])));
    });
    await expect(writing).rejects.toThrow(SessionTakeoverError);
    expect(outcomes).toMatchObject([
      { status: "rejected", reason: { code: "SESSION_TAKEOVER" } },
      { status: "rejected", reason: { code: "SESSION_TAKEOVER" } },
    ]);
  });
});

test("a takeover found by one write releases the lock once the others have settled", async () => {
  const { controller, sessionFile, locks } = await controllerOf(sessionFileWith());
  const write = await beginWrite(controller);
  const finder = controller.withWriteLock(() => {
    throw Object.assign(new Error("lost"), { code: "SESSION_WRITE_LOCK_LOST" });
  });
  await expect(finder).rejects.toThrow(SessionTakeoverError);
  expect(locks.events).toEqual(["acquired 1"]);
  write.end.open();
  await expect(write.written).rejects.toThrow(SessionTakeoverError);
  expect(locks.events).toEqual(["acquired 1", "releasing 1", "released 1"]);
  expect(readFileSync(sessionFile, "utf8")).toBe(FIRST_LINE);
});

test("a caller that gets a takeover error finds the lock released", async () => {
  const { controller, locks } = await controllerOf(sessionFileWith());
  const physical = new Latch();
  locks.holdReleasesUntil(physical.opened);
  const finder = controller.withWriteLock(() => {
    throw Object.assign(new Error("lost"), { code: "SESSION_WRITE_LOCK_LOST" });
  });
  expect(await watch(finder).isSettled()).toBe(false);
  expect(locks.events).toEqual(["acquired 1", "releasing 1"]);
  physical.open();
  await expect(finder).rejects.toThrow(SessionTakeoverError);
});

test("a takeover is said before anything else, also before a wrong argument", async () => {
  const { controller, locks } = await controllerOf(sessionFileWith());
  locks.displace();
  await waitFor("the takeover", () => controller.hasTakeover());
  await expect(controller.withWriteLock(undefined as never)).rejects.toThrow(SessionTakeoverError);
});

test("after the end writes take short locks", async () => {
  const { controller, locks } = await controllerOf(sessionFileWith());
  await controller.dispose();
  expect(await controller.withWriteLock(() => "late")).toBe("late");
  expect(locks.events.slice(3)).toEqual(["acquired 2", "releasing 2", "released 2"]);
});

test("the controller is disposed of by its symbol, too", async () => {
  const { controller, locks } = await controllerOf(sessionFileWith());
  await controller[Symbol.asyncDispose]();
  expect(locks.holder()).toBeNull();
});

test.each<[string, Record<string, unknown>, string]>([
  ["no acquire", { acquire: undefined }, "options.acquire must be a function, got undefined"],
  ["no path", { sessionFile: 7 }, "options.sessionFile must be a file path (string or URL), got 7"],
  [
    "an empty path",
    { sessionFile: "" },
    "options.sessionFile must be a file path (string or URL) that is not empty and has no NUL bytes, got ''",
  ],
  [
    "timeoutMs",
    { timeoutMs: "1" },
    "options.timeoutMs must be an integer of 0 or more milliseconds, or Infinity, got '1'",
  ],
  [
    "staleMs",
    { staleMs: null },
    "options.staleMs must be an integer of 1 or more milliseconds, got null",
  ],
  [
    "maxHoldMs",
    { maxHoldMs: {} },
    "options.maxHoldMs must be an integer of 1 or more milliseconds, got {}",
  ],
  [
    "settleTimeoutMs",
    { settleTimeoutMs: "2s" },
    "options.settleTimeoutMs must be an integer of 1 or more milliseconds, got '2s'",
  ],
  [
    "isBenignChange",
    { isBenignChange: true },
    "options.isBenignChange must be a function, got true",
  ],
  ["log", { log: 1 }, "options.log must be an object with a function warn, such as console, got 1"],
  ["log.warn", { log: { warn: 1 } }, "options.log.warn must be a function, got 1"],
  [
    "no lock",
    { acquire: () => Promise.resolve() },
    "the lock that acquire gives must be an object, got undefined",
  ],
  [
    "no release",
    { acquire: () => Promise.resolve({}) },
    "lock.release must be a function, got undefined",
  ],
])("bad options are refused: %s", async (_name, options, message) => {
  const acquire = memoryLocks().acquire;
  const creating = createSessionController({ acquire, sessionFile: "s.jsonl", ...options });
  await expect(creating).rejects.toThrow(message);
});
