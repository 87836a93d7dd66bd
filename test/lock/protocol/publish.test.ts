/** What publishing a lock asks of the disk, call by call. */
import { closeSync, existsSync, linkSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, onTestFinished, test } from "vitest";

import {
  type LockPayload,
  parsePayload,
  type PayloadDraft,
} from "../../../lib/lock/protocol/payload.js";
import type { Published } from "../../../lib/lock/protocol/new-lock-file.js";
import { tryPublish } from "../../../lib/lock/protocol/publish.js";
import { type LockFs, realLockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { withGuardFiles } from "../../support/locks/lock-kinds.js";
import { requireLinux, requireNative, requirePosix } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const DRAFT: PayloadDraft = {
  pid: process.pid,
  createdAt: new Date(0).toISOString(),
  maxHoldMs: 1000,
  starttime: null,
  owner: null,
  monotonicMs: null,
  label: null,
};

/** f_type numbers (linux/magic.h). */
const EXT = 0xef53;
const FUSE = 0x65735546;
const NFS = 0x6969;

function error(code: string): Error {
  return Object.assign(new Error(code), { code });
}

function published(lockPath: string, fs: LockFs): Published {
  const lock = tryPublish(lockPath, DRAFT, fs);
  if (lock.kind !== "published") throw new Error(`not published: ${lock.kind}`);
  onTestFinished(() => closeSync(lock.fd));
  return lock;
}

function payloadOf({ text }: Published): LockPayload {
  const payload = parsePayload(Buffer.from(text));
  if (payload === null) throw new Error(`no payload: ${text}`);
  return payload;
}

function lockIn(folder: string): string {
  return join(folder, "s.jsonl.lock");
}

/** The real calls, or those given, on such a file system, by name. */
function counting(
  type: number,
  given: LockFs = realLockFs,
): { readonly fs: LockFs; readonly calls: string[] } {
  const calls: string[] = [];
  const entries = Object.entries(given).map(([name, call]) => [
    name,
    (...args: never[]): unknown => {
      calls.push(name);
      return (call as (...given: never[]) => unknown)(...args);
    },
  ]);
  const fs = { ...(Object.fromEntries(entries) as LockFs), fileSystemTypeOf: () => type };
  return { fs, calls };
}

describe("a publisher's look at its lock from outside", () => {
  test("a publisher does not look at its lock from outside on a local disk", (context) => {
    requireLinux(context, "file systems by number");
    requireNative(context);
    const { fs, calls } = counting(EXT);
    const payload = payloadOf(published(lockIn(temporaryFolder()), fs));
    expect(payload).toMatchObject({ fileSystem: "ext", verified: null });
    expect(payload.kernelLock).not.toBeNull();
    // The number of calls is what an acquisition costs.
    expect(calls).toEqual([
      "createUnnamed",
      "tryOwn",
      "fileId",
      "writeText",
      "stamp",
      "linkOpenFile",
    ]);
  });

  test("a publisher does not look at its lock from outside on a local disk without unnamed files either", (context) => {
    requireLinux(context, "file systems by number");
    requireNative(context);
    const { fs, calls } = counting(EXT, withGuardFiles());
    const payload = payloadOf(published(lockIn(temporaryFolder()), fs));
    expect(payload).toMatchObject({ fileSystem: "ext", guard: null, verified: null });
    expect(payload.kernelLock).not.toBeNull();
    expect(calls).toEqual([
      "createUnnamed",
      "createExclusive",
      "tryOwn",
      "tryExclusive",
      "fileId",
      "writeText",
      "link",
      "unlink",
    ]);
  });

  test.for([
    ["FUSE", FUSE],
    ["a network's file system", NFS],
    ["one that is not listed", 0x12345678],
  ] as const)(
    "a publisher looks at its lock from outside on %s before it publishes, and leaves no name behind",
    ([, type], context) => {
      requireLinux(context, "file systems by number");
      requireNative(context);
      const { fs, calls } = counting(type);
      const folder = temporaryFolder();
      const payload = payloadOf(published(lockIn(folder), fs));
      expect(payload.verified).toBe(true);
      const looked = calls.indexOf("probe");
      expect(looked).toBeGreaterThan(0);
      expect(looked).toBeLessThan(calls.indexOf("writeText"));
      expect(calls.indexOf("read")).toBeLessThan(calls.lastIndexOf("link"));
      expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
      expect(readFileSync(lockIn(folder), "utf8")).toContain('"verified": true');
    },
  );

  test("a publisher whose look at its lock from outside fails claims no kernel lock", (context) => {
    requireLinux(context, "file systems by number");
    requireNative(context);
    const { fs } = counting(FUSE);
    const answers: LockFs["probe"][] = [() => "acquired", () => ({ refused: "ENOSYS" })];
    for (const probe of answers) {
      const lock = published(lockIn(temporaryFolder()), { ...fs, probe });
      expect(payloadOf(lock)).toMatchObject({ kernelLock: null, verified: null });
      expect(lock.showsWhenFree).toBe(false);
    }
  });

  test("an error of a publisher's look at its lock from outside is thrown, with nothing left behind", (context) => {
    requireLinux(context, "file systems by number");
    requireNative(context);
    const { fs } = counting(NFS);
    const folder = temporaryFolder();
    const openForReading = (): never => {
      throw error("EIO");
    };
    expect(() => tryPublish(lockIn(folder), DRAFT, { ...fs, openForReading })).toThrow("EIO");
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a publisher looks at its lock from outside, and names no file system, where that does not tell its kind", (context) => {
    requireLinux(context, "file systems by number");
    requireNative(context);
    const fs: LockFs = { ...realLockFs, fileSystemTypeOf: () => null };
    const payload = payloadOf(published(lockIn(temporaryFolder()), fs));
    expect(payload).toMatchObject({ fileSystem: null, verified: true });
  });
});

describe("a link that says EEXIST", () => {
  test("a link that says EEXIST is done when the lock is the publisher's own file", (context) => {
    requireNative(context);
    requirePosix(context, "locks are linked");
    const folder = temporaryFolder();
    const link: LockFs["link"] = (from, to) => {
      realLockFs.link(from, to);
      throw error("EEXIST");
    };
    expect(published(lockIn(folder), { ...withGuardFiles(), link }).kind).toBe("published");
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
  });

  test("a link that says EEXIST is not done for having one more link, as another's lock lies there", (context) => {
    requireNative(context);
    requirePosix(context, "locks are linked");
    const folder = temporaryFolder();
    const lockPath = lockIn(folder);
    closeSync(openSync(lockPath, "wx"));
    // The count of links says that it was done, and it was: elsewhere.
    const link: LockFs["link"] = (from) => {
      linkSync(from, join(folder, "elsewhere"));
      throw error("EEXIST");
    };
    const fs: LockFs = { ...withGuardFiles(), link };
    expect(tryPublish(lockPath, DRAFT, fs)).toEqual({ kind: "contended" });
    expect(readFileSync(lockPath, "utf8")).toBe("");
    expect(readdirSync(folder)).toEqual(["elsewhere", "s.jsonl.lock"]);
  });

  test("a link that says EEXIST is told by the nonce where a linked name has another inode", (context) => {
    requireLinux(context, "file systems by number");
    requireNative(context);
    const folder = temporaryFolder();
    const { fs } = counting(NFS);
    const link: LockFs["link"] = (from, to) => {
      realLockFs.link(from, to);
      if (to === lockIn(folder)) throw error("EEXIST");
    };
    const odd: LockFs = { ...fs, link, isNamed: () => false };
    expect(published(lockIn(folder), odd).kind).toBe("published");
  });
});

const FULL_DISKS: readonly (keyof LockFs)[][] = [
  ["createUnnamed", "createExclusive", "createSelfDeleting"],
  ["linkOpenFile", "link", "createSelfDeleting"],
  ["writeText"],
];

test.for(["ENOSPC", "EDQUOT"].flatMap((code) => FULL_DISKS.map((calls) => [code, calls] as const)))(
  "a full disk (%s of %s) is an error where there is no lock, and else the lock is in the way",
  ([code, calls]) => {
    const folder = temporaryFolder();
    const refuse = (): never => {
      throw error(code);
    };
    const refusals = Object.fromEntries(calls.map((name) => [name, refuse]));
    const fs: LockFs = { ...realLockFs, ...refusals };
    expect(() => tryPublish(lockIn(folder), DRAFT, fs)).toThrow(code);
    expect(readdirSync(folder)).toEqual([]);
    closeSync(openSync(lockIn(folder), "wx"));
    expect(tryPublish(lockIn(folder), DRAFT, fs)).toEqual({ kind: "contended" });
    expect(existsSync(lockIn(folder))).toBe(true);
  },
);
