import { statfsSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { freshEvidence } from "../../../lib/lock/verdict/evidence.js";
import {
  type FileSystem,
  type FileSystemKind,
  fileSystemOf,
  isOfDisk,
  isSameFileSystem,
  isTypeOfDisk,
  TYPE_OF_9P,
} from "../../../lib/lock/protocol/file-system-kind.js";
import { realLockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { runNode } from "../../support/processes/child.js";
import { importCompiled } from "../../support/locks/lock-holder.js";
import { mountPrivately } from "../../support/processes/mount-namespace.js";
import { requireLinux } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

/** [f_type as linux/magic.h and the file systems' own headers have it, what lock files call it]. */
const LINUX: Readonly<Record<FileSystemKind, readonly (readonly [number, string | null])[]>> = {
  local: [
    [0xef53, "ext"],
    [0x58465342, "xfs"],
    [0x9123683e, "btrfs"],
    [0x01021994, "tmpfs"],
    [0x858458f6, "ramfs"],
    [0x794c7630, "overlay"],
    [0x2fc12fc1, "zfs"],
    [0xf2f52010, "f2fs"],
    [0xca451a4e, "bcachefs"],
    [0x3153464a, "jfs"],
    [0x52654973, "reiserfs"],
    [0x3434, "nilfs"],
    [0x4d44, "vfat"],
    [0x2011bab0, "exfat"],
    [0x5346544e, "ntfs"],
    [0x7366746e, "ntfs3"],
    [0xf15f, "ecryptfs"],
  ],
  fuse: [[0x65735546, "fuse"]],
  network: [
    [0x6969, "nfs"],
    [0x517b, "smb"],
    [0xff534d42, "cifs"],
    [0xfe534d42, "smb2"],
    [0x01021997, "9p"],
    [0x5346414f, "afs"],
    [0x6b414653, "kafs"],
    [0x00c36400, "ceph"],
    [0x0bd00bd0, "lustre"],
    [0x47504653, "gpfs"],
    [0x01161970, "gfs2"],
    [0x7461636f, "ocfs2"],
    [0x73757245, "coda"],
    [0x19830326, "beegfs"],
    [0x20030528, "orangefs"],
    [0xaad7aaea, "panfs"],
    [0x786f4256, "vboxsf"],
    [0xbacbacbc, "vmhgfs"],
    [0x7c7c6673, "prlfs"],
  ],
  unlisted: [
    [0x12345678, null],
    [0x9fa0, null], // proc
    [0x61756673, null], // aufs
    [0, null],
  ],
};

describe.each(Object.entries(LINUX))("on Linux: %s", (kind, types) => {
  test.each(types)(
    "the Linux file system 0x%x has the name %s and the expected kind",
    (type, name) => {
      for (const platform of ["linux", "android"] as const) {
        expect(fileSystemOf(platform, type, "/a")).toEqual({ kind, name });
        // Some architectures report the 32-bit number sign-extended.
        expect(fileSystemOf(platform, type | 0, "/a")).toEqual({ kind, name });
      }
    },
  );
});

test.each<[string, NodeJS.Platform, number, string, FileSystem]>([
  ["apfs", "darwin", 0x1a, "/a", { kind: "local", name: "apfs" }],
  ["hfs", "darwin", 0x11, "/a", { kind: "local", name: "hfs" }],
  ["a Linux number on macOS", "darwin", 0xef53, "/a", { kind: "unlisted", name: null }],
  ["a Windows drive", "win32", 0, "C:\\state\\sessions", { kind: "local", name: null }],
  ["a long Windows path", "win32", 0, "\\\\?\\C:\\state\\sessions", { kind: "local", name: null }],
  ["a device path", "win32", 0, "\\\\.\\C:\\state", { kind: "local", name: null }],
  ["a Windows share", "win32", 0, "\\\\server\\share\\a", { kind: "network", name: null }],
  ["a share with slashes", "win32", 0, "//server/share/a", { kind: "network", name: null }],
  ["a long path to a share", "win32", 0, "\\\\?\\UNC\\server\\a", { kind: "network", name: null }],
  ["a folder of that name", "win32", 0, "C:\\a\\\\?\\UNC\\b", { kind: "local", name: null }],
  ["a device's name in a share", "win32", 0, "\\\\a\\\\.\\b", { kind: "network", name: null }],
  ["a platform that is not supported", "freebsd", 0xef53, "/a", { kind: "unlisted", name: null }],
])(
  "the kind of a file system is told by number and path: %s",
  (_name, platform, type, directory, expected) => {
    expect(fileSystemOf(platform, type, directory)).toEqual(expected);
  },
);

test("every file system's name fits into a lock file, and none stands for two", () => {
  const names = Object.values(LINUX).flatMap((types) => types.flatMap(([, name]) => name ?? []));
  for (const name of names) expect(name).toMatch(/^[a-z0-9-]{1,32}$/u);
  expect(new Set(names).size).toBe(names.length);
});

test("a directory's file system is what statfs says of it", () => {
  const evidence = freshEvidence(realLockFs);
  const folder = temporaryFolder();
  const expected = fileSystemOf(process.platform, statfsSync(folder).type, folder);
  expect(evidence.fileSystem(join(folder, "s.jsonl.lock"))).toEqual(expected);
});

test("the mounts of one machine have kinds of their own: tmpfs, an overlay, and proc, which no lock is on", async (context) => {
  requireLinux(context, "its file systems");
  const { folder, prefix } = await mountPrivately(
    context,
    `mkdir t p
     mount -t tmpfs tmpfs t
     mkdir t/lower t/upper t/work t/merged
     mount -t overlay overlay -o lowerdir=t/lower,upperdir=t/upper,workdir=t/work t/merged
     mount -t proc proc p`,
  );
  const script = `
    ${importCompiled("freshEvidence", "lock/verdict/evidence.js")}
    ${importCompiled("realLockFs", "lock/protocol/lock-fs.js")}
    const { fileSystem } = freshEvidence(realLockFs);
    console.log(JSON.stringify(["t", "t/merged", "p"].map((name) => fileSystem(${JSON.stringify(folder)} + "/" + name + "/s.lock"))));`;
  expect(await runNode(script, { prefix })).toEqual([
    { kind: "local", name: "tmpfs" },
    { kind: "local", name: "overlay" },
    { kind: "unlisted", name: null },
  ]);
});

const ON_A_DISK = new Set([
  "ext",
  "xfs",
  "f2fs",
  "jfs",
  "reiserfs",
  "nilfs",
  "vfat",
  "exfat",
  "ntfs",
  "ntfs3",
]);

test.each(Object.values(LINUX).flat())(
  "only a file system that always lies on a block device is expected to have its number: 0x%x, %s",
  (type, name) => {
    const isExpected = name !== null && ON_A_DISK.has(name);
    expect(isTypeOfDisk(type)).toBe(isExpected);
    expect(isTypeOfDisk(type | 0)).toBe(isExpected);
    expect(isOfDisk(name)).toBe(isExpected);
  },
);

test("a volume of macOS lies on a disk", () => {
  for (const name of ["apfs", "hfs"]) expect(isOfDisk(name)).toBe(true);
});

test("9p is another machine's, by the number that shared folders are given here", () => {
  expect(fileSystemOf("linux", TYPE_OF_9P, "/")).toEqual({ kind: "network", name: "9p" });
});

test.each<[one: string | null, other: string | null, expected: boolean | null]>([
  ["ext", "ext", true],
  ["ext", "xfs", false],
  [null, "ext", null],
  ["ext", null, null],
  [null, null, null],
])("%s and %s are of one kind: %s", (one, other, expected) => {
  expect(isSameFileSystem(one, other)).toBe(expected);
});
