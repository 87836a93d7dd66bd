/** What processes do to a lock, each as one call of the product's own function. */
import { type JudgingPolicy, judgeNow } from "../../../lib/lock/verdict/judge.js";
import { removeLeftover } from "../../../lib/lock/protocol/leftovers.js";
import { parsePayload } from "../../../lib/lock/protocol/payload.js";
import type { Published } from "../../../lib/lock/protocol/new-lock-file.js";
import { tryPublish } from "../../../lib/lock/protocol/publish.js";
import { readLock } from "../../../lib/lock/verdict/reading.js";
import { tryReclaim } from "../../../lib/lock/reclaim.js";
import { tryRelease } from "../../../lib/lock/protocol/release.js";
import { Hold } from "../../../lib/lock/hold.js";
import { errorCode } from "../../../lib/util/error-code.js";
import type { LockFailure } from "../../../lib/lock/failure.js";
import { LockHandle } from "../../../lib/lock/handle.js";
import type { LockFace } from "../../../lib/lock/held-lock.js";
import { INODE_GUARD } from "../../../lib/lock/protocol/guard.js";
import { guardFilePathOf } from "../../../lib/lock/protocol/names.js";
import {
  HOLD_LIMIT_MS,
  LOCK_KINDS,
  LOCK_PATH,
  type LockKind,
  lockText,
  nonceOf,
  type Operation,
  type Surroundings,
  temporaryOf,
} from "./automaton.js";

/** @param isLockless - What a holder that was refused its kernel lock takes the file system for. */
export function operationsOf(
  platform: NodeJS.Platform,
  isLockless = false,
): Readonly<Record<(typeof OPERATIONS)[number], Operation>> {
  return {
    publish: ({ fs }) => {
      try {
        return orRefused(() => tryPublish(LOCK_PATH, DRAFT, fs, platform).kind);
      } catch (error) {
        // Its temp was swept away again and again: the caller is told.
        if (error instanceof Error && error.message === "ENOENT") return "swept";
        throw error;
      }
    },
    inspect,
    ...byKind("reclaim", (kind) => (surroundings) => {
      return reclaim(surroundings, lockText(0, 0, kind));
    }),
    "reclaim empty": (surroundings) => reclaim(surroundings, ""),
    ...byKind("fence", (kind) => (surroundings) => fence(surroundings, held(kind, isLockless))),
    ...byKind("release", (kind) => (surroundings) => {
      return release(surroundings, held(kind, isLockless));
    }),
    close: ({ fs }) => {
      fs.close(HELD_FD);
      return "closed";
    },
    ...Object.fromEntries(
      SWEEPS.map((name, index) => [
        name,
        ({ fs }: Surroundings): string => {
          const path = index < 3 ? temporaryOf(index) : guardFilePathOf(LOCK_PATH);
          return sweep(path, fs);
        },
      ]),
    ),
  } as Record<(typeof OPERATIONS)[number], Operation>;
}

/** One operation for each kind of lock, `<name> <kind>`. */
function byKind(name: string, make: (kind: LockKind) => Operation): Record<string, Operation> {
  return Object.fromEntries(LOCK_KINDS.map((kind) => [`${name} ${kind}`, make(kind)]));
}

export const SWEEPS = ["sweep T0", "sweep T1", "sweep T2", "sweep G"] as const;

const OPERATIONS = [
  "publish",
  "inspect",
  "reclaim owned",
  "reclaim locked",
  "reclaim unlocked",
  "reclaim plain",
  "reclaim empty",
  "fence owned",
  "fence locked",
  "fence unlocked",
  "release owned",
  "release locked",
  "release unlocked",
  "close",
  ...SWEEPS,
] as const;

/** The first descriptor that a process opens is the one that it keeps. */
const HELD_FD = 0;

const DRAFT = {
  pid: 1,
  createdAt: "",
  maxHoldMs: HOLD_LIMIT_MS,
  starttime: null,
  owner: null,
  monotonicMs: null,
  label: null,
  lease: null,
};

/** The process's own lock. The model has no inode numbers to write into it: the nonce has to tell. */
export const OWN_LOCK: Pick<Published, "nonce" | "text"> = {
  nonce: nonceOf(0),
  text: "of unknown inode",
};

