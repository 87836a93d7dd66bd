/** Start times as other writers record them: never equal for another process, never different for the same. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { compareStartTime } from "../../lib/lock/verdict/start-time.js";
import { runs } from "./runs.js";

const LINUX = ["linux", "android"] as const;
const EPOCH = ["darwin", "win32"] as const;
const RUNS = runs(2000);

/** The process's own time namespace. */
const never = (): never => {
  throw new Error("must not be asked");
};

const ticks = fc.integer({ min: 0, max: 2 ** 40 });
const offsets = fc.oneof(
  fc.integer({ min: -(2 ** 32), max: 2 ** 32 }),
  fc.double({ min: -1e6, max: 1e6, noNaN: true }),
);
// From 2001 on, when seconds since the epoch have ten digits, to 2200.
const microseconds = fc.integer({ min: 1e15, max: 7.3e15 });

describe.each(LINUX)("%s", (platform) => {
  test("a process is equal to itself, read inside a time namespace or outside of it", () => {
    fc.assert(
      fc.property(ticks, offsets, (actual, startTimeOffset) => {
        const host = { platform, startTimeOffset };
        expect(compareStartTime(actual, actual, host, never)).toBe("equal");
        for (const round of [Math.floor, Math.ceil]) {
          const recorded = round(actual + startTimeOffset);
          expect(compareStartTime(recorded, actual, host, never)).toBe("equal");
        }
      }),
      RUNS,
    );
  });

  test("a process is equal to itself, read in its own time namespace", () => {
    fc.assert(
      fc.property(ticks, offsets, offsets, (actual, startTimeOffset, ofPid) => {
        const host = { platform, startTimeOffset };
        for (const round of [Math.floor, Math.ceil]) {
          const recorded = round(actual + ofPid);
          expect(compareStartTime(recorded, actual, host, () => ofPid)).toBe("equal");
        }
      }),
      RUNS,
    );
  });

  test("a process that started two ticks away is another one", () => {
    fc.assert(
      fc.property(
        ticks,
        offsets,
        fc.option(offsets),
        fc.integer(),
        (actual, startTimeOffset, ofPid, distance) => {
          const recorded = actual + distance;
          const readings = [0, startTimeOffset, ofPid ?? 0];
          fc.pre(readings.every((offset) => Math.abs(distance - offset) >= 2));
          const host = { platform, startTimeOffset };
          expect(compareStartTime(recorded, actual, host, () => ofPid)).toBe("differs");
        },
      ),
      RUNS,
    );
  });
});

describe.each(EPOCH)("%s", (platform) => {
  const host = { platform, startTimeOffset: 0 };
  const units = fc.constantFrom(1, 1e3, 1e6);

  test("a process is equal to itself in every unit, rounded either way", () => {
    fc.assert(
      fc.property(microseconds, units, (actual, unit) => {
        for (const round of [Math.floor, Math.round, Math.ceil]) {
          expect(compareStartTime(round(actual / unit), actual, host, never)).toBe("equal");
        }
      }),
      RUNS,
    );
  });

  test("a process that started more than two units away is another one", () => {
    fc.assert(
      fc.property(microseconds, units, fc.integer({ min: 3, max: 1e6 }), (actual, unit, far) => {
        for (const other of [actual + far * unit, actual - far * unit]) {
          // Seconds of a time before 2001 and the like have no unit any more.
          const recorded = Math.floor(other / unit);
          expect(compareStartTime(recorded, actual, host, never)).not.toBe("equal");
        }
      }),
      RUNS,
    );
  });

  test("a start time of no known unit proves nothing", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999_999_999 }), microseconds, (recorded, actual) => {
        expect(compareStartTime(recorded, actual, host, never)).toBe("unknown");
      }),
      RUNS,
    );
  });
});

test("a start time that is not known is never compared", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...LINUX, ...EPOCH, "freebsd" as const),
      fc.option(microseconds),
      fc.option(microseconds),
      (platform, recorded, actual) => {
        fc.pre(recorded === null || actual === null);
        const host = { platform, startTimeOffset: 0 };
        expect(compareStartTime(recorded, actual, host, never)).toBe("unknown");
      },
    ),
  );
});
