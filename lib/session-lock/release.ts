/** Removes one's own lock, and nobody else's: the look at the nonce and the removal are one step. */
import type { LockFs } from "../util/lock-fs.js";
import { tryEnterGuard } from "./guard.js";
import { isOwnLock, type OwnLock } from "./read-lock.js";
import { freeName, type RemovalAttempt } from "./remove.js";

/** `not-ours`: the file is gone or another acquisition's. `busy`: somebody is in the guard, or has the file. */
export type ReleaseAttempt =
  | { readonly kind: "removed" | "not-ours" }
  | { readonly kind: "busy"; readonly error?: Error };

/**
 * Tries once; never waits.
 *
 * Without a guard the nonce is compared all the same: such a holder is never displaced, so what it sees
 * is still there when it unlinks.
 *
 * @param free - How the name is freed.
 * @throws the file system's error
 */
export function tryRelease(
  lockPath: string,
  own: OwnLock,
  fs: LockFs,
  free: (lockPath: string, fs: LockFs) => RemovalAttempt = freeName,
): ReleaseAttempt {
  const guard = tryEnterGuard(lockPath, fs);
  if (guard.kind === "busy") return guard;
  try {
    if (!isOwnLock(lockPath, own, fs)) return { kind: "not-ours" };
    const removal = free(lockPath, fs);
    return removal.kind === "busy" ? removal : { kind: "removed" };
  } finally {
    if (guard.kind === "entered") guard.leave();
  }
}
