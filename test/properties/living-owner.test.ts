/**
 * A living owner keeps its lock, over worlds made up at random: a process writes a lock, lives on or dies, and
 * another one judges it with whatever the OS lets it see. What is seen is true but may be hidden, elsewhere, in a
 * container, on a shared disk or from another boot. A living owner's lock is never removed but for the reasons
 * that the documentation names; a dead one's is, wherever there is proof.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import type { ProcessIdentity } from "../../lib/process/backends/backend.js";
import type { NestedProcess, NestedProcesses } from "../../lib/process/nested-processes.js";
import { judgeToken, type ProcessVerdict } from "../../lib/process/judge-token.js";
import {
  formatToken,
  INITIAL_PID_NAMESPACE,
  type ProcessToken,
  type TokenHost,
} from "../../lib/process/token.js";
import {
  classifySessionLock,
  type SessionLockClassification,
} from "../../lib/session-lock/classify.js";
import { dependsOnNestedLook } from "../../lib/lock/verdict/classify.js";
import type { FileSystem } from "../../lib/lock/protocol/file-system-kind.js";
import { isDiskOfThisMachine, weighKernelLock } from "../../lib/lock/verdict/kernel-evidence.js";
import { judgeOwner } from "../../lib/lock/verdict/owner.js";
import type { PlainLocks } from "../../lib/lock/verdict/plain-owner.js";
import { tokenOf } from "../../lib/lock/verdict/owner-token.js";
import { parsePayload } from "../../lib/lock/protocol/payload.js";
import type { LockAttempt } from "../../lib/lock/protocol/lock-fs.js";
import { runs } from "./runs.js";

const NOW = Date.parse("2026-06-01T12:00:00.000Z");
const SINCE_BOOT_TICKS = 1_000_000;

const BOOTS = ["c0ffee", "deadbeef"];
const HOSTS = ["0123456789abcdef", "fedcba9876543210"];
/** The machine id that all containers of one image have. */
const IMAGE = "1111111111111111";
const CONTAINER = "4026532000";
const NAMESPACES = [INITIAL_PID_NAMESPACE, CONTAINER];

/** Where locks lie: `device` 2049 is a disk's, the others have no major number. */
const FILE_SYSTEMS = [
  { kind: "local", name: "ext", device: "2049" },
  { kind: "local", name: "tmpfs", device: "45" },
  { kind: "local", name: "overlay", device: "46" },
  { kind: "fuse", name: "fuse", device: "47" },
  { kind: "network", name: "nfs", device: "48" },
  { kind: "unlisted", name: null, device: "49" },
] as const satisfies readonly (FileSystem & { readonly device: string })[];
const [EXT, TMPFS, OVERLAY, FUSE, NFS, UNLISTED] = FILE_SYSTEMS;

const chance = fc.boolean();

const worlds = fc.record({
  // Where the writer ran, seen from the reader, which is always on host 0 in boot 0.
  otherHost: chance,
  otherNamespace: chance,
  earlierBoot: chance,
  readerNamespace: fc.constantFrom(...NAMESPACES),
  /** The reader is in a container, and the writer in one inside of it. */
  isChild: chance,
  /** Whose id tokens carry: the machine's, for containers their image's, one that was pinned, or none. */
  hostIds: fc.constantFrom("machine", "image", "pinned", "none"),
  alive: chance,
  pid: fc.integer({ min: 2, max: 5 }),
  // Not so early that a namespace of a later clock would show it before its boot.
  startTime: fc.integer({ min: 1000, max: SINCE_BOOT_TICKS }),
  // What time namespaces add.
  readerOffset: fc.constantFrom(0, 0, 300, -300, 0.5),
  writerOffset: fc.constantFrom<number | "reader's">(0, "reader's", 700, -500, 2.5),
  // What has the pid here when the writer has not.
  atPid: fc.constantFrom("none", "zombie", "thread", "other"),
  otherStarted: fc.integer({ min: 0, max: SINCE_BOOT_TICKS }),
  // What the OS tells.
  hides: fc.record({
    startTime: chance,
    exactId: chance,
    everything: chance,
    byExactId: chance,
    namespace: chance,
    sinceBoot: chance,
  }),
  // A look at containers: not made, or not complete; one in which the writer is missing is not.
  looked: chance,
  lookIsIncomplete: chance,
  lookMissesWriter: chance,
  otherContainerHasPid: chance,
  // What the lock says.
  kind: fc.constantFrom(
    "package",
    "package-without-kernel-lock",
    "package-without-token",
    "bare",
    "plain",
  ),
  recordsStartTime: chance,
  recordsExactId: chance,
  recordsNamespace: fc.constantFrom(true, true, true, false),
  recordsFileSystem: fc.constantFrom(true, true, true, false),
  copied: fc.constantFrom("no", "no", "inode", "device"),
  fileSystem: fc.constantFrom(...FILE_SYSTEMS),
  // FUSE: its daemon keeps locks to itself; otherwise the writer may have seen its own from outside.
  daemonForgets: chance,
  verified: chance,
  // A network's server tells clients of each other's locks.
  serverTells: chance,
  ageMs: fc.integer({ min: -100_000, max: 4_000_000 }),
  createdAtValid: chance,
  maxHoldMs: fc.option(fc.integer({ min: 1, max: 600_000 })),
  /** What the clock that the writer took for the machine's says now, less what it said then. */
  monotonicHeldMs: fc.option(fc.integer({ min: -1000, max: 1e9 })),
  // How the reader judges.
  plainLocks: fc.constantFrom<PlainLocks>("judge", "judge", "keep"),
  respectMaxHold: chance,
  inWorkerThread: chance,
  atAcquire: chance,
  staleMs: fc.integer({ min: 1, max: 3_600_000 }),
  graceMs: fc.constantFrom(5000, 30_000),
  mtimeMs: fc.option(fc.integer({ min: NOW - 100_000, max: NOW + 100_000 })),
  args: fc.option(fc.constantFrom([], [" "], ["openclaw"], ["sleep", "9"])),
});
type World = typeof worlds extends fc.Arbitrary<infer W> ? W : never;

