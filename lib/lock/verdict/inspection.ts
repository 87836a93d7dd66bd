/** What is reported of one lock. */
import type { LeaseOfLock } from "../protocol/lease-claim.js";
import type { ClassifiedKeptReason, StaleReason } from "./classify.js";
import type { HeldFrom } from "./held-from.js";
import type { OwnerReason, OwnerState } from "./owner-judgement.js";

/**
 * Why a lock is kept although something is wrong with it.
 *
 * - `owner-alive`: only its age speaks against it, and its owner runs
 * - `owner-unknown`: nothing proves its owner gone (another host or pid namespace, access denied)
 * - `unreadable`: the file is not a regular one or cannot be read
 * - `in-grace`: no pid, but the file is so young that its writer may still be writing
 * - `no-guard`: this file system or process offers no way to make the removal safe
 * - `guard-busy`: another process was changing this very lock
 * - `other-view`: the holder's file lies on another device; this is another view of it
 * - `changed`: the lock, or what is known of its owner, changed between the look and the removal
 * - `dry-run`: removable, but the caller asked to remove nothing
 * - `error`: the removal failed; see `error`
 */
export type KeptReason =
  | NonNullable<ClassifiedKeptReason>
  | "guard-busy"
  | "changed"
  | "dry-run"
  | "error";

/** What is known and decided about one lock file. `Reason`: the reasons, as a face of the engine names them. */
export interface LockInspection<Reason extends string = StaleReason> {
  readonly lockPath: string;
  readonly pid: number | null;
  /** A process with that pid runs here; whether it is the lock's owner is {@link ownerState}. */
  readonly pidAlive: boolean;
  readonly createdAt: string | null;
  /** Milliseconds since createdAt by the wall clock, never negative; null when createdAt is invalid. */
  readonly ageMs: number | null;
  readonly stale: boolean;
  readonly staleReasons: readonly Reason[];
  /** The verdict; {@link removed} says whether it was carried out. */
  readonly removable: boolean;
  readonly keptReason: KeptReason | null;
  readonly removed: boolean;
  readonly ownerState: OwnerState;
  readonly ownerReason: OwnerReason;
  /**
   * Of a lock that is held, when `pid` is not its holder's here: it is the number of another host or pid namespace (what
   * has it here is another process), or its owner has ended and a process that it started holds the lock (`heir`).
   */
  readonly heldFrom?: HeldFrom;
  /** The lease that the lock was taken under; null: it names none. Whether it still runs only its store knows. */
  readonly lease: LeaseOfLock | null;
  /** The I/O error behind the kept reasons `unreadable`, `no-guard` and `error`; for `guard-busy` it names the guard. */
  readonly error?: Error;
}
