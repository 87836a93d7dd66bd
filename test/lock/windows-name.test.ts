import { describe, expect, test } from "vitest";

import { unusableOnWindows } from "../../lib/lock/windows-name.js";

describe("names under which Windows has no file of one's own", () => {
  test.each([
    ["C:\\jobs\\agent:main.lock", 'EINVAL: invalid name, it has ":" in it'],
    ["C:\\jobs\\a?b.lock", 'EINVAL: invalid name, it has "?" in it'],
    ["C:\\jobs\\tab\t.lock", 'EINVAL: invalid name, it has "\\t" in it'],
    ["C:\\a:b\\s.lock", 'EINVAL: invalid name, it has ":" in it'],
    ["C:\\jobs.\\s.lock", "EINVAL: invalid name, it ends with a dot or a space"],
    ["C:\\jobs\\daemon.pid ", "EINVAL: invalid name, it ends with a dot or a space"],
    ["C:\\jobs\\NUL", "EINVAL: invalid name, it is a device's"],
    ["\\\\server\\share\\lpt1", "EINVAL: invalid name, it is a device's"],
    [`C:\\${"x".repeat(218)}`, "ENAMETOOLONG: name too long"],
  ])("%s", (lockPath, message) => {
    expect(unusableOnWindows(lockPath)).toMatchObject({
      message: `${message}, open '${lockPath}'`,
      code: message.slice(0, message.indexOf(":")),
      path: lockPath,
      syscall: "open",
    });
  });

  test.each([
    "C:\\jobs\\agent main.jsonl.lock",
    "C:\\jobs\\end..lock",
    "C:\\jobs\\NUL.lock",
    "C:\\jobs\\nulls",
    "C:/jobs/../s.lock",
    "\\\\?\\C:\\jobs\\s.lock",
    "\\\\?\\UNC\\server\\share$\\s.lock",
    "\\\\server\\C$\\s.lock",
    `C:\\${"d".repeat(250)}\\${"x".repeat(217)}`,
  ])("%s is none", (lockPath) => {
    expect(unusableOnWindows(lockPath)).toBeNull();
  });
});