/** In the reader's kernel. */
function isOfThisBoot({ otherHost, earlierBoot }: World): boolean {
  return !otherHost && !earlierBoot;
}

/** Does the reader share pids with the writer? */
function isLocal(world: World): boolean {
  return isOfThisBoot(world) && !world.otherNamespace;
}

/** Can a look at containers find the writer? */
function isNested({ readerNamespace, isChild, ...world }: World): boolean {
  const isBeneath = readerNamespace === INITIAL_PID_NAMESPACE || isChild;
  return isOfThisBoot({ readerNamespace, isChild, ...world }) && world.otherNamespace && isBeneath;
}

/** No process survives a boot, unless it was another machine's. */
function isAlive({ alive, earlierBoot, otherHost }: World): boolean {
  return alive && !(earlierBoot && !otherHost);
}

function hasKernelLock({ kind }: World): boolean {
  return kind === "package" || kind === "package-without-token";
}

function hasToken({ kind }: World): boolean {
  return kind === "package" || kind === "package-without-kernel-lock";
}

function writerNamespace({ readerNamespace, otherNamespace, isChild }: World): string {
  if (!otherNamespace) return readerNamespace;
  if (readerNamespace === INITIAL_PID_NAMESPACE) return CONTAINER;
  return isChild ? "4026532001" : INITIAL_PID_NAMESPACE;
}

function writerOffset({ writerOffset: offset, readerOffset }: World): number {
  return offset === "reader's" ? readerOffset : offset;
}

function hostDigest({ hostIds }: World, isOtherHost: boolean, namespace: string): string | null {
  if (hostIds === "none") return null;
  if (hostIds === "image" && namespace !== INITIAL_PID_NAMESPACE) return IMAGE;
  return HOSTS[isOtherHost ? 1 : 0] ?? null;
}

function writerToken(world: World): ProcessToken {
  const namespace = writerNamespace(world);
  return {
    platform: "linux",
    hostDigest: hostDigest(world, world.otherHost, namespace),
    hostnameDigest: world.otherHost ? "00000001" : "00000000",
    boot: BOOTS[isOfThisBoot(world) ? 0 : 1] ?? null,
    pidNamespace: world.recordsNamespace ? namespace : null,
    pid: world.pid,
    startTime: world.startTime,
    exactId: world.recordsExactId ? "77" : null,
  };
}

function readerHost(world: World): TokenHost {
  const { readerNamespace } = world;
  return {
    platform: "linux",
    hostDigest: hostDigest(world, false, readerNamespace),
    hostnameDigest: "00000000",
    boot: BOOTS[0] ?? null,
    pidNamespace: readerNamespace,
    initialPidNamespace: readerNamespace === INITIAL_PID_NAMESPACE,
    isHostIdPinned: world.hostIds === "pinned",
  };
}

