/** What a lock of this thread is to the rest of the engine, and what a face makes of it. */
import type { Published } from "./protocol/new-lock-file.js";
import type { LockLease } from "./lease-above.js";
import type { LockInFenceError } from "./fence-error.js";
import type { FileFailure, LockLoss, LostFailure, ToError } from "./failure.js";

/** A lock of this thread, as a list of all of them shows it. */
export interface HeldLockSummary {
  readonly lockPath: string;
  /** The text that was given when it was acquired. */
  readonly label: string | null;
  /** Milliseconds on the monotonic clock. */
  readonly heldMs: number;
}

/** One lock of this thread, as all copies of the module see it. */
export interface HeldLock extends HeldLockSummary {
  /** The open lock file and what it shows: for a child process that is to keep the kernel lock. */
  readonly published: Pick<Published, "fd" | "kernelLock">;
  /** False as soon as its release begins. */
  readonly isHeld: boolean;
  /**
   * Looks whether the file is still this lock's; when it is not, `lost` aborts and the hold ends.
   *
   * @throws the file system's error when that cannot be seen
   */
  readonly isStillOurs: () => boolean;
  /** One more handle to it. */
  readonly open: <Handle>(face: LockFace<Handle>) => Handle;
  /** Aborts `lost`; the file stays. */
  readonly lose: (loss: LockLoss, why: string) => void;
  /** Aborts `lost` and ends the hold; resolves to why the file is still there and looks held, or to null. */
  readonly drain: () => Promise<FileFailure | null>;
  /**
   * Ends the hold synchronously, as far as that is possible; for the thread's end. Tries once,
   * and then for `patienceMs` (default 0) while another process is in the guard.
   */
  readonly releaseNow: (patienceMs?: number) => void;
  /** What the watchdog does every minute. */
  readonly check: () => void;
  /** Another acquisition of this thread waits: the limit must be noticed at once, not within the watchdog's minute. */
  readonly checkOnTime: () => void;
  /** The guarded file, as it was given and made absolute. */
  readonly file: string;
  /** Above the lock; null: none. */
  readonly lease: LockLease | null;
  /** null: the lock is not lost. */
  readonly loss: LostFailure | null;
  /** Calls `listener` once when the lock is lost. */
  readonly onLoss: (listener: (loss: LostFailure) => void) => void;
  /** One handle less; with the last one the lock ends. */
  readonly close: (toError: ToError) => Promise<void>;
  /** The same; where it has to wait it stops the thread. */
  readonly closeAtOnce: (toError: ToError) => void;
  /** An end that has begun comes to its end before this returns; else nothing. */
  readonly hurry: () => void;
  /** @throws LockInFenceError inside a fence of this lock, which such a call would wait for */
  readonly assertOutsideFence: (call: LockInFenceError["call"]) => void;
  readonly withFence: <T>(write: () => T, toError: ToError) => T;
  readonly assertStillHeld: (toError: ToError) => void;
}

/** One of the public layers above the engine: what it calls things. */
export interface LockFace<Handle> {
  /** What log lines begin with. */
  readonly logTag: string;
  readonly toError: ToError;
  readonly handleOf: (hold: HeldLock) => Handle;
  /** What the acquisition's trace says of the guarded file. */
  readonly traced: (file: string) => object;
}
