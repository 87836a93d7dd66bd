/** What publishing a lock asks of the disk, call by call. */
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
} from "node:fs";
import { join } from "node:path";

import { beforeEach, describe, expect, onTestFinished, test } from "vitest";

import {
  type LockPayload,
  parsePayload,
  type PayloadDraft,
} from "../../../lib/lock/protocol/payload.js";
import type { Published } from "../../../lib/lock/protocol/new-lock-file.js";
import { tryPublish } from "../../../lib/lock/protocol/publish.js";
import { type LockFs, realLockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { runNode } from "../../support/processes/child.js";
import { importCompiled } from "../../support/locks/lock-holder.js";
import { type Rule, standIn } from "../../support/processes/stand-in.js";
import { withGuardFiles } from "../../support/locks/lock-kinds.js";
import { requireLinux, requireNative, requirePosix } from "../../support/require.js";
import { MemoryFs, withRefused } from "./memory-lock-fs.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const DRAFT: PayloadDraft = {
  pid: process.pid,
  createdAt: new Date(0).toISOString(),
  maxHoldMs: 1000,
  starttime: null,
  owner: null,
  monotonicMs: null,
  label: null,
  lease: null,
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
  onTestFinished(() => realLockFs.close(lock.fd));
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

describe("a lock that gets its name when it is complete", () => {
  beforeEach((context) => {
    requireLinux(context, "O_TMPFILE");
    requireNative(context);
  });

  test("a lock has no name until it is owned and written, and no other name ever", () => {
    const folder = temporaryFolder();
    const seen: unknown[] = [];
    const linkOpenFile: LockFs["linkOpenFile"] = (fd, path) => {
      seen.push(readdirSync(folder));
      realLockFs.linkOpenFile(fd, path);
      seen.push(readdirSync(folder), readFileSync(path, "utf8"));
      const other = realLockFs.openForReading(path);
      seen.push(realLockFs.probeOwner(other));
      realLockFs.close(other);
    };
    const { text } = published(lockIn(folder), { ...realLockFs, linkOpenFile });
    expect(seen).toEqual([[], ["s.jsonl.lock"], text, "held"]);
    expect(parsePayload(Buffer.from(text))).toMatchObject({ guard: "inode" });
  });

  test.each(["EPERM", "EACCES", "EXDEV", "ENOSYS", "EOPNOTSUPP", "EINVAL", "EMLINK"])(
    "a file that may not be named (%s) is made anew under a name of its own",
    (code) => {
      const folder = temporaryFolder();
      let asked = 0;
      const linkOpenFile = (): never => {
        asked++;
        throw error(code);
      };
      const lock = published(lockIn(folder), { ...realLockFs, linkOpenFile });
      expect(asked).toBe(1);
      // The lock is of the same kind, however it came by its name.
      expect(payloadOf(lock)).toMatchObject({ guard: "inode" });
      expect(lock.stamp).toBe(realLockFs.stampAt(lockIn(folder)));
      expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
    },
  );

  test("a name that is taken is contended, and stays; nothing else is tried, and no file stays open", () => {
    const folder = temporaryFolder();
    closeSync(openSync(lockIn(folder), "wx"));
    const { fs, calls } = counting(EXT);
    const before = readdirSync("/proc/self/fd").length;
    expect(tryPublish(lockIn(folder), DRAFT, fs)).toEqual({ kind: "contended" });
    expect(readdirSync("/proc/self/fd")).toHaveLength(before);
    expect(calls).not.toContain("createExclusive");
    expect(calls.filter((name) => name === "linkOpenFile")).toHaveLength(1);
    expect(readFileSync(lockIn(folder), "utf8")).toBe("");
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
  });

  test("a link whose answer is lost is done when the name is the publisher's own file, whatever it says", () => {
    for (const code of ["EIO", "EEXIST", "ENOENT", "EINTR"]) {
      const folder = temporaryFolder();
      const linkOpenFile: LockFs["linkOpenFile"] = (fd, path) => {
        realLockFs.linkOpenFile(fd, path);
        throw error(code);
      };
      const lock = published(lockIn(folder), { ...realLockFs, linkOpenFile });
      expect(realLockFs.isNamed(lockIn(folder), lock.fd)).toBe(true);
      expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
    }
  });

  test("a directory that goes between the file and its name is made again", () => {
    const folder = join(temporaryFolder(), "sessions");
    mkdirSync(folder);
    let removed = 0;
    const linkOpenFile: LockFs["linkOpenFile"] = (fd, path) => {
      if (removed++ === 0) rmdirSync(folder);
      realLockFs.linkOpenFile(fd, path);
    };
    const lock = published(lockIn(folder), { ...realLockFs, linkOpenFile });
    expect(removed).toBe(2);
    expect(payloadOf(lock)).toMatchObject({ guard: "inode" });
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
  });

  test("a lock that cannot be owned gives its unnamed file back, and is one with a guard file", () => {
    const folder = temporaryFolder();
    const before = readdirSync("/proc/self/fd").length;
    const lock = published(lockIn(folder), {
      ...realLockFs,
      tryOwn: () => ({ refused: "EINVAL" }),
    });
    expect(readdirSync("/proc/self/fd")).toHaveLength(before + 1);
    expect(payloadOf(lock)).toMatchObject({
      guard: null,
      kernelLock: expect.any(String) as string,
    });
    expect(readdirSync(folder)).toEqual(["s.jsonl.lock"]);
  });

  // What it has found out of its kernel a process remembers: each asks in one of its own.
  test.for<[string, readonly Rule[], { unnamed: number; linked: number; temporaries: number }]>([
    ["by its descriptor", [], { unnamed: 2, linked: 2, temporaries: 0 }],
    ["by way of /proc", ["no-empty-path"], { unnamed: 2, linked: 2, temporaries: 0 }],
    ["in neither way", ["no-empty-path", "no-proc"], { unnamed: 1, linked: 1, temporaries: 2 }],
  ])(
    "a kernel that names a file %s gives locks, and leaves no other name",
    async ([, rules, calls], context) => {
      const { folder, env } = standIn(context, ...rules);
      const script = `
      ${importCompiled("acquireLock", "lock/acquire.js")}
      ${importCompiled("resolveAcquireOptions", "session-lock/acquire-options.js")}
      ${importCompiled("realLockFs", "lock/protocol/lock-fs.js")}
      import { readdirSync, readFileSync } from "node:fs";
      const folder = ${JSON.stringify(folder)};
      const made = { unnamed: 0, linked: 0, temporaries: 0 };
      const counted = (what, name) => (...args) => { made[what]++; return realLockFs[name](...args); };
      const fs = {
        ...realLockFs,
        createUnnamed: counted("unnamed", "createUnnamed"),
        linkOpenFile: counted("linked", "linkOpenFile"),
        createExclusive: counted("temporaries", "createExclusive"),
      };
      const seen = [];
      for (const name of ["a", "b"]) {
        const sessionFile = folder + "/" + name + ".jsonl";
        const lock = await acquireLock(resolveAcquireOptions({ sessionFile, env: {} }), fs);
        seen.push(readdirSync(folder), JSON.parse(readFileSync(lock.lockPath, "utf8")).guard);
        lock.withFence(() => {});
        await lock.release();
      }
      console.log(JSON.stringify({ made, seen, left: readdirSync(folder) }));`;
      // The sanitizers' library must come before all others.
      const LD_PRELOAD = `${process.env["LD_PRELOAD"] ?? ""} ${env["LD_PRELOAD"] ?? ""}`;
      expect(await runNode(script, { env: { ...env, LD_PRELOAD } })).toEqual({
        made: calls,
        seen: [["a.jsonl.lock"], "inode", ["b.jsonl.lock"], "inode"],
        left: [],
      });
    },
  );
});

describe("on a machine in memory", () => {
  const WITHOUT_UNNAMED = { hasUnnamed: false } as const;
  const path = "/d/s.lock";

  test.each(["EPERM", "EACCES", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"])(
    "where links are refused (%s) the lock is written in its place",
    (code) => {
      const memory = new MemoryFs(WITHOUT_UNNAMED);
      const lock = tryPublish(path, DRAFT, withRefused(memory.fs, { link: code }), "linux");
      expect(lock.kind).toBe("published");
      expect(memory.names()).toEqual([path]);
      expect(memory.calls).toContain(`createExclusive(${path})`);
    },
  );

  test.each(["ENOENT", "EEXIST"])(
    "a file that cannot be made (%s) however often is an error, and is not tried for ever",
    (code) => {
      const memory = new MemoryFs(WITHOUT_UNNAMED);
      let tries = 0;
      const createExclusive = (): never => {
        tries++;
        throw error(code);
      };
      expect(() => tryPublish(path, DRAFT, { ...memory.fs, createExclusive }, "linux")).toThrow(
        code,
      );
      expect(tries).toBe(5);
      const isMade = memory.calls.includes("makeDirectory(/d)");
      expect(isMade).toBe(code === "ENOENT");
    },
  );

  test("a lock that another program takes away as it is written is an error that says so", () => {
    const memory = new MemoryFs({ ...WITHOUT_UNNAMED, hasLinks: false });
    const isNamed = (name: string, fd: number): boolean => {
      if (name !== path) return memory.fs.isNamed(name, fd);
      memory.fs.unlink(path);
      return false;
    };
    let caught: unknown;
    try {
      tryPublish(path, DRAFT, { ...memory.fs, isNamed }, "linux");
    } catch (thrown) {
      caught = thrown;
    }
    expect(caught).toMatchObject({ code: "ENOENT", syscall: "link", path });
    expect(String(caught)).toContain("the new lock has vanished");
    expect([memory.names(), memory.openCount()]).toEqual([[], 0]);
  });

  const NUMBER: PayloadDraft = { ...DRAFT, asNumber: { boot: null } };
  const RENUMBERING = { ...WITHOUT_UNNAMED, renumbersLinks: true } as const;

  test("a bare pid is known by the file that its name leads to, also where that is another inode", () => {
    const memory = new MemoryFs(RENUMBERING);
    const lock = tryPublish(path, NUMBER, memory.fs, "linux");
    const named = memory.fs.fileId(memory.open(path));
    expect(lock).toMatchObject({ kind: "published", fileId: named });
    expect(memory.fs.fileId((lock as Published).fd)).not.toBe(named);
    // The publisher's own, and the one that was just opened.
    expect(memory.openCount()).toBe(2);
  });

  test("a bare pid is known by the file that was written where its name cannot be looked at", () => {
    const memory = new MemoryFs(RENUMBERING);
    const fs = withRefused(memory.fs, { openForReading: "EACCES" });
    const lock = tryPublish(path, NUMBER, fs, "linux") as Published;
    expect(lock).toMatchObject({ kind: "published", fileId: memory.fs.fileId(lock.fd) });
    expect([memory.names(), memory.openCount()]).toEqual([[path], 1]);
  });

  test("a bare pid in whose place another program's file lies is known by the file that was written", () => {
    const memory = new MemoryFs(RENUMBERING);
    const link: LockFs["link"] = (from, to) => {
      memory.fs.link(from, to);
      memory.fs.unlink(to);
      memory.put(to, "12\n");
    };
    const lock = tryPublish(path, NUMBER, { ...memory.fs, link }, "linux") as Published;
    expect(lock).toMatchObject({ kind: "published", fileId: memory.fs.fileId(lock.fd) });
    expect(memory.openCount()).toBe(1);
  });
});
