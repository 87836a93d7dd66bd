import { spawnSync } from "node:child_process";
import { createServer } from "node:net";
import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { describe, expect, onTestFinished, test, vi } from "vitest";

import { hostFacts } from "../../../lib/process/identity.js";
import { freshEvidence } from "../../../lib/lock/verdict/evidence.js";
import { isDiskOfThisMachine } from "../../../lib/lock/verdict/kernel-evidence.js";
import { parsePayload, MAX_LOCK_BYTES } from "../../../lib/lock/protocol/payload.js";
import { type LockReading, readLock } from "../../../lib/lock/verdict/reading.js";
import { type LockFs, realLockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { runNode } from "../../support/processes/child.js";
import { importCompiled, importDist, startHolder } from "../../support/locks/lock-holder.js";
import { mountPrivately } from "../../support/processes/mount-namespace.js";
import {
  asOrdinaryUser,
  requireLinux,
  requireNative,
  requirePosix,
} from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const evidence = freshEvidence(realLockFs);

function read(lockPath: string, isRegular = false, fs: LockFs = realLockFs): LockReading {
  return readLock(lockPath, fs, evidence, { isRegular });
}

function lockIn(folder: string, content?: string | Uint8Array): string {
  const lockPath = join(folder, "s.jsonl.lock");
  if (content !== undefined) writeFileSync(lockPath, content);
  return lockPath;
}

test("a lock file that is missing is absent", () => {
  expect(read(lockIn(temporaryFolder()))).toEqual({ kind: "absent" });
});

test("a plain lock is read with its bytes", () => {
  const lockPath = lockIn(temporaryFolder(), '{"pid": 12}');
  expect(read(lockPath)).toMatchObject({
    kind: "lock",
    bytes: Buffer.from('{"pid": 12}'),
    payload: { pid: 12 },
    kernel: "silent",
  });
});

test.each([
  ["another pid", '{"pid": 13}'],
  ["the same and more", '{"pid": 12} '],
  ["less", '{"pid": 1}'],
  ["nothing", ""],
])("a lock that says something else than was seen (%s) is read anew", (_, content) => {
  const lockPath = lockIn(temporaryFolder(), content);
  const seen = {
    bytes: Buffer.from('{"pid": 12}'),
    payload: parsePayload(Buffer.from('{"pid": 12}')),
  };
  const reading = readLock(lockPath, realLockFs, evidence, { isRegular: false, seen });
  expect(reading).toEqual(read(lockPath));
});

test("a lock that says what was seen is the same content, and its descriptor is still asked", () => {
  const lockPath = lockIn(temporaryFolder(), '{"pid": 12}');
  const bytes = Buffer.from('{"pid": 12}');
  const seen = { bytes, payload: parsePayload(bytes) };
  const fstat = vi.fn(realLockFs.fstat);
  const fs = { ...realLockFs, fstat };
  const reading = readLock(lockPath, fs, evidence, { isRegular: false, seen });
  expect(reading).toEqual(read(lockPath));
  // Not parsed again.
  expect(reading.kind === "lock" && reading.payload).toBe(seen.payload);
  expect(fstat).toHaveBeenCalledTimes(1);
});

test("a file that was seen and did not parse is read to its end: it may have been the beginning", () => {
  const lockPath = lockIn(temporaryFolder(), '{"pid": 12}');
  const seen = { bytes: Buffer.from('{"pid"'), payload: null };
  // The first read brings just what was seen.
  let isFirst = true;
  const fs: LockFs = {
    ...realLockFs,
    read: (fd, buffer, offset, length) => {
      const asked = isFirst ? seen.bytes.length : length;
      isFirst = false;
      return realLockFs.read(fd, buffer, offset, asked);
    },
  };
  const reading = readLock(lockPath, fs, evidence, { isRegular: false, seen });
  expect(reading).toMatchObject({ kind: "lock", payload: { pid: 12 } });
});

test("a lock without pid is read with its modification time", () => {
  const lockPath = lockIn(temporaryFolder(), "");
  const reading = read(lockPath, true);
  expect(reading).toMatchObject({ kind: "lock", payload: null });
  if (reading.kind !== "lock") throw new Error("not read");
  expect(Math.abs(Date.now() - (reading.mtimeMs ?? 0))).toBeLessThan(60_000);
});

test.for([true, false])(
  "a FIFO does not hang the reader (listed as regular: %s)",
  (isRegular, context) => {
    requirePosix(context, "FIFOs");
    const lockPath = lockIn(temporaryFolder());
    expect(spawnSync("mkfifo", [lockPath]).status).toBe(0);
    expect(read(lockPath, isRegular)).toMatchObject({ kind: "unreadable" });
  },
);

test("a symbolic link is not followed", (context) => {
  requirePosix(context, "symbolic links without privilege");
  const folder = temporaryFolder();
  writeFileSync(join(folder, "target"), '{"pid": 12}');
  symlinkSync(join(folder, "target"), lockIn(folder));
  expect(read(lockIn(folder))).toMatchObject({ kind: "unreadable", error: { code: "ELOOP" } });
});

test.each([true, false])("a directory is unreadable (listed as regular: %s)", (isRegular) => {
  const folder = temporaryFolder();
  mkdirSync(lockIn(folder));
  expect(read(lockIn(folder), isRegular).kind).toBe("unreadable");
});

test("a socket is unreadable", async (context) => {
  requirePosix(context, "sockets in the file system");
  const lockPath = lockIn(temporaryFolder());
  const server = createServer();
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(lockPath, resolve));
  expect(read(lockPath).kind).toBe("unreadable");
});

