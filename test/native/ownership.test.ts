/** Ownership and guard are two kinds of kernel locks on one file, and a file gets its name when it is complete. */
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import os from "node:os";
import { join } from "node:path";

import { beforeEach, describe, expect, onTestFinished, test } from "vitest";

import type { NativeBinding } from "../../lib/native/binding.js";
import { startReady } from "../support/processes/child.js";
import { openNewFile, openToRead } from "../support/processes/open-file.js";
import { program } from "../support/processes/programs.js";
import { requireBinding, requireLinux } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

let binding: NativeBinding;

beforeEach((context) => {
  binding = requireBinding(context);
});

const FREE = 0;
const HELD = 1;

/** What the addon answers for an error of that name. */
function refused(code: keyof typeof os.constants.errno): number {
  return -os.constants.errno[code];
}

function openToWrite(path: string): number {
  const fd = openSync(path, "r+");
  onTestFinished(() => {
    try {
      closeSync(fd);
    } catch {
      // By the test itself.
    }
  });
  return fd;
}

describe("ownership of a file", () => {
  beforeEach((context) => {
    requireLinux(context, "two kinds of kernel locks");
  });

  test("a file has one owner at a time, which a descriptor for reading sees, until it is closed", () => {
    const { path, fd: reader } = openNewFile();
    const owner = openToWrite(path);
    const other = openToWrite(path);
    expect(binding.ownershipProbe(reader)).toBe(FREE);
    expect(binding.ownershipTry(owner)).toBe(FREE);
    expect(binding.ownershipTry(other)).toBe(HELD);
    expect(binding.ownershipProbe(other)).toBe(HELD);
    expect(binding.ownershipProbe(reader)).toBe(HELD);
    closeSync(owner);
    expect(binding.ownershipProbe(reader)).toBe(FREE);
    expect(binding.ownershipTry(other)).toBe(FREE);
  });

  test("an owner that takes its file again, or asks whether another has it, keeps it", () => {
    const { path, fd: reader } = openNewFile();
    const owner = openToWrite(path);
    expect(binding.ownershipTry(owner)).toBe(FREE);
    expect(binding.ownershipTry(owner)).toBe(FREE);
    expect(binding.ownershipProbe(owner)).toBe(FREE);
    expect(binding.ownershipProbe(reader)).toBe(HELD);
  });

  test("asking for the owner takes nothing, and closing a descriptor that asked drops nothing", () => {
    const { path } = openNewFile();
    const owner = openToWrite(path);
    expect(binding.ownershipTry(owner)).toBe(FREE);
    const asking = openSync(path, "r");
    expect(binding.ownershipProbe(asking)).toBe(HELD);
    closeSync(asking);
    expect(binding.ownershipProbe(openToRead(path))).toBe(HELD);
  });

  test("ownership needs a descriptor for writing", () => {
    const { fd } = openNewFile();
    expect(binding.ownershipTry(fd)).toBe(refused("EBADF"));
  });

  test("ownership and the guard of one file do not see each other, in either order", () => {
    const { path, fd: reader } = openNewFile();
    const owner = openToWrite(path);
    expect(binding.ownershipTry(owner)).toBe(FREE);
    expect(binding.lockProbe(reader)).toBe(FREE);
    expect(binding.lockTryExclusive(reader)).toBe(FREE);
    // The owner itself is kept out of the guard like any other, and owns its file all the same.
    expect(binding.lockTryExclusive(owner)).toBe(HELD);
    const other = openToWrite(path);
    expect(binding.ownershipProbe(other)).toBe(HELD);
    expect(binding.lockDrop(reader)).toBe(0);
    expect(binding.ownershipProbe(other)).toBe(HELD);
    expect(binding.lockTryExclusive(other)).toBe(FREE);
    closeSync(owner);
    expect(binding.ownershipProbe(reader)).toBe(FREE);
    expect(binding.lockTryExclusive(reader)).toBe(HELD);
  });

  test.for([
    ["ofd-write", HELD],
    ["ofd-read", FREE],
    ["record", FREE],
    ["flock", FREE],
  ] as const)(
    "of another process's locks a file's owner is told by this kind: %s",
    async ([kind, told]) => {
      const { path, fd: reader } = openNewFile();
      const other = await startReady(program("hold-lock"), [kind, path]);
      expect(other.first).toBe("holding");
      expect(binding.ownershipProbe(reader)).toBe(told);
      // A guard is the one that only flock is.
      expect(binding.lockProbe(reader)).toBe(kind === "flock" ? HELD : FREE);
      await other.kill("SIGKILL");
      expect(binding.ownershipProbe(reader)).toBe(FREE);
      expect(binding.lockProbe(reader)).toBe(FREE);
    },
  );
});

