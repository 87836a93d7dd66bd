/** What is read of a lock file, and what the kernel is asked about it, on a file system in memory. */
import { describe, expect, test } from "vitest";

import type { FileSystemKind } from "../../../lib/lock/protocol/file-system-kind.js";
import { type LockFs, realLockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { markedTime } from "../../../lib/lock/protocol/number-file.js";
import { MAX_LOCK_BYTES } from "../../../lib/lock/protocol/payload.js";
import { type EvidenceSource, freshEvidence } from "../../../lib/lock/verdict/evidence.js";
import {
  type KnownOfFile,
  OpenLock,
  openLock,
  probeLock,
  readLock,
} from "../../../lib/lock/verdict/reading.js";
import { hostFacts } from "../../../lib/process/identity.js";
import { formatToken } from "../../../lib/process/token.js";
import { MemoryFs, type MemoryFsOptions, withRefused } from "../protocol/memory-lock-fs.js";
import { HOST, on, TOKEN } from "./owner-facts.js";

const LOCK = "/d/s.lock";
/** Of the first file that is made. */
const FILE = "2049:1";
const OTHER_FILE = "2049:9";

const PLAIN = { pid: 7, createdAt: "2026-06-01T12:00:00.000Z" };
const OWN = {
  ...PLAIN,
  maxHoldMs: 1000,
  owner: formatToken(TOKEN),
  nonce: "n",
  kernelLock: FILE,
  fileSystem: "ext",
  guard: "inode",
  lease: { store: "s", key: "k", epoch: "1" },
};

interface World {
  readonly text: string | object;
  readonly modifiedMs?: number;
  readonly platform?: NodeJS.Platform;
  readonly kind?: FileSystemKind;
  readonly name?: string;
  readonly options?: Partial<MemoryFsOptions>;
  /** The kernel locks that another descriptor has. */
  readonly held?: readonly ("flock" | "owner")[];
  readonly known?: KnownOfFile;
  /** Calls that are other ones. */
  readonly changed?: (fs: LockFs) => Partial<LockFs>;
}

function evidenceOf({ platform = "linux", kind = "local", name = "ext" }: World): EvidenceSource {
  const host = { ...hostFacts(), platform };
  const fileSystem = on(kind, name);
  return { ...freshEvidence(realLockFs), host, tokenHost: HOST, fileSystem };
}

function memoryOf({ text, modifiedMs, options, held = [] }: World): MemoryFs {
  const memory = new MemoryFs(options);
  memory.put(LOCK, typeof text === "string" ? text : JSON.stringify(text), modifiedMs);
  const holder = memory.open(LOCK);
  if (held.includes("flock")) memory.fs.tryExclusive(holder);
  if (held.includes("owner")) memory.fs.tryOwn(holder);
  memory.calls.length = 0;
  return memory;
}

/** The reading, and by their names the calls that it took but for reading bytes. */
function look(world: World): { readonly reading: object; readonly calls: readonly string[] } {
  const memory = memoryOf(world);
  const fs = { ...memory.fs, ...world.changed?.(memory.fs) };
  const before = memory.openCount();
  const reading = readLock(LOCK, fs, evidenceOf(world), world.known);
  expect(memory.openCount()).toBe(before);
  const names = memory.calls.map((call) => call.replace(/\(.*/u, ""));
  return { reading, calls: names.filter((name) => !UNTOLD.has(name)) };
}

const UNTOLD = new Set(["openForReading", "read", "close"]);
const ASKED = new Set(["probe", "probeOwner"]);
const questions = (calls: readonly string[]): string[] => calls.filter((name) => ASKED.has(name));

describe("a lock that says which kernel lock its holder has", () => {
  test("is held, by one question of its kind", () => {
    const { reading, calls } = look({ text: OWN, held: ["owner"], known: { isRegular: true } });
    expect(reading).toMatchObject({
      kind: "lock",
      lockPath: LOCK,
      kernel: "held",
      guard: "inode",
      isUnaskable: false,
      fileId: FILE,
      mtimeMs: null,
      ctimeMs: null,
      payload: { pid: 7, maxHoldMs: 1000, lease: { store: "s", key: "k", epoch: 1n } },
    });
    expect(calls).toEqual(["fileId", "probeOwner"]);
  });

  test("that goes with a guard file is asked about by the other kind", () => {
    const { reading, calls } = look({ text: { ...OWN, guard: undefined }, held: ["flock"] });
    expect(reading).toMatchObject({ kernel: "held", guard: null });
    expect(questions(calls)).toEqual(["probe"]);
  });

  test("of a later version's kind cannot be asked about", () => {
    const { reading, calls } = look({ text: { ...OWN, guard: "later" }, held: ["owner", "flock"] });
    expect(reading).toMatchObject({ kernel: "silent", guard: "later", isUnaskable: false });
    expect(questions(calls)).toEqual([]);
  });

  test("is free, and still there", () => {
    const { reading, calls } = look({ text: OWN });
    expect(reading).toMatchObject({ kind: "lock", kernel: "free", guard: "inode" });
    expect(calls).toEqual(["fstat", "fileId", "probeOwner", "fstat"]);
    const named = look({ text: OWN, known: { isNamed: true, isRegular: true } });
    expect(named.reading).toMatchObject({ kind: "lock", kernel: "free" });
    expect(named.calls).toEqual(["fileId", "probeOwner"]);
  });

  test.each([
    ["on a disk", {}, OWN, "free"],
    ["on FUSE", { kind: "fuse", name: "fuse" }, { ...OWN, verified: true }, "free-unconfirmed"],
  ] as const)(
    "is absent where it was unlinked since it was opened: %s",
    (_, where, text, kernel) => {
      const world = { text, ...where };
      for (const isUnlinked of [false, true]) {
        const memory = memoryOf(world);
        const file = openLock(LOCK, memory.fs);
        if (!(file instanceof OpenLock)) throw new Error("not opened");
        if (isUnlinked) memory.fs.unlink(LOCK);
        const isAbsent = { kind: "absent" };
        const isThere = { kind: "lock", kernel };
        expect(file.read(evidenceOf(world))).toMatchObject(isUnlinked ? isAbsent : isThere);
        // Inside the guard its name has just been seen.
        expect(file.read(evidenceOf(world), { isNamed: true })).toMatchObject(isThere);
      }
    },
  );

  test("is there while it is held, its name gone or not", () => {
    const memory = memoryOf({ text: OWN, held: ["owner"] });
    const file = openLock(LOCK, memory.fs);
    memory.fs.unlink(LOCK);
    const reading = file instanceof OpenLock ? file.read(evidenceOf({ text: "" })) : file;
    expect(reading).toMatchObject({ kind: "lock", kernel: "held" });
  });

  test("is asked once which file it is, however often it is read", () => {
    const memory = memoryOf({ text: OWN, held: ["owner"] });
    const file = openLock(LOCK, memory.fs);
    if (!(file instanceof OpenLock)) throw new Error("not opened");
    for (let count = 0; count < 2; count++) file.read(evidenceOf({ text: "" }));
    expect(memory.calls.filter((call) => call.startsWith("fileId"))).toHaveLength(1);
    const before = memory.openCount();
    file.close();
    expect(memory.openCount()).toBe(before - 1);
  });
});

describe("a file that does not say it, and has an owner all the same", () => {
  test.each<[string, object | string, object]>([
    ["another file's text", { ...OWN, kernelLock: OTHER_FILE }, { pid: 7 }],
    ["a plain lock's text", { ...PLAIN, maxHoldMs: 5 }, { pid: 7 }],
  ])("%s: it is held, without that text's limit and lease", (_, text, payload) => {
    const { reading } = look({ text, held: ["owner"] });
    expect(reading).toMatchObject({
      kernel: "held",
      guard: "inode",
      isUnaskable: false,
      payload: { ...payload, maxHoldMs: null, lease: null },
    });
  });

  test.each(["", "no payload"])("%j: it is held", (text) => {
    const { reading } = look({ text, held: ["owner"] });
    expect(reading).toMatchObject({ kernel: "held", guard: "inode", payload: null });
  });

  test("without an owner is what it says", () => {
    const { reading } = look({ text: { ...OWN, kernelLock: OTHER_FILE } });
    expect(reading).toMatchObject({
      kernel: "silent",
      guard: "inode",
      payload: { maxHoldMs: 1000, lease: { store: "s" } },
    });
    expect(look({ text: PLAIN }).reading).toMatchObject({ kernel: "silent", guard: null });
  });

  const LINUX_DISK = { platform: "linux", kind: "local" } as const;
  test.each<[string, Pick<World, "platform" | "kind">, string[]]>([
    ["a disk", LINUX_DISK, ["probeOwner"]],
    ["Android's disk", { platform: "android", kind: "local" }, ["probeOwner"]],
    ["an unknown file system", { platform: "linux", kind: "unlisted" }, ["probeOwner"]],
    ["a network's", { platform: "linux", kind: "network" }, []],
    ["FUSE", { platform: "linux", kind: "fuse" }, []],
    ["macOS", { platform: "darwin", kind: "local" }, []],
    ["Windows", { platform: "win32", kind: "local" }, []],
  ])(
    "is asked for the owner on %s, and for the other kind in the guard file",
    (_, where, asked) => {
      expect(questions(look({ text: PLAIN, ...where }).calls)).toEqual(asked);
      const inside = { text: PLAIN, ...where, known: { isInGuardFile: true } };
      expect(questions(look(inside).calls)).toEqual([...asked, "probe"]);
      const held = look({ ...inside, held: ["flock"] });
      expect(held.reading).toMatchObject({ kernel: "held", guard: null, isUnaskable: false });
    },
  );

  test("is not asked for the other kind once the owner is there", () => {
    const world = { text: PLAIN, held: ["owner"], known: { isInGuardFile: true } } as const;
    expect(questions(look(world).calls)).toEqual(["probeOwner"]);
  });

  test("may have one where the kernel does not say", () => {
    const options = { locks: "none" } as const;
    for (const known of [{}, { isInGuardFile: true }]) {
      const { reading } = look({ text: PLAIN, options, known });
      expect(reading).toMatchObject({ kernel: "silent", guard: null, isUnaskable: true });
    }
    const network = { text: PLAIN, kind: "network", options } as const;
    expect(look(network).reading).toMatchObject({ isUnaskable: false });
    const inside = look({ ...network, known: { isInGuardFile: true } });
    expect(inside.reading).toMatchObject({ isUnaskable: true });
  });

  test("is not asked where this process has no kernel locks, but on Windows", () => {
    const changed = (): Partial<LockFs> => ({ canLock: () => false });
    const known = { isInGuardFile: true };
    const linux = look({ text: PLAIN, held: ["owner"], known, changed });
    expect(linux.reading).toMatchObject({ kernel: "silent", isUnaskable: false });
    expect(questions(linux.calls)).toEqual([]);
    const windows = look({ text: PLAIN, platform: "win32", known, changed });
    expect(questions(windows.calls)).toEqual(["probe"]);
  });

  // Its creator has locked it by then.
  test.each<[string, number, object | string, string[]]>([
    ["written seconds ago", -5000, "", ["probe"]],
    // Ahead by less than a second, so that this test has nearly two to look.
    ["written just now", 900, "", []],
    ["written in the future: a clock was stepped back", 60_000, "", ["probe"]],
    ["a payload, written seconds ago", -5000, PLAIN, []],
    ["without a pid, written seconds ago", -5000, { nonce: "n" }, []],
  ])("outside the guard file, on a network: %s", (_, ageMs, text, asked) => {
    const calls = look({ text, modifiedMs: Date.now() + ageMs, kind: "network" }).calls;
    expect(questions(calls)).toEqual(asked);
  });

  test("is never asked for the other kind on a disk, where it takes the guard", () => {
    const calls = look({ text: "", modifiedMs: Date.now() - 5000 }).calls;
    expect(questions(calls)).toEqual(["probeOwner"]);
  });
});

describe("the times of a file", () => {
  test.each<[string, object | string, boolean]>([
    ["a whole plain lock", PLAIN, false],
    ["a lock of this package", OWN, false],
    ["one of this package without a time", { ...OWN, createdAt: undefined }, false],
    ["a plain lock without a time", { pid: 7 }, true],
    ["a lock without a pid", { createdAt: PLAIN.createdAt }, true],
    ["a file that says nothing", "", true],
  ])("are told where they may count: %s", (_, text, isTold) => {
    const { reading } = look({ text, modifiedMs: 1000, known: { isRegular: true } });
    const told = { mtimeMs: 1000, ctimeMs: expect.any(Number) as number };
    expect(reading).toMatchObject(isTold ? told : { mtimeMs: null, ctimeMs: null });
  });
});

describe("a bare number", () => {
  const NUMBER = "12\n";
  /** With its publisher's mark. */
  function lookMarked(world: Omit<World, "text">): ReturnType<typeof look> {
    return look({
      text: NUMBER,
      ...world,
      changed: (fs) => {
        const file = { fileId: FILE, pid: 12, boot: HOST.boot };
        const fd = fs.openForWriting(LOCK);
        fs.setModified(fd, markedTime(file, "linux", Date.now()) ?? 0);
        fs.close(fd);
        return {};
      },
    });
  }

  test("is held by the lock that goes with its file system's guard", () => {
    const disk = look({ text: NUMBER, held: ["owner"] });
    expect(disk.reading).toMatchObject({ kernel: "held", guard: "inode", payload: null });
    expect(questions(disk.calls)).toEqual(["probeOwner"]);
    const network = look({ text: NUMBER, held: ["flock"], kind: "network" });
    expect(network.reading).toMatchObject({ kernel: "held", guard: null });
    expect(questions(network.calls)).toEqual(["probe"]);
  });

  test("is free where it has its publisher's mark", () => {
    const { reading, calls } = lookMarked({});
    expect(reading).toMatchObject({ kernel: "free", guard: "inode" });
    expect(questions(calls)).toEqual(["probeOwner"]);
    expect(look({ text: NUMBER }).reading).toMatchObject({ kernel: "silent", guard: "inode" });
    expect(lookMarked({ kind: "network" }).reading).toMatchObject({ kernel: "silent" });
  });
});

describe("what is no lock", () => {
  const noFile = (fs: LockFs): Partial<LockFs> => ({
    fstat: (fd) => ({ ...fs.fstat(fd), isFile: () => false }),
  });

  test("is not read unless it is a regular file", () => {
    const error = { message: `lock is not a regular file: ${LOCK}` };
    const { reading, calls } = look({ text: OWN, changed: noFile });
    expect(reading).toMatchObject({ kind: "unreadable", lockPath: LOCK, error });
    expect(calls).toEqual(["fstat"]);
  });

  test("that was listed as a regular file is asked again where it says no lock", () => {
    const known = { isRegular: true };
    const error = { message: `lock is not a regular file: ${LOCK}` };
    for (const text of ["", { pid: 7 }]) {
      const { reading } = look({ text, changed: noFile, known });
      expect(reading).toMatchObject({ kind: "unreadable", error });
    }
    expect(look({ text: PLAIN, changed: noFile, known }).reading).toMatchObject({ kind: "lock" });
  });

  test("is unreadable above 64 KiB", () => {
    const text = "x".repeat(MAX_LOCK_BYTES + 1);
    const error = { message: `lock is larger than 65536 bytes: ${LOCK}` };
    expect(look({ text }).reading).toMatchObject({ kind: "unreadable", lockPath: LOCK, error });
  });

  test.each(["read", "fstat", "fileId"] as const)("is what fails to be asked: %s", (call) => {
    const changed = (fs: LockFs): LockFs => withRefused(fs, { [call]: "EIO" });
    const { reading } = look({ text: OWN, changed });
    expect(reading).toMatchObject({ kind: "unreadable", lockPath: LOCK, error: { code: "EIO" } });
  });

  test("is what cannot be opened, unless there is nothing", () => {
    const { fs } = memoryOf({ text: "" });
    const open = (code: string) => openLock(LOCK, withRefused(fs, { openForReading: code }));
    expect(open("ENOENT")).toEqual({ kind: "absent" });
    expect(open("EACCES")).toMatchObject({
      kind: "unreadable",
      lockPath: LOCK,
      error: { code: "EACCES" },
    });
  });
});

test("a lock of a later version's guard cannot be probed", () => {
  const memory = memoryOf({ text: OWN, held: ["owner"] });
  const fd = memory.open(LOCK);
  expect(probeLock({ guard: "inode" }, fd, memory.fs)).toBe("held");
  expect(probeLock({ guard: null }, fd, memory.fs)).toBe("acquired");
  expect(probeLock({ guard: "later" }, fd, memory.fs)).toEqual({ refused: "ENOTSUP" });
});
