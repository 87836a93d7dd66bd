/** Where each limit comes from, whatever argument, environment and configuration say together. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  DEFAULT_LIMITS,
  resolveSessionLockMaxHoldFromTimeout,
  resolveSessionWriteLockOptions,
  type SessionWriteLockLimits,
} from "../../lib/session-lock/limits.js";
import { runs } from "./runs.js";

const NAMES = ["timeoutMs", "staleMs", "maxHoldMs"] as const;
const VARIABLES: Readonly<Record<keyof SessionWriteLockLimits, string>> = {
  timeoutMs: "SESSION_WRITE_LOCK_ACQUIRE_TIMEOUT_MS",
  staleMs: "SESSION_WRITE_LOCK_STALE_MS",
  maxHoldMs: "SESSION_WRITE_LOCK_MAX_HOLD_MS",
};

const numbers = fc.oneof(
  fc.constantFrom(0, -0, -1, 1, 0.5, NaN, Infinity, -Infinity, 2 ** 31, Number.MAX_SAFE_INTEGER),
  fc.double(),
);
const texts = fc.oneof(
  fc.constantFrom("", "0", "00", "007", "5", "5.0", "1e3", "-5", "+5", " 5", "Infinity", "٥"),
  fc.nat().map(String),
  fc.string({ maxLength: 3 }),
  fc.constantFrom("9007199254740991", "9007199254740992", "9".repeat(400)),
);
const limits = <T>(value: fc.Arbitrary<T>) =>
  fc.record({ timeoutMs: value, staleMs: value, maxHoldMs: value }, { requiredKeys: [] });
const prefixes = fc.constantFrom(undefined, "OPENCLAW_", "MY_", "");

function usable(value: unknown, name: keyof SessionWriteLockLimits): value is number {
  if (value === Infinity) return name === "timeoutMs";
  return Number.isSafeInteger(value) && (value as number) > 0;
}

/** Arguments are refused where sources that others wrote are passed over; not to wait is an argument only. */
function isRefused(value: unknown, name: keyof SessionWriteLockLimits): boolean {
  if (value === undefined || usable(value, name)) return false;
  // As a timeout an integer that is not safe is as good as the next one.
  return name !== "timeoutMs" || !Number.isInteger(value) || (value as number) < 0;
}

/** Digits and nothing else, a safe integer, not 0; by BigInt, which knows no rounding. */
function usableText(text: string | undefined, name: keyof SessionWriteLockLimits): number | null {
  if (text === "Infinity" && name === "timeoutMs") return Infinity;
  if (text === undefined || text === "") return null;
  if (!Array.from(text).every((digit) => "0123456789".includes(digit))) return null;
  const value = BigInt(text);
  return value > 0n && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : null;
}

/** What they resolve to, or the name of the error. */
function limitsOrName(...given: Parameters<typeof resolveSessionWriteLockOptions>): unknown {
  try {
    return resolveSessionWriteLockOptions(...given);
  } catch (error) {
    return (error as Error).name;
  }
}

test("each limit by itself is taken from the argument, the environment, the configuration or the default", () => {
  fc.assert(
    fc.property(
      limits(fc.option(numbers, { nil: undefined })),
      limits(texts),
      limits(fc.oneof(numbers, fc.anything())),
      prefixes,
      (given, environment, configured, prefix) => {
        const env = Object.fromEntries(
          NAMES.map((name) => [(prefix ?? "OPENCLAW_") + VARIABLES[name], environment[name]]),
        );
        const config = {
          session: {
            writeLock: {
              acquireTimeoutMs: configured.timeoutMs,
              staleMs: configured.staleMs,
              maxHoldMs: configured.maxHoldMs,
            },
          },
        };
        const options = { ...given, env, envPrefix: prefix };
        const expected = NAMES.some((name) => isRefused(given[name], name))
          ? "RangeError"
          : Object.fromEntries(
              NAMES.map((name) => [
                name,
                given[name] ??
                  usableText(environment[name], name) ??
                  [configured[name]].find((value) => usable(value, name)) ??
                  DEFAULT_LIMITS[name],
              ]),
            );
        expect(limitsOrName(config, options)).toEqual(expected);
      },
    ),
    runs(5000),
  );
});

test("no configuration at all, of whatever shape, gives anything but usable limits", () => {
  fc.assert(
    fc.property(fc.anything(), (value) => {
      const shapes = [value, { session: value }, { session: { writeLock: value } }];
      for (const config of shapes) {
        const resolved = resolveSessionWriteLockOptions(config as never, { env: {} });
        for (const name of NAMES) expect(usable(resolved[name], name)).toBe(true);
      }
    }),
    runs(1000),
  );
});

describe("a hold limit made from a run's timeout", () => {
  test("a hold limit made from a run's timeout outlasts the run and its grace, and fits a timer", () => {
    const ms = fc.integer({ min: 0, max: 2 ** 40 });
    fc.assert(
      fc.property(ms, ms, ms, (timeoutMs, graceMs, minMs) => {
        const limit = resolveSessionLockMaxHoldFromTimeout({ timeoutMs, graceMs, minMs });
        expect(limit).toBeLessThanOrEqual(2_147_000_000);
        expect(limit === 2_147_000_000 || limit >= timeoutMs + graceMs).toBe(true);
        expect(limit === 2_147_000_000 || limit >= minMs).toBe(true);
        expect([2_147_000_000, minMs, timeoutMs + graceMs]).toContain(limit);
      }),
    );
  });

  test("a hold limit made from a run's timeout is that of the documented examples", () => {
    expect(resolveSessionLockMaxHoldFromTimeout({ timeoutMs: 900_000 })).toBe(1_020_000);
    expect(resolveSessionLockMaxHoldFromTimeout({ timeoutMs: 1 })).toBe(300_000);
    expect(resolveSessionLockMaxHoldFromTimeout({ timeoutMs: Infinity })).toBe(2_147_000_000);
  });
});
