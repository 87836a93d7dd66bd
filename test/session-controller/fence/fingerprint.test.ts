import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import {
  describeChange,
  isSameFile,
  type SessionFileFingerprint,
  takeFingerprint,
  takeMetadata,
} from "../../../lib/session-controller/fence/fingerprint.js";
import {
  realSessionFs,
  type SessionFs,
} from "../../../lib/session-controller/fence/session-file.js";
import { requirePosix } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const MISSING: SessionFileFingerprint = { exists: false };
const FILE = {
  exists: true,
  dev: 1n,
  ino: 2n,
  size: 3n,
  mtimeNs: 4n,
  ctimeNs: 5n,
  digest: "abc",
} as const satisfies SessionFileFingerprint;
const LARGE = { ...FILE, digest: null } as const;

test.each<[string, SessionFileFingerprint, SessionFileFingerprint, boolean]>([
  ["missing stays missing", MISSING, MISSING, true],
  ["created", MISSING, FILE, false],
  ["created empty", MISSING, { ...FILE, size: 0n }, false],
  ["removed", FILE, MISSING, false],
  ["everything equal", FILE, { ...FILE }, true],
  [
    "equal content under other metadata",
    FILE,
    { ...FILE, dev: 9n, ino: 9n, mtimeNs: 9n, ctimeNs: 9n },
    true,
  ],
  ["other content under equal metadata", FILE, { ...FILE, digest: "xyz" }, false],
  ["other size", FILE, { ...FILE, size: 4n }, false],
  ["large, everything equal", LARGE, { ...LARGE }, true],
  ["large, other device", LARGE, { ...LARGE, dev: 9n }, false],
  ["large, other inode", LARGE, { ...LARGE, ino: 9n }, false],
  ["large, other size", LARGE, { ...LARGE, size: 9n }, false],
  ["large, modified", LARGE, { ...LARGE, mtimeNs: 9n }, false],
  ["large, mtime restored", LARGE, { ...LARGE, ctimeNs: 9n }, false],
  ["only one was read, metadata equal", FILE, LARGE, true],
  ["only one was read, metadata differ", FILE, { ...LARGE, ctimeNs: 9n }, false],
])("the same file or not: %s", (_name, before, after, expected) => {
  expect(isSameFile(before, after)).toBe(expected);
  expect(isSameFile(after, before)).toBe(expected);
});

test.each<[SessionFileFingerprint, SessionFileFingerprint, string]>([
  [MISSING, FILE, "the file was created"],
  [FILE, MISSING, "the file was removed"],
  [FILE, { ...FILE, size: 7n }, "size changed from 3 to 7"],
  [FILE, { ...FILE, digest: "x", ctimeNs: 9n }, "content, ctimeNs changed, size 3 did not"],
  [LARGE, { ...LARGE, ino: 9n, mtimeNs: 9n }, "ino, mtimeNs changed, size 3 did not"],
])("a change is described", (before, after, expected) => {
  expect(describeChange(before, after)).toBe(expected);
});

test("content decides: a copy has the same digest, one other byte has not", async () => {
  const folder = temporaryFolder();
  const [one, two] = [join(folder, "1"), join(folder, "2")];
  writeFileSync(one, "same text\n");
  writeFileSync(two, "same text\n");
  const first = await takeFingerprint(one, realSessionFs);
  expect(isSameFile(first, await takeFingerprint(two, realSessionFs))).toBe(true);
  writeFileSync(two, "sama text\n");
  expect(isSameFile(first, await takeFingerprint(two, realSessionFs))).toBe(false);
});

test.each([
  [0, true],
  [1, true],
  [512 * 1024 + 1, true],
  [32 * 1024 * 1024, true],
  [32 * 1024 * 1024 + 1, false],
  [64 * 1024 * 1024, false],
])("a file of %i bytes is read: %s", async (size, isRead) => {
  const file = join(temporaryFolder(), "s.jsonl");
  writeFileSync(file, "");
  truncateSync(file, size);
  const fingerprint = await takeFingerprint(file, realSessionFs);
  expect(fingerprint).toMatchObject({ exists: true, size: BigInt(size) });
  expect(fingerprint.exists && fingerprint.digest !== null).toBe(isRead);
  expect(isSameFile(fingerprint, takeMetadata(file, realSessionFs))).toBe(true);
});

