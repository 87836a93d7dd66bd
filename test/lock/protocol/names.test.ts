/** The names on disk are a contract between versions, and between processes that know nothing else of each other. */
import { expect, test } from "vitest";

import { deviceOf, isAnonymousDevice } from "../../../lib/lock/protocol/file-id.js";
import { asTexts, isSuperseded, type LeaseClaim } from "../../../lib/lock/protocol/lease-claim.js";
import {
  asidePathOf,
  foreignGuardPathOf,
  guardFilePathOf,
  lockNameOf,
  parseLeftoverName,
  temporaryPathOf,
} from "../../../lib/lock/protocol/names.js";

const LOCK = "/a.guard/s.jsonl.lock";
const NONCE = "0123456789abcdef0123456789abcdef";

test("every file of the protocol has the name of its lock, and an ending", () => {
  expect(lockNameOf("/a.guard/s.jsonl")).toBe(LOCK);
  expect(guardFilePathOf(LOCK)).toBe(`${LOCK}.guard`);
  expect(foreignGuardPathOf(LOCK)).toBe(`${LOCK}.reclaim`);
  expect(temporaryPathOf(LOCK, NONCE)).toBe(`${LOCK}.${NONCE}.tmp`);
  expect(asidePathOf(LOCK, NONCE)).toBe(`${LOCK}.${NONCE}.gone`);
});

test.each([
  [guardFilePathOf(LOCK), "guard"],
  [foreignGuardPathOf(LOCK), "foreign-guard"],
  [temporaryPathOf(LOCK, NONCE), "private"],
  [asidePathOf(LOCK, NONCE), "private"],
])("a leftover is told by its name: %s", (path, kind) => {
  expect(parseLeftoverName(path)).toEqual({ kind, lockPath: LOCK });
});

test.each([
  LOCK,
  `${LOCK}.tmp`,
  `${LOCK}.gone`,
  `${LOCK}.${NONCE}`,
  `${LOCK}.${NONCE}.tmp2`,
  `${LOCK}.${NONCE.slice(1)}.tmp`,
  `${LOCK}.${NONCE.toUpperCase()}.tmp`,
  `${LOCK}.g${NONCE.slice(1)}.tmp`,
  `${LOCK}${NONCE}.tmp`,
  `${LOCK}.${NONCE}xtmp`,
  `${LOCK}.guards`,
  `${LOCK}guard`,
  `${LOCK}-reclaim`,
  `${LOCK}.guard\n`,
])("no other name is a leftover's: %j", (path) => {
  expect(parseLeftoverName(path)).toBeNull();
});

test("a file's id begins with its device", () => {
  expect(deviceOf("2049:77")).toBe("2049");
  expect(deviceOf("0:1")).toBe("0");
});

/** makedev(3) of Linux. */
const device = (major: bigint, minor: bigint): string =>
  String(
    ((major & 0xfffff000n) << 32n) |
      ((major & 0xfffn) << 8n) |
      ((minor & 0xffffff00n) << 12n) |
      (minor & 0xffn),
  );

test.each([
  ["tmpfs", 0n, 5n, true],
  ["an overlay of a high minor", 0n, 0xfffffn, true],
  ["a disk", 8n, 1n, false],
  ["a disk of major 1", 1n, 0n, false],
  ["a disk of the highest low major", 0xfffn, 1n, false],
  ["a disk of a high major", 0x1000n, 1n, false],
  ["a disk of the highest major", 0xfffff000n, 1n, false],
])("a device is no disk's where its major is 0: %s", (_, major, minor, isAnonymous) => {
  const fileId = `${device(major, minor)}:77`;
  expect(isAnonymousDevice(fileId, "linux")).toBe(isAnonymous);
  expect(isAnonymousDevice(fileId, "android")).toBe(isAnonymous);
  for (const platform of ["darwin", "win32", "freebsd"]) {
    expect(isAnonymousDevice(fileId, platform)).toBe(false);
  }
});

const claim: LeaseClaim = { store: "s", key: "k", epoch: 7n };

test("a lock of a later hold supersedes one of an earlier hold on the same lease, and no other", () => {
  expect(isSuperseded(claim, { ...claim, epoch: 8n })).toBe(true);
  expect(isSuperseded(claim, claim)).toBe(false);
  expect(isSuperseded(claim, { ...claim, epoch: 6n })).toBe(false);
  expect(isSuperseded(claim, { ...claim, store: "t", epoch: 8n })).toBe(false);
  expect(isSuperseded(claim, { ...claim, key: "l", epoch: 8n })).toBe(false);
  expect(isSuperseded(null, { ...claim, epoch: 8n })).toBe(false);
  expect(isSuperseded(claim, null)).toBe(false);
});

test("a claim is written as texts", () => {
  expect(asTexts({ ...claim, epoch: 2n ** 70n })).toEqual({
    store: "s",
    key: "k",
    epoch: "1180591620717411303424",
  });
});
