import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";

import {
  DEFAULT_LIMITS,
  resolveSessionWriteLockAcquireTimeoutMs,
  resolveSessionWriteLockOptions,
  resolveSessionWriteLockStaleMs,
} from "../../lib/session-lock/limits.js";

const STALE = "OPENCLAW_SESSION_WRITE_LOCK_STALE_MS";
const TIMEOUT = "OPENCLAW_SESSION_WRITE_LOCK_ACQUIRE_TIMEOUT_MS";
const MAX_HOLD = "OPENCLAW_SESSION_WRITE_LOCK_MAX_HOLD_MS";
const config = { session: { writeLock: { acquireTimeoutMs: 1, staleMs: 2, maxHoldMs: 3 } } };

test("the limits have defaults", () => {
  expect(resolveSessionWriteLockOptions(undefined, { env: {} })).toEqual({
    timeoutMs: 60_000,
    staleMs: 1_800_000,
    maxHoldMs: 300_000,
  });
});

test("limits from the config come before the defaults", () => {
  expect(resolveSessionWriteLockOptions(config, { env: {} })).toEqual({
    timeoutMs: 1,
    staleMs: 2,
    maxHoldMs: 3,
  });
});

test("limits from the environment come before the config", () => {
  const env = { [TIMEOUT]: "11", [STALE]: "12", [MAX_HOLD]: "13" };
  expect(resolveSessionWriteLockOptions(config, { env })).toEqual({
    timeoutMs: 11,
    staleMs: 12,
    maxHoldMs: 13,
  });
});

test("limits from the argument come before the environment", () => {
  const env = { [TIMEOUT]: "11", [STALE]: "12", [MAX_HOLD]: "13" };
  const options = { env, timeoutMs: 21, staleMs: 22, maxHoldMs: 23 };
  expect(resolveSessionWriteLockOptions(config, options)).toEqual({
    timeoutMs: 21,
    staleMs: 22,
    maxHoldMs: 23,
  });
});

test("each limit is resolved by itself", () => {
  const partial = { session: { writeLock: { maxHoldMs: 3 } } };
  expect(
    resolveSessionWriteLockOptions(partial, { env: { [STALE]: "12" }, timeoutMs: 21 }),
  ).toEqual({ timeoutMs: 21, staleMs: 12, maxHoldMs: 3 });
});

test("another prefix names other environment variables", () => {
  const options = { env: { MY_SESSION_WRITE_LOCK_STALE_MS: "5", [STALE]: "6" }, envPrefix: "MY_" };
  expect(resolveSessionWriteLockOptions(null, options).staleMs).toBe(5);
});

test("Infinity is allowed for the timeout only", () => {
  const env = { [TIMEOUT]: "Infinity", [STALE]: "Infinity", [MAX_HOLD]: "Infinity" };
  const expected = { ...DEFAULT_LIMITS, timeoutMs: Infinity };
  expect(resolveSessionWriteLockOptions(null, { env })).toEqual(expected);
  expect(resolveSessionWriteLockOptions(null, { env: {}, timeoutMs: Infinity })).toEqual(expected);
  for (const name of ["staleMs", "maxHoldMs", "maxHoldMsFallback"]) {
    expect(() => resolveSessionWriteLockOptions(null, { [name]: Infinity })).toThrow(RangeError);
  }
});

describe("unusable values", () => {
  test.each(["", "0", "-5", "+5", "1e3", "0x10", "5.0", " 5", "5 ", "5ms", "٥", "NaN", "infinity"])(
    "an unusable number in the environment is passed over: %j",
    (text) => {
      expect(resolveSessionWriteLockOptions(config, { env: { [STALE]: text } }).staleMs).toBe(2);
    },
  );

  test("an environment number beyond the safe integers is passed over", () => {
    const env = { [STALE]: "9007199254740993" };
    expect(resolveSessionWriteLockOptions(config, { env }).staleMs).toBe(2);
  });

  test.each([["5"], [null], [{}], [-1], [Number.NaN]])(
    "an unusable value in the config is passed over: %j",
    (staleMs) => {
      const odd = { session: { writeLock: { staleMs } } };
      expect(resolveSessionWriteLockOptions(odd, { env: {} }).staleMs).toBe(1_800_000);
    },
  );
});

test("whatever the environment says, the limits are usable", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const env = { [TIMEOUT]: text, [STALE]: text, [MAX_HOLD]: text };
      const limits = resolveSessionWriteLockOptions(null, { env });
      expect(limits.timeoutMs).toBeGreaterThan(0);
      expect(Number.isSafeInteger(limits.staleMs) && limits.staleMs > 0).toBe(true);
      expect(Number.isSafeInteger(limits.maxHoldMs) && limits.maxHoldMs > 0).toBe(true);
    }),
  );
});

describe("single limits, as gateways ask for them", () => {
  test("the timeout alone comes from the environment, the config or the default", () => {
    expect(resolveSessionWriteLockAcquireTimeoutMs(config, { [TIMEOUT]: "11" })).toBe(11);
    expect(resolveSessionWriteLockAcquireTimeoutMs(config, { [TIMEOUT]: "Infinity" })).toBe(
      Infinity,
    );
    expect(resolveSessionWriteLockAcquireTimeoutMs(config, {})).toBe(1);
    expect(resolveSessionWriteLockAcquireTimeoutMs(undefined, {})).toBe(60_000);
  });

  test("the age alone comes from the environment, the config or the default", () => {
    expect(resolveSessionWriteLockStaleMs(config, { [STALE]: "12" })).toBe(12);
    expect(resolveSessionWriteLockStaleMs(config, { [STALE]: "Infinity" })).toBe(2);
    expect(resolveSessionWriteLockStaleMs(null, {})).toBe(1_800_000);
  });

  test("the limits come from this process's environment, when none is given", () => {
    process.env[STALE] = "77";
    onTestFinished(() => void delete process.env[STALE]);
    expect(resolveSessionWriteLockStaleMs()).toBe(77);
  });

  test("maxHoldMsFallback takes the place of the default, and of nothing else", () => {
    const options = { env: {}, maxHoldMsFallback: 1_020_000 };
    expect(resolveSessionWriteLockOptions(null, options).maxHoldMs).toBe(1_020_000);
    expect(resolveSessionWriteLockOptions(config, options).maxHoldMs).toBe(3);
    const env = { [MAX_HOLD]: "13" };
    expect(resolveSessionWriteLockOptions(config, { ...options, env }).maxHoldMs).toBe(13);
    expect(resolveSessionWriteLockOptions(null, { ...options, maxHoldMs: 23 }).maxHoldMs).toBe(23);
  });
});
