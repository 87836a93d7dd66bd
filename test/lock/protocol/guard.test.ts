/** Which guard a file takes before it may be removed: a table of what the file says, where it lies, and on what. */
import { describe, expect, test } from "vitest";

import type { FileSystemKind } from "../../../lib/lock/protocol/file-system-kind.js";
import {
  type Guards,
  guardsOf,
  hasInodeGuards,
  isLockless,
  notEntered,
} from "../../../lib/lock/protocol/guard.js";

/** What a file at a lock's path says. */
const FILES = {
  "no payload": null,
  "a plain payload": { nonce: null, guard: null },
  "a payload with a guard file": { nonce: "n", guard: null },
  "a payload that is its own guard": { nonce: "n", guard: "inode" },
  "the same without a nonce": { nonce: null, guard: "inode" },
  "a later version's guard": { nonce: "n", guard: "inode2" },
  "a guard of no name": { nonce: "n", guard: "" },
} as const;

type Row = Readonly<Record<keyof typeof FILES, Guards>>;

const LATER = { "a later version's guard": "foreign", "a guard of no name": "foreign" } as const;

/** Where a lock is its own guard. */
const OWN: Row = {
  "no payload": "both",
  "a plain payload": "inode",
  "a payload with a guard file": "file",
  "a payload that is its own guard": "inode",
  "the same without a nonce": "inode",
  ...LATER,
};

/** Where each has a guard file. */
const FILE: Row = {
  "no payload": "file",
  "a plain payload": "file",
  "a payload with a guard file": "file",
  // Its other side keeps its locks to itself.
  "a payload that is its own guard": "foreign",
  "the same without a nonce": "foreign",
  ...LATER,
};

/** Where that is not known. */
const UNSURE: Row = { ...FILE, "no payload": "both", "a plain payload": "both" };

const KINDS = ["local", "fuse", "network", "unlisted"] as const satisfies FileSystemKind[];

const ROWS: Readonly<Record<string, Readonly<Record<FileSystemKind, Row>>>> = {
  linux: { local: OWN, fuse: FILE, network: FILE, unlisted: UNSURE },
  android: { local: OWN, fuse: FILE, network: FILE, unlisted: UNSURE },
  darwin: { local: FILE, fuse: FILE, network: FILE, unlisted: FILE },
  win32: { local: FILE, fuse: FILE, network: FILE, unlisted: FILE },
  freebsd: { local: FILE, fuse: FILE, network: FILE, unlisted: FILE },
};

describe.for(Object.entries(ROWS))("on %s", ([platform, byKind]) => {
  test.for(KINDS)("what must be entered before a file is removed, file system: %s", (kind) => {
    const found = Object.entries(FILES).map(([what, payload]) => [
      what,
      guardsOf(payload, kind, platform as NodeJS.Platform),
    ]);
    expect(Object.fromEntries(found)).toEqual(byKind[kind]);
  });

  test.for(KINDS)(
    "a new lock's own guard is one that its reader enters, file system: %s",
    (kind) => {
      const isOwn = hasInodeGuards(platform as NodeJS.Platform, kind);
      expect(isOwn).toBe(byKind[kind] === OWN);
      const made = { nonce: "n", guard: isOwn ? "inode" : null };
      expect(guardsOf(made, kind, platform as NodeJS.Platform)).toBe(isOwn ? "inode" : "file");
    },
  );
});

test.each([
  ["ENOTSUP", "unavailable", true],
  ["EOPNOTSUPP", "unavailable", true],
  ["EINVAL", "unavailable", true],
  // This process has none: no addon, or a sandbox.
  ["ENOSYS", "unavailable", false],
  ["ENOLCK", "refused", false],
  ["EIO", "refused", false],
  ["EBADF", "refused", false],
  ["EACCES", "refused", false],
])("a kernel lock that is refused with %s leaves its guard %s", (refused, kind, isForAll) => {
  const path = "/d/s.jsonl.lock.guard";
  const message = `${refused}: the kernel lock was refused, flock '${path}'`;
  expect(notEntered(refused, path)).toMatchObject({
    kind,
    error: { name: "GuardRefusal", code: refused, syscall: "flock", path, message },
  });
  expect(isLockless({ refused })).toBe(isForAll);
});

test.each(["acquired", "held"] as const)("a lock that is %s tells nothing of others", (lock) => {
  expect(isLockless(lock)).toBe(false);
});