/** The same as its holder knows it. */
function held(kind: LockKind, isLockless: boolean): Published {
  const isLocked = kind === "locked" || kind === "owned";
  return {
    kind: "published",
    fd: HELD_FD,
    ...OWN_LOCK,
    guard: kind === "owned" ? INODE_GUARD : null,
    stamp: kind === "owned" ? stampOf(0, 0) : null,
    kernelLock: isLocked ? "1:0" : null,
    showsWhenFree: isLocked,
    isLockless: isLockless && !isLocked,
  };
}

/** Of the n-th lock that an operation has seen, in the inode to which it gives that number. */
export function stampOf(inode: number, lock: number | null): string {
  return `1:${inode} ${lock ?? "empty"}`;
}

export function policyAt(nowMs: () => number): JudgingPolicy {
  return {
    nowMs,
    staleMs: 1e12,
    graceMs: 1,
    respectMaxHold: true,
    atAcquire: true,
    isHeldHere: () => false,
    isOwnerArgv: () => true,
    plainLocks: "judge",
    present: (inspection) => inspection,
  };
}

function inspect({ fs, evidence, nowMs }: Surroundings): string {
  const reading = readLock(LOCK_PATH, fs, evidence);
  if (reading.kind === "absent") return "absent";
  if (reading.kind === "unreadable") throw reading.error;
  const { inspection } = judgeNow(reading, policyAt(nowMs), evidence, () => null);
  return inspection.removable ? "removable" : "kept";
}

function reclaim({ fs, evidence, nowMs }: Surroundings, judged: string): string {
  const bytes = Buffer.from(judged);
  const reading = {
    kind: "lock",
    lockPath: LOCK_PATH,
    bytes,
    payload: parsePayload(bytes),
    kernel: "free",
    guard: null,
    isUnaskable: false,
    fileId: null,
    mtimeMs: 0,
    ctimeMs: 0,
  } as const;
  // The first look is over; what it saw is given.
  const seen = { ...evidence, identity: () => GONE, verify: () => VERDICT };
  const first = judgeNow(
    reading,
    policyAt(() => 0),
    seen,
    () => null,
  );
  const judgement = { ...first, policy: policyAt(nowMs) };
  return orRefused(() => tryReclaim(judgement, fs).attempt.kind);
}

const GONE = { state: "gone", reason: "no-such-process", startTime: null, exactId: null } as const;
const VERDICT = { state: "gone", reason: "no-such-process" } as const;

function release({ fs }: Surroundings, lock: Published): string {
  return orRefused(() => tryRelease(LOCK_PATH, lock, fs).kind);
}

const REFUSALS: ReadonlySet<string | undefined> = new Set(["ENOLCK", "ENOTSUP", "ENOSPC"]);

/** What a kernel that refuses a lock leads to: an error, of which the caller is told. */
function orRefused(operate: () => string): string {
  try {
    return operate();
  } catch (error) {
    if (REFUSALS.has(errorCode(error))) return "refused";
    throw error;
  }
}

/** The engine's failures as they are. */
class Failed extends Error {
  readonly kind: LockFailure["kind"];

  constructor({ kind }: LockFailure) {
    super(kind);
    this.kind = kind;
  }
}

const FACE: LockFace<LockHandle> = {
  logTag: "model",
  toError: (failure) => new Failed(failure),
  handleOf: (hold) => new LockHandle(hold, FACE.toError),
  traced: (file) => ({ file }),
};

const ANSWERS = { lost: "lost", timeout: "busy", file: "refused", stale: "stale" } as const;

function fence({ fs, write, stop }: Surroundings, lock: Published): string {
  let time = 0;
  const hold = new Hold({
    lockPath: LOCK_PATH,
    file: "/sessions/s.jsonl",
    label: null,
    face: FACE,
    lock,
    maxHoldMs: HOLD_LIMIT_MS,
    fs,
    // So patient that one look at a busy guard is enough: the next look is another operation.
    now: () => (time += 1000),
    warn: () => {},
    onEnd: () => {},
    lease: null,
  });
  try {
    hold.open(FACE).withFence(() => {
      write("begins");
      write("ends");
    });
    return "written";
  } catch (error) {
    if (error instanceof Failed) return ANSWERS[error.kind];
    throw error;
  } finally {
    stop();
    hold.releaseNow();
  }
}

function sweep(path: string, fs: Surroundings["fs"]): string {
  try {
    return orRefused(() =>
      removeLeftover(path, fs, { nowMs: 1e12, graceMs: 0 }) ? "removed" : "left",
    );
  } catch (error) {
    // Gone between two calls: the sweep's caller logs it.
    if (error instanceof Error && error.message === "ENOENT") return "gone";
    throw error;
  }
}
