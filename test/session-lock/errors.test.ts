import { describe, expect, test } from "vitest";

import {
  describeSessionLockFailure,
  isSessionWriteLockAcquireError,
  isSessionWriteLockStaleError,
  isSessionWriteLockTimeoutError,
  SessionWriteLockFileError,
  SessionWriteLockLostError,
  SessionWriteLockStaleError,
  SessionWriteLockTimeoutError,
} from "../../lib/session-lock/errors.js";

const timeout = new SessionWriteLockTimeoutError(60_000, "pid=7 alive=true ageMs=5", "/s.lock");
const stale = new SessionWriteLockStaleError(["too-old"], "pid=7 alive=true", "/s.lock");
const lost = new SessionWriteLockLostError("taken over", "/s.lock");
const file = new SessionWriteLockFileError(
  "/s.lock",
  Object.assign(new Error("ENOSPC: no space"), { code: "ENOSPC", syscall: "write" }),
);

test("the errors' messages have the documented form", () => {
  expect(timeout.message).toBe(
    "session file locked (timeout 60000ms): pid=7 alive=true ageMs=5 /s.lock",
  );
  expect(stale.message).toBe("session file lock stale (too-old): pid=7 alive=true /s.lock");
  expect(lost.message).toBe("session write lock lost (taken over): /s.lock");
  expect(file.message).toBe("cannot lock session file (ENOSPC: no space): /s.lock");
  expect(file).toMatchObject({ syscall: "write", cause: { code: "ENOSPC" } });
});

test("a stale error without reasons says that they are unknown", () => {
  expect(new SessionWriteLockStaleError([], "owner=unknown", "/s.lock").staleReasons).toEqual([
    "unknown",
  ]);
});

describe("a failure of the write lock", () => {
  const circular = new Error("circular");
  circular.cause = circular;

  test.each<[string, unknown, string | null]>([
    ["a timeout", timeout, "timeout"],
    ["a stale lock", stale, "stale"],
    ["a lost lock", lost, "lost"],
    ["a file error is none of them", file, null],
    [
      "behind a cause",
      new Error("run failed", { cause: new Error("x", { cause: stale }) }),
      "stale",
    ],
    ["within an AggregateError", new AggregateError([new Error("model"), timeout]), "timeout"],
    ["a look-alike by code", { code: "SESSION_WRITE_LOCK_TIMEOUT" }, "timeout"],
    ["a look-alike with the host's prefix", { code: "OPENCLAW_SESSION_WRITE_LOCK_STALE" }, "stale"],
    ["another code", { code: "ETIMEDOUT" }, null],
    ["a circular cause", circular, null],
    ["no error at all", undefined, null],
    ["a string", "SESSION_WRITE_LOCK_TIMEOUT", null],
  ])(
    "whether a failure is the write lock's is told however it is wrapped: %s",
    (_name, error, kind) => {
      expect(describeSessionLockFailure(error)?.kind ?? null).toBe(kind);
      expect(isSessionWriteLockTimeoutError(error)).toBe(kind === "timeout");
      expect(isSessionWriteLockStaleError(error)).toBe(kind === "stale");
      expect(isSessionWriteLockAcquireError(error)).toBe(kind === "timeout" || kind === "stale");
    },
  );

  test("a recognised failure says what a host needs to decide", () => {
    expect(describeSessionLockFailure(timeout)).toEqual({
      kind: "timeout",
      retryable: true,
      lockPath: "/s.lock",
    });
    expect(describeSessionLockFailure(lost)?.retryable).toBe(false);
    expect(describeSessionLockFailure({ code: "SESSION_WRITE_LOCK_STALE" })?.lockPath).toBeNull();
  });
});