/** The process that has the pid here, as far as the OS tells. */
function identityHere(world: World): ProcessIdentity {
  const { hides, atPid } = world;
  const isWriter = isLocal(world) && isAlive(world);
  if (!isWriter && atPid !== "other") {
    const reasons = {
      none: "no-such-process",
      zombie: "zombie",
      thread: "thread-id",
    } as const;
    return { state: "gone", reason: reasons[atPid], startTime: null, exactId: null };
  }
  // Another process has another start time, at any distance but that of rounding.
  const startTime = isWriter ? world.startTime : world.startTime + 2 + world.otherStarted;
  return {
    state: hides.everything ? "unknown" : "alive",
    reason: hides.everything ? "access-denied" : "running",
    startTime: hides.everything || hides.startTime ? null : startTime,
    exactId: hides.everything || hides.exactId ? null : isWriter ? "77" : "78",
  };
}

/** What a look at the processes of nested namespaces finds; null: none was made. */
function lookAround(world: World): NestedProcesses | null {
  const { hides, lookIsIncomplete, lookMissesWriter, otherContainerHasPid } = world;
  if (!world.looked) return null;
  const writer: NestedProcess = {
    outerPid: 4001,
    startTime: hides.startTime ? null : world.startTime,
    exactId: hides.exactId ? null : "77",
    startTimeOffset: writerOffset(world),
    pidNamespace: hides.namespace ? null : writerNamespace(world),
  };
  const other: NestedProcess = {
    outerPid: 4002,
    startTime: world.startTime + 1000 + world.otherStarted,
    exactId: hides.exactId ? null : "79",
    startTimeOffset: 0,
    pidNamespace: hides.namespace ? null : "4026532999",
  };
  const isThere = isNested(world) && isAlive(world) && !lookMissesWriter;
  const found = [...(isThere ? [writer] : []), ...(otherContainerHasPid ? [other] : [])];
  return { isComplete: !lookIsIncomplete && !lookMissesWriter, having: () => found };
}

function verify(world: World, token: ProcessToken): ProcessVerdict {
  return judgeToken(token, readerHost(world), {
    identity: () => identityHere(world),
    byExactId: () =>
      world.hides.byExactId
        ? { state: "unknown", reason: "unsupported" }
        : isAlive(world)
          ? { state: "alive", reason: "running" }
          : { state: "gone", reason: "no-such-process" },
    nested: () => lookAround(world),
  });
}

/** What the kernel here says of the lock file. */
function probe(world: World): LockAttempt {
  if (!isAlive(world) || !hasKernelLock(world)) return "acquired";
  const isSeen = isOfThisBoot(world)
    ? !(world.fileSystem === FUSE && world.daemonForgets)
    : world.fileSystem === NFS && world.serverTells;
  return isSeen ? "held" : "acquired";
}

function judge(world: World): SessionLockClassification & { readonly wantsLook: boolean } {
  const host = readerHost(world);
  const { fileSystem } = world;
  const isVerified = fileSystem === FUSE && !world.daemonForgets && world.verified;
  const monotonicMs = 5_000_000;
  const payload = parsePayload(
    Buffer.from(
      JSON.stringify({
        pid: world.pid,
        createdAt: world.createdAtValid ? new Date(NOW - world.ageMs).toISOString() : "?",
        ...(world.maxHoldMs === null ? {} : { maxHoldMs: world.maxHoldMs }),
        ...(world.recordsStartTime
          ? { starttime: Math.max(0, Math.floor(world.startTime + writerOffset(world))) }
          : {}),
        ...(world.kind === "plain" ? {} : { nonce: "n", monotonicMs }),
        ...(hasToken(world) ? { owner: formatToken(writerToken(world)) } : {}),
        ...(hasKernelLock(world)
          ? { kernelLock: `${world.copied === "device" ? "99" : fileSystem.device}:7` }
          : {}),
        ...(world.kind !== "plain" && world.recordsFileSystem && fileSystem.name !== null
          ? { fileSystem: fileSystem.name }
          : {}),
        ...(isVerified ? { verified: true } : {}),
      }),
    ),
  );
  if (payload === null) throw new Error("no payload");

  const identity = identityHere(world);
  const token = tokenOf(payload);
  const readToken = typeof token === "string" ? null : token;
  const found = `${fileSystem.device}:${world.copied === "inode" ? 8 : 7}`;
  const kernel = weighKernelLock(
    { recorded: payload, token: readToken, found },
    host,
    () => fileSystem,
    () => probe(world),
  );
  const owner = judgeOwner(payload, {
    kernel,
    verify: (asked) => verify(world, asked),
    identity: () => identity,
    host: { platform: "linux", startTimeOffset: world.readerOffset },
    tokenHost: host,
    sinceBootTicks: () => (world.hides.sinceBoot ? null : SINCE_BOOT_TICKS),
    startTimeOffsetOf: () => (isLocal(world) && isAlive(world) ? writerOffset(world) : 0),
    fileSystem: () => fileSystem,
    isOnOwnDisk: () => isDiskOfThisMachine(found, readToken, host),
    nested: lookAround(world),
    plainLocks: world.plainLocks,
    lease: null,
  });
  const isMonotonicKnown =
    payload.monotonicMs !== null && (kernel === "held" || isOfThisBoot(world));
  const classified = classifySessionLock(payload, {
    nowMs: NOW,
    staleMs: world.staleMs,
    graceMs: world.graceMs,
    mtimeMs: world.mtimeMs,
    monotonicNowMs:
      isMonotonicKnown && world.monotonicHeldMs !== null
        ? monotonicMs + world.monotonicHeldMs
        : null,
    respectMaxHold: world.respectMaxHold,
    unreadable: false,
    owner,
    kernel,
    pidAlive: identity.state !== "gone",
    heldHere: false,
    isSelf: false,
    inWorkerThread: world.inWorkerThread,
    atAcquire: world.atAcquire,
    ownerArgs: world.args,
    isOwnerArgv: (args) => args[0] === "openclaw",
  });
  return { ...classified, wantsLook: dependsOnNestedLook(classified, owner) };
}