test("a file of 64 KiB is read, one with a byte more is unreadable", () => {
  const folder = temporaryFolder();
  const fitting = JSON.stringify({ pid: 12, label: "x".repeat(MAX_LOCK_BYTES - 21) });
  expect(fitting).toHaveLength(MAX_LOCK_BYTES);
  expect(read(lockIn(folder, fitting))).toMatchObject({ kind: "lock", payload: { pid: 12 } });
  expect(read(lockIn(folder, `${fitting} `)).kind).toBe("unreadable");
});

test("a sparse file of 10 GB is refused without reading it", () => {
  const lockPath = lockIn(temporaryFolder(), "");
  truncateSync(lockPath, 10 * 2 ** 30);
  expect(read(lockPath).kind).toBe("unreadable");
});

test("short reads are put together", () => {
  const lockPath = lockIn(temporaryFolder(), '{"pid": 12, "label": "long enough"}');
  const fs: LockFs = {
    ...realLockFs,
    read: (fd, buffer, offset, length) => realLockFs.read(fd, buffer, offset, Math.min(length, 5)),
  };
  expect(read(lockPath, true, fs)).toMatchObject({ payload: { pid: 12, label: "long enough" } });
});

test.each(["EIO", "EACCES", "EPERM"])("%s while reading is not a lock without payload", (code) => {
  const lockPath = lockIn(temporaryFolder(), '{"pid": 12}');
  const fs: LockFs = {
    ...realLockFs,
    read: () => {
      throw Object.assign(new Error(code), { code });
    },
  };
  expect(read(lockPath, true, fs)).toMatchObject({ kind: "unreadable", error: { code } });
});

test("a file that may not be read is unreadable", async (context) => {
  requirePosix(context, "file modes and users");
  const folder = temporaryFolder();
  chmodSync(folder, 0o755);
  const lockPath = lockIn(folder, '{"pid": 12}');
  chmodSync(lockPath, 0);
  const script = `
    ${importDist("inspectSessionLock", "session-lock/index.js")}
    console.log(JSON.stringify(await inspectSessionLock(${JSON.stringify(lockPath)})));`;
  expect(await runNode(script, asOrdinaryUser(context))).toMatchObject({
    keptReason: "unreadable",
    removable: false,
    staleReasons: [],
  });
});

