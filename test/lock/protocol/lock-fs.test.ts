/** The lock layer's file calls answer the same with the addon and without it, or say less. */
import { fstatSync, linkSync, symlinkSync, writeFileSync } from "node:fs";

import { describe, expect, test } from "vitest";

import { realLockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { runNode } from "../../support/processes/child.js";
import { importCompiled } from "../../support/locks/lock-holder.js";
import { openNewFile } from "../../support/processes/open-file.js";
import { requireNative, requirePosix } from "../../support/require.js";

/** What a process without the addon gives for an expression of `fs`, the real calls, and `fd`, the file opened. */
function withoutAddon(path: string, expression: string): Promise<unknown> {
  return runNode(
    `${importCompiled("realLockFs as fs", "lock/protocol/lock-fs.js")}
     const path = ${JSON.stringify(path)};
     const fd = fs.openForReading(path);
     if (fs.canLock()) throw new Error("the addon is there");
     console.log(JSON.stringify(${expression}));`,
    { env: { ...process.env, PIDENTITY_NO_NATIVE: "1" } },
  );
}

describe("fileId", () => {
  test("a file id has Node's numbers, with the addon and without", async (context) => {
    requireNative(context);
    const { path, fd } = openNewFile();
    const { dev, ino } = fstatSync(fd, { bigint: true });
    expect(realLockFs.fileId(fd)).toBe(`${dev}:${ino}`);
    expect(await withoutAddon(path, "fs.fileId(fd)")).toBe(`${dev}:${ino}`);
  });

  test("asking for the file id of a descriptor that is not open is Node's error, with the addon and without", async (context) => {
    requireNative(context);
    expect(() => realLockFs.fileId(2 ** 31 - 1)).toThrow(
      expect.objectContaining({ code: "EBADF", syscall: "fstat" }),
    );
    const { path } = openNewFile();
    const code = `(() => { try { fs.fileId(2 ** 31 - 1); } catch (error) { return error.code; } })()`;
    expect(await withoutAddon(path, code)).toBe("EBADF");
  });
});

describe("isNamed", () => {
  test("isNamed tells one file from another, and a file from a link to it", (context) => {
    requireNative(context);
    requirePosix(context, "the addon tells nothing on Windows");
    const { path, fd } = openNewFile();
    linkSync(path, `${path}.link`);
    symlinkSync(path, `${path}.symlink`);
    writeFileSync(`${path}.other`, "");
    const names = ["", ".link", ".symlink", ".other", ".missing"];
    expect(names.filter((name) => realLockFs.isNamed(path + name, fd))).toEqual(["", ".link"]);
  });

  test("without the addon isNamed is false", async () => {
    const { path } = openNewFile();
    expect(await withoutAddon(path, "fs.isNamed(path, fd)")).toBe(false);
  });
});
