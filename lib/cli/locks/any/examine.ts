/** Judges locks of any form: files that were named, and what is in directories. */
import { wallMs } from "../../../util/clocks.js";
import { errorCode } from "../../../util/error-code.js";
import { printable } from "../../../util/printable.js";
import { TimeSlice } from "../../../util/time-slice.js";
import { absolutePath } from "../../../util/absolute-path.js";
import { hasReplacement } from "../../../session-lock/sweep/list-locks.js";
import { describeNotice } from "../../../session-lock/sweep/notices.js";
import { ownerRecogniser } from "../../../session-lock/openclaw-owner.js";
import { isProof, type SessionLockInspection } from "../../../session-lock/reasons.js";
import { hintAtLocksBelow } from "../below.js";
import { isPidOfAnother, isUndecided } from "../describe.js";
import type { ExamineOptions, SweepRequest } from "../examine.js";
import { isOurs, recognise, type Recognised, UNKNOWN } from "../forms/registry.js";
import type { AnyLockCounts, AnyLocksReport, ExaminedLock } from "./examined.js";
import { filesIn, type FileToExamine, whyNoLock } from "./find-files.js";
import { ForeignLocks, processOf } from "./foreign-locks.js";
import { type Found, lookAt } from "./look.js";
import { hasOpen, whoHasOpen } from "./open-files.js";
import { OwnLocks, type OwnKind } from "./own-locks.js";
import { isStopped } from "../stopped.js";
import type { AnyReason, Verdict } from "./verdict.js";
import type { KernelLock } from "./kernel-locks.js";
import { realLockFs } from "../../../lock/protocol/lock-fs.js";

/** What to look at. */
export interface AnyLockPlaces {
  readonly files: readonly string[];
  /** Of each, the entries that may be locks by their names. */
  readonly directories: readonly string[];
}

/** Judges every lock; removes those of this package that are proven abandoned when `fix` is set. */
export async function examineAnyLocks(
  { files, directories }: AnyLockPlaces,
  { fix, staleMs, ownerNames, plainLocks }: SweepRequest,
  { env, onProgress }: Omit<ExamineOptions, "signal">,
): Promise<AnyLocksReport> {
  const slice = new TimeSlice();
  const problems: string[] = [];
  const notices: string[] = [];
  // By path: what is named, and in a directory besides, is one lock.
  const wanted = new Map<string, FileToExamine>();
  for (const shown of files) {
    const file = { path: absolutePath(shown), shown };
    const obstacle = whyNoLock(file);
    if (obstacle === null) wanted.set(file.path, file);
    else notices.push(printable(obstacle));
  }
  const named = wanted.size;
  for (const directory of directories) {
    try {
      const inside = await filesIn(directory, slice);
      const hint = inside.length === 0 ? hintAtLocksBelow(directory) : null;
      if (hint !== null) notices.push(hint);
      for (const file of inside) {
        if (!wanted.has(file.path)) wanted.set(file.path, file);
      }
    } catch (error) {
      problems.push(cannotExamine("directory", directory, error));
    }
  }
  const isOwnerArgv = ownerNames.length === 0 ? undefined : ownerRecogniser(ownerNames);
  const own = new OwnLocks({ staleMs, removeStale: fix, env, plainLocks, isOwnerArgv }, slice);
  const examination = new Examination(own, new ForeignLocks(plainLocks, slice), slice);
  try {
    let index = 0;
    for (const file of wanted.values()) {
      if (slice.exhausted()) {
        onProgress?.(index, wanted.size);
        await slice.next();
      }
      const isThere = await examination.examine(file, index);
      // What a directory listed a while ago may be gone; what a person has named was mistyped.
      if (!isThere && index < named) problems.push(printable(`no such file: ${file.shown}`));
      else if (!isThere && hasReplacement(file.path)) {
        problems.push(describeNotice({ kind: "undecodable-name", path: file.shown }));
      }
      index++;
    }
    await examination.settle();
    onProgress?.(wanted.size, wanted.size);
  } finally {
    own.close();
  }
  const locks = examination.locks();
  return { locks, counts: countAll(locks), problems, notices };
}