test("only Linux has ownership apart from the guard: elsewhere it is refused", (context) => {
  if (process.platform === "linux") context.skip("needs anything but Linux (no second kind)");
  const { path } = openNewFile();
  expect(binding.ownershipTry(openToWrite(path))).toBeLessThan(0);
  expect(binding.ownershipProbe(openToWrite(path))).toBeLessThan(0);
});

test("a guard that is dropped is free while its descriptor stays open, and can be taken again", () => {
  const { path } = openNewFile();
  const [first, second] = [openToWrite(path), openToWrite(path)];
  expect(binding.lockTryExclusive(first)).toBe(FREE);
  expect(binding.lockProbe(second)).toBe(HELD);
  expect(binding.lockDrop(first)).toBe(0);
  expect(binding.lockProbe(second)).toBe(FREE);
  expect(binding.lockTryExclusive(first)).toBe(FREE);
  expect(binding.lockTryExclusive(second)).toBe(HELD);
});

test("a descriptor without a lock drops none, and none of another's", () => {
  const { path } = openNewFile();
  const [holder, other, third] = [openToWrite(path), openToWrite(path), openToWrite(path)];
  expect(binding.lockTryExclusive(holder)).toBe(FREE);
  expect(binding.lockDrop(other)).toBe(0);
  expect(binding.lockProbe(third)).toBe(HELD);
});

// asm-generic/fcntl.h
const O_TMPFILE = 0o20000000 | (constants.O_DIRECTORY ?? 0);

describe.for([
  ["by its descriptor", 0],
  ["by way of /proc", 1],
] as const)("a file without a name, named %s", ([, by]) => {
  beforeEach((context) => {
    requireLinux(context, "O_TMPFILE");
  });

  function openUnnamed(folder: string, text: string): number {
    const fd = openSync(folder, O_TMPFILE | constants.O_RDWR, 0o644);
    onTestFinished(() => closeSync(fd));
    writeSync(fd, text);
    return fd;
  }

  test("an open file gets a name, with its content, its lock and its id", () => {
    const folder = temporaryFolder();
    const path = join(folder, "name");
    const fd = openUnnamed(folder, "text");
    expect(binding.ownershipTry(fd)).toBe(FREE);
    expect(binding.linkOpenFile(fd, path, by)).toBe(0);
    expect(readFileSync(path, "utf8")).toBe("text");
    expect(binding.isNamed(path, fd)).toBe(true);
    expect(binding.ownershipProbe(openToRead(path))).toBe(HELD);
  });

  test("a name that is taken stays what it is: a file, a directory, a symbolic link to nothing", () => {
    const folder = temporaryFolder();
    const fd = openUnnamed(folder, "text");
    const taken = (name: string): string => join(folder, name);
    writeFileSync(taken("file"), "other");
    mkdirSync(taken("directory"));
    symlinkSync("nothing", taken("link"));
    for (const name of ["file", "directory", "link"]) {
      expect(binding.linkOpenFile(fd, taken(name), by)).toBe(refused("EEXIST"));
    }
    expect(readFileSync(taken("file"), "utf8")).toBe("other");
    expect(existsSync(taken("nothing"))).toBe(false);
  });

  test("a name in a directory that is not there, or on another file system, is refused", () => {
    const folder = temporaryFolder();
    const fd = openUnnamed(folder, "text");
    expect(binding.linkOpenFile(fd, join(folder, "missing/name"), by)).toBe(refused("ENOENT"));
    expect(binding.linkOpenFile(fd, "/proc/name", by)).toBeLessThan(0);
  });

  test("a path that no system call takes is refused, and its beginning names nothing", () => {
    const folder = temporaryFolder();
    const fd = openUnnamed(folder, "text");
    const path = join(folder, "name");
    expect(binding.linkOpenFile(fd, `${path}\0`, by)).toBeNull();
    expect(binding.linkOpenFile(fd, path.padStart(5000, "/"), by)).toBeNull();
    expect(existsSync(path)).toBe(false);
  });
});
