import { describe, expect, test } from "vitest";

import { formatDuration, formatLocalTime } from "../../../lib/cli/terminal/duration.js";

describe("time for people", () => {
  test.each([
    [0, "0s"],
    [999, "0s"],
    [45_000, "45s"],
    [123_456, "2m3s"],
    [300_000, "5m"],
    [3_599_999, "59m59s"],
    [3_600_000, "1h"],
    [3_725_000, "1h2m"],
    [86_400_000, "1d"],
    [86_405_000, "1d"],
    [273_600_000, "3d4h"],
    [null, "unknown"],
  ])("%j ms is %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  test("a point in time is told in this process's time zone and reads back to the second", () => {
    const epochMs = Date.UTC(2026, 10, 21, 8, 9, 10);
    const text = formatLocalTime(epochMs);
    expect(text).toMatch(/^2026-11-2\d \d\d:\d\d:10$/u);
    expect(Date.parse(text.replace(" ", "T"))).toBe(epochMs);
  });

  test.each([null, Number.NaN, 1e300])("the point in time %j is shown as not known", (epochMs) => {
    expect(formatLocalTime(epochMs)).toBe("-");
  });
});
