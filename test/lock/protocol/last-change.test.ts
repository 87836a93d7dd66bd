/** When a file was last changed, by its times. */
import { describe, expect, test } from "vitest";

import { lastChangeMs, timesOf } from "../../../lib/lock/protocol/file-times.js";

describe("the last change of a file", () => {
  const now = 1_000_000;
  test.each([
    ["is its modification time", { mtimeMs: 10, ctimeMs: 20 }, 10],
    ["is its modification time, also where that was set back", { mtimeMs: 10, ctimeMs: now }, 10],
    [
      "is its change time where the modification time lies ahead",
      { mtimeMs: now + 1, ctimeMs: 20 },
      20,
    ],
    ["is now where both lie ahead", { mtimeMs: now + 1, ctimeMs: now + 2 }, now],
  ])("the last change of a file %s", (_, times, expected) => {
    expect(lastChangeMs(times, now)).toBe(expected);
  });

  test("the last change of a file whose times lie ahead is when its watch began, for the watched file only", () => {
    const times = { mtimeMs: now + 1, ctimeMs: now + 2 };
    expect(lastChangeMs(times, now, { ...times, unchangedForMs: 300 })).toBe(now - 300);
    expect(lastChangeMs(times, now, { ...times, ctimeMs: now + 3, unchangedForMs: 300 })).toBe(now);
    expect(lastChangeMs(times, now, { ...times, mtimeMs: now + 3, unchangedForMs: 300 })).toBe(now);
  });
});

test("times are milliseconds, with fractions", () => {
  const stats = { mtimeNs: 1_500_000n, ctimeNs: 1_700_000_000_123_250_000n };
  expect(timesOf(stats)).toEqual({ mtimeMs: 1.5, ctimeMs: 1_700_000_000_123.25 });
});
