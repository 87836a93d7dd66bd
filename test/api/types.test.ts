/** What the compiler tells a TypeScript user. Checked by `npm run check -- types`: at run time these tests only hold texts. */
import { expect, expectTypeOf, test } from "vitest";

import {
  acquireFileLock,
  acquireFileLockSync,
  type AcquireFileLockOptions,
  type FileLock,
  type LeaseOfLock,
  type LockLease,
} from "../../lib/file-lock/index.js";
import { memoryLeases } from "../../lib/lease/index.js";
import {
  isSessionTakeoverError,
  type ControlledLock,
  SessionTakeoverError,
  type SessionTakeoverReason,
  type SessionWrite,
} from "../../lib/session-controller/index.js";
import {
  acquireSessionWriteLock,
  acquireSessionWriteLockSync,
  type AcquireTraceResult,
  isSessionWriteLockAcquireError,
  isSessionWriteLockStaleError,
  isSessionWriteLockTimeoutError,
  type SessionWriteLock,
  withSessionWriteLock,
} from "../../lib/session-lock/index.js";

const lease = { store: memoryLeases() };

/** Only the compiler looks at it. */
function neverCalled(_look: () => unknown): void {
  expect.assertions(0);
}

test("a lock that was asked for with a lease has one", () => {
  neverCalled(async () => {
    const file = await acquireFileLock({ path: "a", lease });
    expectTypeOf(file.lease).toEqualTypeOf<LockLease>();
    const session = await acquireSessionWriteLock({ sessionFile: "a", lease });
    expectTypeOf(session.lease).toEqualTypeOf<LockLease>();
    await withSessionWriteLock({ sessionFile: "a", lease }, (lock) => {
      expectTypeOf(lock.lease).toEqualTypeOf<LockLease>();
    });
  });
});

test("any other lock may have none", () => {
  neverCalled(async () => {
    const file = await acquireFileLock({ path: "a" });
    expectTypeOf(file).toEqualTypeOf<FileLock>();
    expectTypeOf(file.lease).toEqualTypeOf<LockLease | null>();
    // Shares a lock of this thread, which was perhaps taken without.
    const shared = await acquireFileLock({ path: "a", lease, allowReentrant: true });
    expectTypeOf(shared.lease).toEqualTypeOf<LockLease | null>();
    const options: AcquireFileLockOptions = { path: "a" };
    expectTypeOf((await acquireFileLock(options)).lease).toEqualTypeOf<LockLease | null>();
    await withSessionWriteLock({ sessionFile: "a" }, (lock) => {
      expectTypeOf(lock.lease).toEqualTypeOf<LockLease | null>();
    });
    // @ts-expect-error -- there is nothing to wait for its store with
    acquireFileLockSync({ path: "a", lease });
    // @ts-expect-error -- likewise
    acquireSessionWriteLockSync({ sessionFile: "a", lease });
  });
  expectTypeOf<AcquireTraceResult["lease"]>().toEqualTypeOf<LeaseOfLock | null>();
});

test("what a guard recognises may be read, as far as it is there", () => {
  const guards = (error: unknown): void => {
    if (isSessionTakeoverError(error)) {
      expectTypeOf(error.reason).toEqualTypeOf<SessionTakeoverReason | undefined>();
      if (error instanceof SessionTakeoverError) {
        expectTypeOf(error.reason).toEqualTypeOf<SessionTakeoverReason>();
      }
    }
    if (isSessionWriteLockTimeoutError(error)) {
      expectTypeOf(error.timeoutMs).toEqualTypeOf<number | undefined>();
    }
    if (isSessionWriteLockStaleError(error)) {
      expectTypeOf(error.staleReasons).toEqualTypeOf<readonly string[] | undefined>();
    }
    if (isSessionWriteLockAcquireError(error)) {
      expectTypeOf(error.owner).toEqualTypeOf<string | undefined>();
    }
  };
  // What is not recognised stays an Error.
  const others = (error: Error): string => (isSessionTakeoverError(error) ? "" : error.message);
  neverCalled(() => [guards, others]);
});

test("a fence takes no function that gives a promise", () => {
  neverCalled(() => {
    const lock = {} as FileLock & SessionWriteLock & SessionWrite;
    expectTypeOf(lock.withFence(() => 1)).toEqualTypeOf<number>();
    expectTypeOf(lock.withFence(() => {})).toEqualTypeOf<void>();
    expectTypeOf(lock.withFence(() => JSON.parse("1"))).toBeAny();
    expectTypeOf(lock.withFence((): unknown => 1)).toBeUnknown();
    expectTypeOf(
      lock.withFence(() => {
        throw new Error("never returns");
      }),
    ).toBeNever();
    // @ts-expect-error -- gives a promise
    void lock.withFence(async () => {});
    // @ts-expect-error -- may give one
    void lock.withFence((): number | Promise<number> => 1);
    // @ts-expect-error -- gives something to be awaited
    void lock.withFence((): PromiseLike<number> => Promise.resolve(1));
  });
});

test("a controller takes every lock of this package, and one of the caller's own", () => {
  const own = { release: () => {}, withFence: <T>(write: () => T): T => write() };
  expectTypeOf<FileLock>().toExtend<ControlledLock>();
  expectTypeOf<SessionWriteLock>().toExtend<ControlledLock>();
  expectTypeOf(own).toExtend<ControlledLock>();
});