/** By the wall clock, which no other clock outdoes. */
function isOverdue(world: World): boolean {
  return (
    world.respectMaxHold &&
    world.maxHoldMs !== null &&
    world.createdAtValid &&
    world.ageMs > world.maxHoldMs
  );
}

/** Written by a process that runs where the reader runs. */
const HERE = { otherHost: false, otherNamespace: false, earlierBoot: false } as const;

/** Makes the owner alive, and the world one in which that can be. */
function lives(world: World): World {
  const alive = { ...world, alive: true, earlierBoot: world.earlierBoot && world.otherHost };
  const { fileSystem } = alive;
  // A disk belongs to one kernel at a time: whose locks are seen on it has been moved here, or is dead.
  if (alive.otherHost && fileSystem === EXT) return { ...alive, ...HERE };
  // What lies on something shared beneath, and is another machine's container of the same image: not covered.
  const isSharedBeneath = alive.otherHost && (fileSystem === TMPFS || fileSystem === OVERLAY);
  if (isSharedBeneath && alive.hostIds === "image") return { ...alive, hostIds: "machine" };
  // An upper directory has one overlay at a time. A holder of the former one is only alive when it is one of
  // the reader's own processes, which kept the mount that went.
  if (isOfThisBoot(alive) && fileSystem === OVERLAY && alive.copied === "device") {
    const shown = { ...alive.hides, everything: false, startTime: false };
    return { ...alive, ...HERE, recordsNamespace: true, hides: shown };
  }
  return alive;
}

/** Nothing inside a container can see other containers' processes: hidden ones forbid nothing there. */
function withHonestLook(world: World): World {
  const isHost = world.readerNamespace === INITIAL_PID_NAMESPACE;
  return { ...world, lookMissesWriter: world.lookMissesWriter && isHost };
}

function oursOf({ kind }: World): World["kind"] {
  return kind === "plain" ? "package" : kind;
}

const RUNS = runs(4000);
const LIMITS: ReadonlySet<string> = new Set(["too-old", "invalid-createdAt", "hold-exceeded"]);

describe("a lock of this package whose owner lives", () => {
  const living = worlds.map((world) => lives({ ...world, kind: oursOf(world) }));

  test("a live owner's lock is removed only at acquire, beyond its own limit, and never without its guard", () => {
    fc.assert(
      fc.property(living, (world) => {
        const { removable, staleReasons } = judge(world);
        if (!removable) return;
        expect(staleReasons).toContain("hold-exceeded");
        expect(isOverdue(world)).toBe(true);
        expect(hasKernelLock(world)).toBe(true);
        expect(staleReasons.every((reason) => LIMITS.has(reason))).toBe(true);
      }),
      RUNS,
    );
  });

  test("a live owner's lock is never said to have a dead, recycled or foreign owner", () => {
    fc.assert(
      fc.property(living, (world) => {
        const { staleReasons, ownerState, wantsLook } = judge(world);
        // What only a look can tell is not said before it was made.
        expect(ownerState === "gone" && !wantsLook).toBe(false);
        if (wantsLook) return;
        expect(staleReasons.filter((reason) => !LIMITS.has(reason))).toEqual([]);
      }),
      RUNS,
    );
  });

  test("a live owner's token is never said to be of an ended process", () => {
    fc.assert(
      fc.property(living, (world) => {
        expect(verify(world, writerToken(world)).state).not.toBe("gone");
      }),
      RUNS,
    );
  });
});