class Examination {
  readonly #own: OwnLocks;
  readonly #foreign: ForeignLocks;
  readonly #slice: TimeSlice;
  readonly #found = new Map<number, ExaminedLock>();
  /** Files whose locks name no process that runs: their places in {@link #found}, and their inodes, by real path. */
  readonly #unnamed = new Map<string, { readonly index: number; readonly inode: bigint }>();

  constructor(own: OwnLocks, foreign: ForeignLocks, slice: TimeSlice) {
    this.#own = own;
    this.#foreign = foreign;
    this.#slice = slice;
  }

  /** @returns false when there is no such file. */
  async examine({ path, shown }: FileToExamine, index: number): Promise<boolean> {
    const look = lookAt(path);
    if (look.kind === "absent") return false;
    if (look.kind === "unreadable") {
      this.#found.set(index, unreadable(shown, look.error));
      return true;
    }
    if (look.file.hasOwnMark) {
      const isJudged = await this.#examineBarePid({ path, shown }, look, index);
      if (isJudged) return true;
    }
    // A bare pid of which the kernel says nothing is judged as any other program's.
    const recognised = recognise({ ...look.file, hasOwnMark: false });
    if (isOurs(recognised.form)) {
      const kind: OwnKind = recognised.form.kind === "session-lock" ? "session-lock" : "pidentity";
      await this.#own.judge(path, kind, (inspection) =>
        this.#found.set(index, ofOwn(shown, recognised, inspection)),
      );
      return true;
    }
    await this.#foreign.judge(path, look, recognised.claim, (judged) => {
      const lock = { ...ofForeign(shown, recognised, look), ...judged, stopped: null };
      this.#found.set(index, lock);
      if (lock.type !== "file" || !NAMES_NONE.has(lock.verdict.reason)) return;
      if (lock.pid === null) this.#unnamed.set(realPathOf(path), { index, inode: look.inode });
    });
    return true;
  }

  /** @returns false when the kernel does not tell whether the file is held. */
  async #examineBarePid(
    { path, shown }: FileToExamine,
    look: Found,
    index: number,
  ): Promise<boolean> {
    let isJudged = false;
    await this.#own.judge(path, "bare-pid", (inspection) => {
      if (inspection.ownerState === "unknown") return;
      isJudged = true;
      const own = { ...inspection, ...heldElsewhere(inspection, path, look) };
      this.#found.set(index, ofOwn(shown, recognise(look.file), own));
    });
    return isJudged;
  }

  async settle(): Promise<void> {
    await this.#own.settle();
    await this.#foreign.settle();
    const inodes = new Map([...this.#unnamed].map(([path, { inode }]) => [path, inode]));
    for (const [path, { pid, hasLock }] of await whoHasOpen(inodes, this.#slice)) {
      const index = this.#unnamed.get(path)?.index ?? -1;
      const lock = this.#found.get(index);
      const process = processOf(pid);
      if (lock === undefined || process === null) continue;
      // One that only writes need not be the one that has the lock.
      if (lock.kernel.state === "held" && !hasLock) continue;
      const verdict: Verdict = {
        state: "held",
        reason: hasLock ? "kernel-lock-held" : "open-for-writing",
      };
      const kernel: ExaminedLock["kernel"] = hasLock
        ? { state: "held", lock: { type: typeOf(lock), pid } }
        : lock.kernel;
      this.#found.set(index, { ...lock, verdict, kernel, pid, process });
    }
  }

  locks(): ExaminedLock[] {
    return [...this.#found].toSorted(([a], [b]) => a - b).map(([, lock]) => withStopped(lock));
  }
}

/** A number says nothing of its pid namespace: a holder has the file open. */
function heldElsewhere(
  { pid, ownerState, ownerReason }: SessionLockInspection,
  path: string,
  { inode }: Found,
): Pick<SessionLockInspection, "heldFrom"> {
  const isHeld = ownerState === "same" && ownerReason === "kernel-lock-held" && pid !== null;
  return isHeld && hasOpen(pid, realPathOf(path), inode) === false
    ? { heldFrom: "other-pid-namespace" }
    : {};
}

/** Of what is held by the process that was found, whether that is stopped. */
function withStopped(lock: ExaminedLock): ExaminedLock {
  const { verdict, process, pid } = lock;
  const isHolder = verdict.state === "held" && process !== null && pid !== null;
  return isHolder ? { ...lock, stopped: isStopped(pid) } : lock;
}

/** What else tells nothing of the process. */
const NAMES_NONE: ReadonlySet<AnyReason> = new Set([
  "no-owner",
  "kernel-lock-unknown",
  "kernel-lock-held",
]);

function typeOf({ kernel }: ExaminedLock): KernelLock["type"] {
  return kernel.state === "held" ? kernel.lock.type : null;
}

/** What the kernel calls an open file of that name. */
function realPathOf(path: string): string {
  try {
    return realLockFs.realpath(path);
  } catch {
    return path;
  }
}

function unreadable(lockPath: string, error: Error): ExaminedLock {
  return {
    lockPath,
    form: UNKNOWN,
    type: null,
    verdict: { state: "undecided", reason: "unreadable" },
    pid: null,
    host: null,
    process: null,
    stopped: null,
    writtenMs: null,
    ageMs: null,
    hasHeartbeat: false,
    kernel: { state: "unknown" },
    own: null,
    error,
  };
}

function ofForeign(
  lockPath: string,
  { form, claim }: Recognised,
  { file, mtimeMs }: Found,
): Omit<ExaminedLock, "verdict" | "kernel" | "pid" | "process" | "stopped"> {
  const writtenMs = claim.writtenMs ?? mtimeMs;
  return {
    lockPath,
    form,
    type: file.type,
    host: claim.host,
    writtenMs,
    ageMs: Math.max(0, wallMs() - Math.floor(writtenMs)),
    hasHeartbeat: claim.hasHeartbeat,
    own: null,
    error: null,
  };
}

function ofOwn(
  lockPath: string,
  { form }: Recognised,
  inspection: SessionLockInspection,
): ExaminedLock {
  const { pid, pidAlive, ageMs, createdAt } = inspection;
  const writtenMs = createdAt === null ? Number.NaN : Date.parse(createdAt);
  return {
    lockPath,
    form,
    type: "file",
    verdict: verdictOn(inspection),
    pid,
    host: null,
    process: pid !== null && pidAlive && !isPidOfAnother(inspection) ? processOf(pid) : null,
    stopped: null,
    writtenMs: Number.isNaN(writtenMs) ? null : writtenMs,
    ageMs,
    hasHeartbeat: false,
    kernel: kernelOf(inspection),
    own: { ...inspection, lockPath },
    error: inspection.error ?? null,
  };
}

function verdictOn(inspection: SessionLockInspection): Verdict {
  const { keptReason, ownerReason: reason, ownerState, staleReasons, removable } = inspection;
  const isUnclear = keptReason === "unreadable" || keptReason === "in-grace";
  if (isUnclear || isUndecided(inspection)) return { state: "undecided", reason };
  // That it is too old says nothing of its owner.
  const isAbandoned = removable || ownerState === "gone" || staleReasons.some(isProof);
  return { state: isAbandoned ? "stale" : "held", reason };
}

function kernelOf({ ownerReason, pid }: SessionLockInspection): ExaminedLock["kernel"] {
  switch (ownerReason) {
    case "kernel-lock-held":
      return { state: "held", lock: { type: null, pid } };
    case "kernel-lock-free":
      return { state: "free" };
    default:
      return { state: "unknown" };
  }
}

function countAll(locks: readonly ExaminedLock[]): AnyLockCounts {
  const counts = { total: locks.length, held: 0, free: 0, stale: 0, undecided: 0, removed: 0 };
  for (const { verdict, own } of locks) {
    counts[verdict.state]++;
    if (own?.removed === true) counts.removed++;
  }
  return counts;
}

function cannotExamine(what: string, path: string, error: unknown): string {
  const code = errorCode(error);
  return printable(
    code === "ENOENT"
      ? `no such ${what}: ${path}`
      : `cannot examine ${what} (${code ?? (error as Error).message}): ${path}`,
  );
}
