import { describe, expect, test } from "vitest";

import { isValidPid } from "../../lib/process/pid.js";

describe("a number that no process can have never reaches the OS", () => {
  test.each([
    0,
    -0,
    -1,
    -process.pid,
    1.5,
    Number.NaN,
    Infinity,
    -Infinity,
    2 ** 53,
    2 ** 32,
    1e300,
  ])("number %s", (pid) => {
    for (const platform of ["linux", "android", "darwin", "win32", "freebsd"] as const) {
      expect(isValidPid(pid, platform)).toBe(false);
    }
  });

  test.each([undefined, null, "1", "", true, 1n, Symbol("1"), {}, [1], () => 1, new Number(1)])(
    "value %s",
    (pid) => {
      expect(isValidPid(pid)).toBe(false);
    },
  );
});

test.each([
  ["linux", 2 ** 22, 2 ** 22 + 1],
  ["android", 2 ** 22, 2 ** 22 + 1],
  ["darwin", 2 ** 31 - 1, 2 ** 31],
  ["freebsd", 2 ** 31 - 1, 2 ** 31],
  ["win32", 2 ** 32 - 4, 2 ** 32],
] as const)("the range of %s ends at %d", (platform, last, beyond) => {
  expect(isValidPid(4, platform)).toBe(true);
  expect(isValidPid(last, platform)).toBe(true);
  expect(isValidPid(beyond, platform)).toBe(false);
});

test("on Windows only multiples of four are pids: OpenProcess rounds the others down", () => {
  for (const pid of [1, 2, 3, 5, 6, 7, 4001]) expect(isValidPid(pid, "win32")).toBe(false);
  for (const pid of [4, 8, 4000]) expect(isValidPid(pid, "win32")).toBe(true);
});
