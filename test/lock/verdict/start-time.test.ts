/** Start times that other writers of the format have read. */
import { describe, expect, test } from "vitest";
import { compareStartTime } from "../../../lib/lock/verdict/start-time.js";
import { never } from "./owner-facts.js";

describe("start times of other writers", () => {
  const us = 1_795_219_742_697_375;

  test.each<[string, NodeJS.Platform, number | null, number | null, number | null, string]>([
    ["Linux, as the host reads it", "linux", 0, 500, 500, "equal"],
    ["Linux, one tick off", "linux", 0, 501, 500, "differs"],
    ["Linux, as read in this process's time namespace", "linux", 100, 600, 500, "equal"],
    ["Linux, as read outside of it", "linux", 100, 500, 500, "equal"],
    ["Linux, neither", "linux", 100, 550, 500, "differs"],
    ["Linux, an offset of a fraction of a tick", "linux", 0.5, 501, 500, "equal"],
    ["Linux, this process's offset not known, equal as it is", "linux", null, 500, 500, "equal"],
    ["Linux, unknown", "linux", 0, 500, null, "unknown"],
    ["not recorded", "linux", 0, null, 500, "unknown"],
    ["macOS, seconds", "darwin", 0, 1_795_219_742, us, "equal"],
    ["macOS, rounded up", "darwin", 0, 1_795_219_743, us, "equal"],
    ["macOS, two seconds off", "darwin", 0, 1_795_219_744, us, "differs"],
    ["Windows, milliseconds", "win32", 0, 1_795_219_742_697, us, "equal"],
    ["Windows, two milliseconds off", "win32", 0, 1_795_219_742_699, us, "differs"],
    ["Windows, microseconds", "win32", 0, us, us, "equal"],
    ["Windows, seconds", "win32", 0, 1_795_219_742, us, "equal"],
    ["a unit that is not known", "win32", 0, 12_345, us, "unknown"],
    ["the least that is microseconds", "win32", 0, 1e14, 1e14, "equal"],
    ["the least that is milliseconds", "win32", 0, 1e11, 1e14, "equal"],
    ["the least that is seconds", "win32", 0, 1e9, 1e15, "equal"],
    ["Android, as read in this process's time namespace", "android", 100, 600, 500, "equal"],
  ])(
    "a start time of another writer is compared in its own unit: %s",
    (_name, platform, startTimeOffset, recorded, actual, expected) => {
      const host = { platform, startTimeOffset };
      expect(compareStartTime(recorded, actual, host, () => 0)).toBe(expected);
    },
  );

  test.each<[string, number | null, number, string]>([
    ["as read in the process's own time namespace", 250, 750, "equal"],
    ["neither in its own nor in this process's", 250, 751, "differs"],
    ["in its own, which is off by a fraction of a tick", 250.5, 751, "equal"],
    ["its own not known", null, 750, "differs"],
  ])(
    "a start time of another writer on Linux may be of any time namespace: %s",
    (_name, ofPid, recorded, expected) => {
      const host = { platform: "linux", startTimeOffset: 100 } as const;
      expect(compareStartTime(recorded, 500, host, () => ofPid)).toBe(expected);
    },
  );

  test("the process's own time namespace is asked for only when nothing else is equal", () => {
    const host = { platform: "linux", startTimeOffset: 100 } as const;
    expect(compareStartTime(500, 500, host, never)).toBe("equal");
    expect(compareStartTime(600, 500, host, never)).toBe("equal");
    expect(compareStartTime(null, 500, host, never)).toBe("unknown");
    const elsewhere = { platform: "darwin", startTimeOffset: 0 } as const;
    expect(compareStartTime(1e9, 1, elsewhere, never)).toBe("differs");
  });
});