test("a live holder's kernel lock is held; its death frees it", async (context) => {
  requireNative(context);
  const lockPath = lockIn(temporaryFolder());
  const holder = await startHolder(lockPath);
  expect(read(lockPath)).toMatchObject({
    kind: "lock",
    kernel: "held",
    payload: { pid: holder.pid },
  });
  await holder.kill("SIGKILL");
  expect(read(lockPath)).toMatchObject({ kind: "lock", kernel: "free" });
});

test("a holder that lives but let go is seen as free", async (context) => {
  requireNative(context);
  const lockPath = lockIn(temporaryFolder());
  await startHolder(lockPath, { keep: false });
  expect(read(lockPath)).toMatchObject({ kind: "lock", kernel: "free" });
});

test("looking at a lock does not disturb others who look", async (context) => {
  requireNative(context);
  const lockPath = lockIn(temporaryFolder());
  const holder = await startHolder(lockPath, { keep: false });
  const script = `
    ${importCompiled("realLockFs as fs", "lock/protocol/lock-fs.js")}
    const answers = {};
    for (let i = 0; i < 2000; i++) {
      const fd = fs.openForReading(${JSON.stringify(lockPath)});
      answers[JSON.stringify(fs.probe(fd))] = true;
      fs.close(fd);
    }
    console.log(JSON.stringify(Object.keys(answers)));`;
  const probers = await Promise.all([runNode(script), runNode(script), runNode(script)]);
  expect(probers).toEqual([['"acquired"'], ['"acquired"'], ['"acquired"']]);
  expect(holder.process.exitCode).toBeNull();
});

test("a copy of a held lock is no evidence, a second name of it is", async (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  const lockPath = lockIn(folder);
  await startHolder(lockPath);
  copyFileSync(lockPath, join(folder, "copy.jsonl.lock"));
  linkSync(lockPath, join(folder, "link.jsonl.lock"));
  expect(read(join(folder, "copy.jsonl.lock"))).toMatchObject({ kernel: "silent" });
  expect(read(join(folder, "link.jsonl.lock"))).toMatchObject({ kernel: "held" });
});

test("a kernel lock recorded on another device is another view of the file", async (context) => {
  requireNative(context);
  const lockPath = lockIn(temporaryFolder());
  // makedev(3): 0:1, no disk's.
  await startHolder(lockPath, { keep: false, fields: { kernelLock: "1:1" } });
  expect(read(lockPath)).toMatchObject({ kernel: "other-view" });
});

type Payload = Readonly<Record<string, unknown>> & { readonly owner: string };

/** Changes what a lock says, in place: its holder keeps it. */
function rewrite(lockPath: string, change: (payload: Payload) => Record<string, unknown>): void {
  const payload = JSON.parse(readFileSync(lockPath, "utf8")) as Payload;
  writeFileSync(lockPath, JSON.stringify({ ...payload, ...change(payload) }));
}

function ofOtherBoot({ owner }: Payload): { owner: string } {
  return { owner: owner.split(".").with(4, "0".repeat(32)).join(".") };
}

describe("a held kernel lock", () => {
  test.for<[string, (payload: Payload) => Record<string, unknown>]>([
    ["though the lock has no token", () => ({ owner: undefined })],
    ["though its token cannot be read", () => ({ owner: "pi9.of.a.newer.version" })],
    ["though its token is of another boot", ofOtherBoot],
    ["though its token is another pid's", () => ({ pid: 4711 })],
  ])("a held kernel lock is seen, %s", async ([, change], context) => {
    requireNative(context);
    const lockPath = lockIn(temporaryFolder());
    await startHolder(lockPath);
    rewrite(lockPath, change);
    expect(read(lockPath)).toMatchObject({ kernel: "held" });
  });

  test("a held kernel lock is not asked about where the file system would answer for another machine", async (context) => {
    requireNative(context);
    const lockPath = lockIn(temporaryFolder());
    await startHolder(lockPath);
    const fileSystemType = vi.fn(() => 0x6969);
    const fs = { ...realLockFs, fileSystemType };
    const reading = readLock(lockPath, fs, freshEvidence(fs), { isRegular: false });
    expect(reading).toMatchObject({ kernel: "held" });
    expect(fileSystemType).not.toHaveBeenCalled();
  });
});

