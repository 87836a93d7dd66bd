/** What a holder takes for its own lock where the file system answers oddly. */
import { describe, expect, test } from "vitest";

import type { LockFs } from "../../../lib/lock/protocol/lock-fs.js";
import type { Published } from "../../../lib/lock/protocol/new-lock-file.js";
import { plainPayload } from "../../../lib/lock/protocol/payload.js";
import { tryPublish } from "../../../lib/lock/protocol/publish.js";
import { isStillOwn } from "../../../lib/lock/protocol/release.js";
import { MemoryFs, type MemoryFsOptions, withRefused } from "./memory-lock-fs.js";

const LOCK = "/d/s.lock";
const FUSE = 0x65735546;

function held(options: Partial<MemoryFsOptions> = {}): {
  readonly memory: MemoryFs;
  readonly own: Published;
} {
  const memory = new MemoryFs(options);
  const own = tryPublish(LOCK, plainPayload(12, {}), memory.fs, "linux");
  if (own.kind !== "published") throw new Error(own.kind);
  return { memory, own };
}

describe("a lock with a guard file", () => {
  test.each(["EISDIR", "ELOOP", "ENXIO", "ENOTDIR", "ENOENT"])(
    "is lost where its name is no file's any more: %s",
    (code) => {
      const { memory, own } = held({ type: FUSE });
      expect(isStillOwn(LOCK, own, memory.fs)).toBe(true);
      expect(isStillOwn(LOCK, own, withRefused(memory.fs, { openForReading: code }))).toBe(false);
    },
  );

  test("is neither held nor lost where it cannot be read", () => {
    const { memory, own } = held({ type: FUSE });
    expect(() => isStillOwn(LOCK, own, withRefused(memory.fs, { openForReading: "EIO" }))).toThrow(
      "EIO",
    );
  });
});

describe("a lock that is its own guard, whose stamp tells nothing", () => {
  const untold = (fs: LockFs): LockFs => ({ ...fs, stampAt: () => null });

  test("is held where it is named, and says what was written", () => {
    const { memory, own } = held();
    expect(isStillOwn(LOCK, own, untold(memory.fs))).toBe(true);
    expect(isStillOwn(LOCK, { ...own, stamp: null }, untold(memory.fs))).toBe(true);
  });

  test("is lost where its directory is a file by now", () => {
    const { memory, own } = held();
    expect(isStillOwn(LOCK, own, withRefused(untold(memory.fs), { lstat: "ENOTDIR" }))).toBe(false);
  });

  test("is neither held nor lost where its name cannot be looked at", () => {
    const { memory, own } = held();
    const fs = withRefused(untold(memory.fs), { lstat: "EIO" });
    expect(() => isStillOwn(LOCK, own, fs)).toThrow("EIO");
  });

  test("is lost where its name is another file's that says the same", () => {
    const { memory, own } = held();
    memory.fs.unlink(LOCK);
    memory.put(LOCK, own.text);
    expect(isStillOwn(LOCK, own, untold(memory.fs))).toBe(false);
  });
});
