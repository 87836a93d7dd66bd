import { expect, test } from "vitest";

import { fileSystemKind, type FileSystemKind } from "../../lib/session-lock/file-system.js";

test.each<[string, NodeJS.Platform, number, string, FileSystemKind]>([
  ["ext4", "linux", 0xef53, "/a", "local"],
  ["tmpfs", "linux", 0x01021994, "/a", "local"],
  ["overlayfs", "linux", 0x794c7630, "/a", "local"],
  ["btrfs as a sign-extended number", "linux", 0x9123683e - 2 ** 32, "/a", "local"],
  ["f2fs on Android", "android", 0xf2f52010, "/a", "local"],
  ["FUSE", "linux", 0x65735546, "/a", "fuse"],
  ["NFS", "linux", 0x6969, "/a", "other"],
  ["SMB", "linux", 0xff534d42, "/a", "other"],
  ["9p", "linux", 0x01021997, "/a", "other"],
  ["Ceph", "linux", 0x00c36400, "/a", "other"],
  ["AFS", "linux", 0x5346414f, "/a", "other"],
  ["something unheard of", "linux", 0x12345678, "/a", "other"],
  ["apfs", "darwin", 0x1a, "/a", "local"],
  ["a Linux number on macOS", "darwin", 0xef53, "/a", "other"],
  ["a Windows drive", "win32", 0, "C:\\state\\sessions", "local"],
  ["a long Windows path", "win32", 0, "\\\\?\\C:\\state\\sessions", "local"],
  ["a Windows share", "win32", 0, "\\\\server\\share\\sessions", "other"],
  ["a share with slashes", "win32", 0, "//server/share/sessions", "other"],
  ["a long path to a share", "win32", 0, "\\\\?\\UNC\\server\\share", "other"],
  ["a platform nobody has tried", "freebsd", 0xef53, "/a", "other"],
])("%s", (_name, platform, type, directory, kind) => {
  expect(fileSystemKind(platform, type, directory)).toBe(kind);
});
