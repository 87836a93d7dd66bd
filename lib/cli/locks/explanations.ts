/**
 * Every reason of a verdict: what it means and what to do about it. The one place of these texts; lib/cli/README.md
 * repeats them, and a test compares the two. Pure data.
 */
import type { KeptReason } from "../../lock/verdict/inspection.js";
import type { StaleReason } from "../../session-lock/reasons.js";

export interface Explanation {
  /** In short, for a table's cell. */
  readonly brief: string;
  /** The same as a clause: behind "stale:", "kept:", "but". */
  readonly clause: string;
  readonly meaning: string;
  readonly remedy: string;
}

/** Why locks are stale, in the order in which reasons are listed. */
export const STALE_REASONS: Readonly<Record<StaleReason, Explanation>> = {
  "missing-pid": {
    brief: "names no process",
    clause: "it names no process",
    meaning:
      "The file has no valid pid: its writer ended while writing it, or something else wrote it.",
    remedy: "--fix removes it once it is 30 s old.",
  },
  "dead-pid": {
    brief: "process has ended",
    clause: "its process has ended",
    meaning: "No process has this pid any more, or the lock was written before the last reboot.",
    remedy: "--fix removes it. So does the next process that wants the lock.",
  },
  "recycled-pid": {
    brief: "pid was reused",
    clause: "its pid belongs to another process now",
    meaning: "A process has this pid, but it is provably not the one that wrote the lock.",
    remedy: "--fix removes it. The process that has the pid now has nothing to do with it.",
  },
  "holder-gone": {
    brief: "holder let go of it",
    clause: "the process that held it has let go of it",
    meaning:
      "Holders keep a kernel lock on the file, and the kernel says that it is free: the holder's " +
      "thread, process or container has ended. Or a process that took the lease above the lock later has " +
      "seen its earlier epoch (lease-superseded): its holder has lost the lease, and may not write any more.",
    remedy:
      "--fix removes it where the kernel says so, and the next holder of the lease otherwise.",
  },
  "invalid-createdAt": {
    brief: "undated",
    clause: "it does not say when it was made",
    meaning: "The file's createdAt is missing or is not a date.",
    remedy: "Nothing by itself. Find out which program writes such locks.",
  },
  "too-old": {
    brief: "old",
    clause: "it is older than the limit",
    meaning: "The lock was taken longer ago than the limit (--stale-ms, 30 minutes by default).",
    remedy: "Age alone never removes a lock. If its owner still runs and hangs, restart the owner.",
  },
  "hold-exceeded": {
    brief: "held for too long",
    clause: "it is held longer than its owner meant to",
    meaning: "The lock is older than the maxHoldMs that its owner wrote into it.",
    remedy: "The next process that wants the lock takes it.",
  },
  "orphan-self-pid": {
    brief: "left by this process",
    clause: "an earlier life of this very process left it",
    meaning: "The lock names the process that looks at it, which does not hold it.",
    remedy: "--fix removes it.",
  },
  "non-openclaw-owner": {
    brief: "foreign program",
    clause: "its pid belongs to a program that does not write such locks",
    meaning:
      "Nothing proves that the pid's process wrote the lock, and its command line is another program's.",
    remedy:
      "--fix removes it. If that program does write such locks, name it: --owner NAME (in programs: isOwnerArgv).",
  },
};

/** Why locks are kept although something is wrong with them. */
export const KEPT_REASONS: Readonly<Record<KeptReason, Explanation>> = {
  "owner-alive": {
    brief: "owner runs",
    clause: "its owner still runs",
    meaning: "Something speaks against the lock, but the process that took it is still there.",
    remedy: "Nothing. If the owner hangs, restart it: the lock goes with it.",
  },
  "owner-unknown": {
    brief: "owner not provable",
    clause: "nothing proves that its owner is gone",
    meaning: "Another host, container or user wrote it, or a newer version of this package.",
    remedy:
      "Look from there. When you know that the owner is gone: pidentity break. One beneath a lease goes when that lease is next taken.",
  },
  unreadable: {
    brief: "cannot be read",
    clause: "it cannot be read",
    meaning: "The file is no regular file, is far too large, or you may not read it.",
    remedy: "Look at the file and its permissions.",
  },
  "in-grace": {
    brief: "being written?",
    clause: "it is so young that its writer may still be writing it",
    meaning: "The file names no process, but it is less than 30 s old.",
    remedy: "Look again in 30 s.",
  },
  "no-guard": {
    brief: "no safe way",
    clause: "there is no safe way to remove it here",
    meaning: "Removing takes kernel locks: the native addon and a file system that has them.",
    remedy: "See pidentity native. On a network share, run this on the file server.",
  },
  "guard-busy": {
    brief: "being changed",
    clause: "another process is changing it",
    meaning:
      "Another process was taking or removing the lock, or was stopped while doing so: in the guard that the message names, its own or another library's (.reclaim).",
    remedy:
      "Try again. If it stays: look for a stopped process, and continue or end it. A .reclaim that names no living process counts for 10 minutes.",
  },
  "other-view": {
    brief: "copy of a lock?",
    clause: "its holder sees it on another device: this may be a copy of it",
    meaning: "The holder's file lies on another device than this one, as under an overlay mount.",
    remedy:
      "Run this where the holder runs. When its owner is gone and no process uses the file through another mount: pidentity break --force.",
  },
  changed: {
    brief: "changed hands",
    clause: "at the last moment it changed hands, or its owner was found to run",
    meaning: "Between the look and the removal another process took the lock.",
    remedy: "Nothing: all is well.",
  },
  "dry-run": {
    brief: "not asked to",
    clause: "nothing was to be removed",
    meaning: "The lock can be removed, and that was not asked for.",
    remedy: "Run again with --fix.",
  },
  error: {
    brief: "removal failed",
    clause: "removing it failed",
    meaning: "The operating system refused to remove the file.",
    remedy: "See the error: most often the directory's permissions.",
  },
};