test("a missing file and a missing folder are no error", async () => {
  const file = join(temporaryFolder(), "gone", "s.jsonl");
  expect(await takeFingerprint(file, realSessionFs)).toEqual(MISSING);
  expect(takeMetadata(file, realSessionFs)).toEqual(MISSING);
});

test("a folder in the file's place is refused", async () => {
  const path = join(temporaryFolder(), "s.jsonl");
  mkdirSync(path);
  await expect(takeFingerprint(path, realSessionFs)).rejects.toThrow(/EISDIR|regular file/);
});

test("a FIFO in the file's place is refused without waiting for its writer", async (context) => {
  requirePosix(context, "mkfifo");
  const path = join(temporaryFolder(), "s.jsonl");
  execFileSync("mkfifo", [path]);
  await expect(takeFingerprint(path, realSessionFs)).rejects.toThrow(
    `session file is not a regular file: ${path}`,
  );
});

/** The real calls, with something happening before the read number `at`. */
function duringRead(at: number, happen: () => void): SessionFs & { readonly reads: () => number } {
  let reads = 0;
  return {
    ...realSessionFs,
    reads: () => reads,
    open: async (path) => {
      const file = await realSessionFs.open(path);
      return {
        ...file,
        read: async (buffer, length, position) => {
          if (++reads === at) happen();
          return await file.read(buffer, length, position);
        },
      };
    },
  };
}

const LINE = `${"x".repeat(1023)}\n`;

test("a file that grows while it is read does not keep the reader, and is never taken for unchanged", async () => {
  const file = join(temporaryFolder(), "s.jsonl");
  writeFileSync(file, LINE.repeat(2000));
  const fs = duringRead(2, () => appendFileSync(file, LINE.repeat(5000)));
  const before = await takeFingerprint(file, fs);
  expect(before).toMatchObject({ size: 2_048_000n });
  expect(fs.reads()).toBe(4);
  expect(isSameFile(before, await takeFingerprint(file, realSessionFs))).toBe(false);
});

test("a file that shrinks while it is read ends the reading, and is never taken for unchanged", async () => {
  const file = join(temporaryFolder(), "s.jsonl");
  writeFileSync(file, LINE.repeat(2000));
  const fs = duringRead(2, () => truncateSync(file, 10));
  const before = await takeFingerprint(file, fs);
  expect(isSameFile(before, await takeFingerprint(file, realSessionFs))).toBe(false);
});

test("a file that is replaced while it is read is fingerprinted as one of the two, not as a mixture", async (context) => {
  requirePosix(context, "replacing an open file");
  const folder = temporaryFolder();
  const file = join(folder, "s.jsonl");
  writeFileSync(file, LINE.repeat(2000));
  linkSync(file, join(folder, "old"));
  writeFileSync(join(folder, "new"), `${"y".repeat(1023)}\n`.repeat(2000));
  const fs = duringRead(2, () => renameSync(join(folder, "new"), file));
  const fingerprint = await takeFingerprint(file, fs);
  expect(isSameFile(fingerprint, await takeFingerprint(join(folder, "old"), realSessionFs))).toBe(
    true,
  );
});

test("the file is closed whatever happens", async () => {
  const file = join(temporaryFolder(), "s.jsonl");
  writeFileSync(file, LINE);
  let open = 0;
  const failing: SessionFs = {
    ...realSessionFs,
    open: async (path) => {
      const reader = await realSessionFs.open(path);
      open++;
      return {
        ...reader,
        read: () => Promise.reject(new Error("EIO: i/o error, read")),
        close: async () => {
          await reader.close();
          open--;
        },
      };
    },
  };
  await expect(takeFingerprint(file, failing)).rejects.toThrow("EIO");
  expect(open).toBe(0);
});