describe("a free kernel lock", () => {
  const NFS = 0x6969;
  const FUSE = 0x65735546;

  async function freeLock(
    change: (payload: Payload) => Record<string, unknown> = () => ({}),
  ): Promise<string> {
    const lockPath = lockIn(temporaryFolder());
    const holder = await startHolder(lockPath);
    await holder.kill();
    rewrite(lockPath, change);
    return lockPath;
  }

  function onKind(lockPath: string, type: number): LockReading {
    const fs = { ...realLockFs, fileSystemType: () => type };
    return readLock(lockPath, fs, freshEvidence(fs), { isRegular: false });
  }

  test.for([
    ["a network", NFS, {}, "silent"],
    ["a file system that is not listed", 0x12345678, {}, "silent"],
    ["FUSE", FUSE, {}, "silent"],
    ["FUSE, seen from outside by its holder", FUSE, { verified: true }, "free-unconfirmed"],
  ] as const)(
    "a free kernel lock counts as the file system allows: %s",
    async ([, type, fields, kernel], context) => {
      requireNative(context);
      requireLinux(context, "kinds of file systems by number");
      expect(onKind(await freeLock(() => fields), type)).toMatchObject({ kernel });
    },
  );

  test("a free kernel lock counts after a reboot on a disk, and without token", async (context) => {
    requireNative(context);
    requireLinux(context, "disks by number");
    const lockPath = await freeLock(ofOtherBoot);
    const reading = read(lockPath);
    if (reading.kind !== "lock") throw new Error("not read");
    const { fileId } = reading;
    if (!isDiskOfThisMachine(fileId ?? "0:0", null, evidence.tokenHost)) {
      return context.skip("the temporary folder lies on no disk of its own");
    }
    expect(reading.kernel).toBe("free");
    expect(read(await freeLock(() => ({ owner: undefined })))).toMatchObject({ kernel: "free" });
  });

  test("a free kernel lock counts on a file system without a disk only in its own boot, or its own host's", async (context) => {
    const { folder, prefix } = await mountPrivately(context, "mount -t tmpfs tmpfs .");
    const lockPath = join(folder, "s.jsonl.lock");
    const look = `
      ${importCompiled("freshEvidence", "lock/verdict/evidence.js")}
      ${importCompiled("readLock", "lock/verdict/reading.js")}
      ${importCompiled("realLockFs", "lock/protocol/lock-fs.js")}
      import { readFileSync, writeFileSync } from "node:fs";
      const path = ${JSON.stringify(lockPath)};
      const payload = JSON.parse(readFileSync(path, "utf8"));
      const fields = p.identifyProcess().split(".").with(6, String(payload.pid));
      const otherBoot = fields.with(4, "0".repeat(32));
      const tokens = [fields, otherBoot, otherBoot.with(2, "f".repeat(16)), otherBoot.with(2, "-")];
      console.log(JSON.stringify(tokens.map((token) => {
        writeFileSync(path, JSON.stringify({ ...payload, owner: token.join(".") }));
        return readLock(path, realLockFs, freshEvidence(realLockFs), { isRegular: false }).kernel;
      })));`;
    const holder = await startHolder(lockPath, { prefix });
    expect(await runNode(look, { prefix })).toEqual(["held", "held", "held", "held"]);
    await holder.kill();
    const ofThisHost = hostFacts().machineId === null ? "silent" : "free";
    expect(await runNode(look, { prefix })).toEqual(["free", ofThisHost, "silent", "silent"]);
  });
});

test("reading locks leaks no descriptors", (context) => {
  requireLinux(context, "counts /proc/self/fd");
  const folder = temporaryFolder();
  const paths = [lockIn(folder, '{"pid": 12}'), join(folder, "none"), folder];
  for (const path of paths) read(path);
  const before = readdirSync("/proc/self/fd").length;
  for (let round = 0; round < 100; round++) for (const path of paths) read(path);
  expect(readdirSync("/proc/self/fd").length).toBe(before);
});