describe("a plain lock whose owner lives", () => {
  /** Removed for one of the reasons that the documentation names. */
  function isAllowed(world: World, { staleReasons, ownerReason }: SessionLockClassification) {
    const isOverdueHold = staleReasons.includes("hold-exceeded") && isOverdue(world);
    // The known weakness of plain locks: no start time, and a title that is not recognised.
    const isForeign =
      staleReasons.includes("non-openclaw-owner") &&
      ownerReason === "unproven" &&
      isLocal(world) &&
      !world.recordsStartTime &&
      world.args?.[0] === "sleep";
    return isOverdueHold || isForeign;
  }

  const WRITER_PLACES: readonly (readonly [string, fc.Arbitrary<World>])[] = [
    ["here", worlds.map((world) => ({ ...world, ...HERE }))],
    [
      "in a container of this host",
      worlds.map((world) => ({
        ...world,
        ...HERE,
        otherNamespace: true,
        readerNamespace: INITIAL_PID_NAMESPACE,
      })),
    ],
    [
      "in a container of this container",
      worlds.map((world) => ({
        ...world,
        ...HERE,
        otherNamespace: true,
        isChild: true,
        readerNamespace: CONTAINER,
      })),
    ],
    [
      "anywhere, on a file system that may be a network's",
      fc
        .tuple(worlds, fc.constantFrom(NFS, UNLISTED))
        .map(([world, fileSystem]) => ({ ...world, fileSystem })),
    ],
  ];

  test.each(WRITER_PLACES)(
    "a live owner's plain lock is removed only as overdue or foreign: %s",
    (_, places) => {
      const living = places.map((world) => withHonestLook(lives({ ...world, kind: "plain" })));
      fc.assert(
        fc.property(living, (world) => {
          const verdict = judge(world);
          expect(verdict.removable && !isAllowed(world, verdict)).toBe(false);
        }),
        RUNS,
      );
    },
  );

  test("a live owner's plain lock is never removed, wherever it is, when the caller keeps those", () => {
    fc.assert(
      fc.property(worlds, (world) => {
        expect(judge({ ...world, kind: "plain", plainLocks: "keep" }).removable).toBe(false);
      }),
      RUNS,
    );
  });
});

