/** Why `breakLock` keeps a lock. */

/**
 * Why a lock was not broken. In each case the file is still as it was.
 *
 * - `changed`: what is at the path is not the lock that was looked at
 * - `owner-alive`: its owner provably runs, or has handed its kernel lock to a process that does; `force` removes it
 * - `held-here`: this very thread holds it, and releases it rather
 * - `guard-busy`: other processes were at work on it all the time; `guardPath` names the guard
 * - `no-guard`: this process or file system has no way to make the removal safe (no addon, no kernel locks), the guard is
 *   a later version's, or the living owner cannot notice that its lock is gone
 * - `other-view`: the holder's file lies on another device; this is another view of it, with no guard in common;
 *   `force` removes it where its owner is proven gone
 * - `not-a-lock`: the file has the form of no lock
 * - `unreadable`: it is no regular file, too large, or this process may not read it
 * - `error`: the file system refused the removal
 */
export type BreakRefusal =
  | "changed"
  | "owner-alive"
  | "held-here"
  | "guard-busy"
  | "no-guard"
  | "other-view"
  | "not-a-lock"
  | "unreadable"
  | "error";
