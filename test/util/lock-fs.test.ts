/** The lock layer's file calls answer the same with the addon and without it, or say less. */
import { closeSync, fstatSync, linkSync, openSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, onTestFinished, test } from "vitest";

import { realLockFs } from "../../lib/util/lock-fs.js";
import { runNode } from "../support/child.js";
import { importCompiled } from "../support/lock-holder.js";
import { requireNative, requirePosix } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/** A new file and a descriptor of it, closed when the running test ends. */
function openFile(): { readonly path: string; readonly fd: number } {
  const path = join(temporaryFolder(), "file");
  const fd = openSync(path, "wx+");
  onTestFinished(() => closeSync(fd));
  return { path, fd };
}

/** What a process without the addon gives for an expression of `fs`, the real calls, and `fd`, the file opened. */
function withoutAddon(path: string, expression: string): Promise<unknown> {
  return runNode(
    `${importCompiled("realLockFs as fs", "util/lock-fs.js")}
     const path = ${JSON.stringify(path)};
     const fd = fs.openForReading(path);
     if (fs.canLock()) throw new Error("the addon is there");
     console.log(JSON.stringify(${expression}));`,
    { env: { ...process.env, PIDENTITY_NO_NATIVE: "1" } },
  );
}

describe("fileId", () => {
  test("is Node's numbers, whoever gives them", async (context) => {
    requireNative(context);
    const { path, fd } = openFile();
    const { dev, ino } = fstatSync(fd, { bigint: true });
    expect(realLockFs.fileId(fd)).toBe(`${dev}:${ino}`);
    expect(await withoutAddon(path, "fs.fileId(fd)")).toBe(`${dev}:${ino}`);
  });

  test("of a descriptor that is not open is Node's error, with the addon and without", async (context) => {
    requireNative(context);
    expect(() => realLockFs.fileId(2 ** 31 - 1)).toThrow(
      expect.objectContaining({ code: "EBADF", syscall: "fstat" }),
    );
    const { path } = openFile();
    const code = `(() => { try { fs.fileId(2 ** 31 - 1); } catch (error) { return error.code; } })()`;
    expect(await withoutAddon(path, code)).toBe("EBADF");
  });
});

describe("isNamed", () => {
  test("tells one file from another, and a file from a link to it", (context) => {
    requireNative(context);
    requirePosix(context, "the addon tells nothing on Windows");
    const { path, fd } = openFile();
    linkSync(path, `${path}.link`);
    symlinkSync(path, `${path}.symlink`);
    writeFileSync(`${path}.other`, "");
    const names = ["", ".link", ".symlink", ".other", ".missing"];
    expect(names.filter((name) => realLockFs.isNamed(path + name, fd))).toEqual(["", ".link"]);
  });

  test("without the addon nothing is known to be named", async () => {
    const { path } = openFile();
    expect(await withoutAddon(path, "fs.isNamed(path, fd)")).toBe(false);
  });
});