describe("a lock whose owner is dead", () => {
  const dead = worlds.map((world): World => ({ ...world, alive: false }));

  function expectAll(
    places: fc.Arbitrary<World>,
    check: (verdict: ReturnType<typeof judge>, world: World) => void,
  ): void {
    fc.assert(
      fc.property(places, (world) => check(judge(world), world)),
      RUNS,
    );
  }

  test("a dead owner's lock whose kernel lock counts is removed, from whatever pid namespace", () => {
    const counting = fc
      .tuple(dead, fc.constantFrom(EXT, TMPFS, OVERLAY))
      .map(([world, fileSystem]): World => ({
        ...world,
        otherHost: false,
        earlierBoot: false,
        kind: "package",
        copied: "no",
        fileSystem,
      }));
    expectAll(counting, ({ removable, ownerReason }) => {
      expect({ removable, ownerReason }).toEqual({
        removable: true,
        ownerReason: "kernel-lock-free",
      });
    });
  });

  test("a dead owner's kernel lock counts on a disk from whatever boot and machine, and without token", () => {
    const onDisk = dead.map((world): World => ({
      ...world,
      kind: hasKernelLock(world) ? world.kind : "package-without-token",
      copied: "no",
      fileSystem: EXT,
    }));
    expectAll(onDisk, ({ removable, ownerReason }) => {
      expect({ removable, ownerReason }).toEqual({
        removable: true,
        ownerReason: "kernel-lock-free",
      });
    });
  });

  test("a dead owner's lock of this machine's earlier boot is removed, however it was called and numbered then", () => {
    const rebooted = fc
      .tuple(dead, fc.constantFrom(EXT, TMPFS, OVERLAY))
      .map(([world, fileSystem]): World => ({
        ...world,
        otherHost: false,
        otherNamespace: false,
        earlierBoot: true,
        // A share of this disk looks the same to a writer that does not say what it saw: then the machine must be known.
        hostIds:
          (fileSystem !== EXT || !world.recordsFileSystem) && world.hostIds === "none"
            ? "machine"
            : world.hostIds,
        kind: world.kind === "package" ? "package" : "package-without-kernel-lock",
        fileSystem,
      }));
    expectAll(rebooted, ({ removable, ownerState }) => {
      expect({ removable, ownerState }).toEqual({ removable: true, ownerState: "gone" });
    });
  });

  test("a dead owner's lock on a restarted container's overlay, and on FUSE that was verified, is decided", () => {
    const restarted = dead.map((world): World => ({
      ...world,
      ...HERE,
      otherNamespace: world.otherNamespace,
      kind: "package",
      recordsFileSystem: true,
      ...(world.daemonForgets
        ? { fileSystem: OVERLAY, copied: "device" }
        : { fileSystem: FUSE, copied: "no", verified: true }),
    }));
    expectAll(restarted, ({ removable, wantsLook, ownerState }) => {
      expect(removable || wantsLook).toBe(true);
      expect(ownerState).toBe("gone");
    });
  });

  test("a dead owner's lock with a token is removed where its pid is absent", () => {
    const absent = dead.map((world): World => ({
      ...world,
      ...HERE,
      kind: "package-without-kernel-lock",
      recordsNamespace: true,
      atPid: world.atPid === "other" ? "none" : world.atPid,
    }));
    expectAll(absent, ({ removable, ownerState }) => {
      expect({ removable, ownerState }).toEqual({ removable: true, ownerState: "gone" });
    });
  });

  test("a container's lock is removed by its host once that has looked at all processes", () => {
    const inContainer = dead.map((world): World => ({
      ...world,
      ...HERE,
      otherNamespace: true,
      readerNamespace: INITIAL_PID_NAMESPACE,
      kind: world.kind === "plain" ? "plain" : "package-without-kernel-lock",
      fileSystem: EXT,
      plainLocks: "judge",
      recordsNamespace: true,
      atPid: "none",
      otherContainerHasPid: false,
      lookIsIncomplete: false,
      lookMissesWriter: false,
    }));
    expectAll(inContainer, ({ removable, wantsLook }, { looked }) => {
      expect(removable || (wantsLook && !looked)).toBe(true);
    });
  });

  test("a dead owner's plain lock is removed where its pid is absent, inside a container at once", () => {
    const absent = fc
      .tuple(dead, fc.constantFrom(EXT, TMPFS, OVERLAY, FUSE))
      .map(([world, fileSystem]): World => ({
        ...world,
        ...HERE,
        readerNamespace: CONTAINER,
        kind: "plain",
        fileSystem,
        plainLocks: "judge",
        atPid: "none",
        otherContainerHasPid: false,
        looked: true,
      }));
    expectAll(absent, ({ removable, staleReasons }) => {
      expect({ removable, staleReasons }).toEqual({
        removable: true,
        staleReasons: expect.arrayContaining(["dead-pid"]) as string[],
      });
    });
  });

  test("a lock of another host is kept, but for one that was moved here on its disk", () => {
    const elsewhere = fc
      .tuple(dead, fc.constantFrom(TMPFS, OVERLAY, FUSE, NFS, UNLISTED))
      .map(([world, fileSystem]): World => ({
        ...world,
        otherHost: true,
        kind: oursOf(world),
        hostIds: world.hostIds === "image" ? "machine" : world.hostIds,
        fileSystem,
      }));
    expectAll(elsewhere, (verdict) => {
      expect(verdict).toMatchObject({ removable: false, ownerState: "unknown" });
    });
  });

  test("a lock of this package that names no process and has no kernel lock is kept", () => {
    expectAll(
      dead.map((world): World => ({ ...world, kind: "bare" })),
      (verdict) => {
        expect(verdict).toMatchObject({ removable: false, ownerReason: "no-token" });
      },
    );
  });

  test("another view of the file is never removed", () => {
    const viewed = dead.map((world): World => ({
      ...world,
      ...HERE,
      otherNamespace: world.otherNamespace,
      kind: "package",
      copied: "device",
      fileSystem: world.fileSystem === OVERLAY ? EXT : world.fileSystem,
    }));
    expectAll(viewed, ({ removable }) => {
      expect(removable).toBe(false);
    });
  });
});
