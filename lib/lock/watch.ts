/**
 * Watches a lock that another process holds: wakes when its file changes or goes, and notices its owner's end.
 *
 * Linux and macOS watch the lock file itself: a directory watcher would wake on every transcript append.
 * Windows can only watch directories. Where there is no watcher (inotify's limits), the tick alone notices changes.
 */
import { type FSWatcher, watch } from "node:fs";
import { basename, dirname } from "node:path";

import type { ExitWatch } from "../process/backends/backend.js";
import { isValidPid } from "../process/pid.js";
import { processBackend } from "../process/backends/select-backend.js";
import { closeQuietly, type LockFs } from "./protocol/lock-fs.js";
import { onAbort } from "../util/on-abort.js";
import type { Judgement } from "./verdict/judge.js";
import { type FileTimes, timesOf } from "./protocol/file-times.js";
import type { LockPayload } from "./protocol/payload.js";
import { probeLock } from "./verdict/reading.js";

// The longest time for which an owner's end, or a change that no watcher told, goes unnoticed.
const LONGEST_TICK_MS = 50;
const FIRST_TICK_MS = 1;
// A watcher costs as much as ten ticks: only for locks that stay.
const WATCHER_AFTER_MS = 6;

/** Why the wait is over. */
export type Wake = "changed" | "owner-ended" | "time-is-up";

/** Which file is at a path; inode numbers are used again at once, hence the time. */
export interface FileSighting extends FileTimes {
  readonly identity: string;
}

/** null: there is none. */
export function sightFile(path: string, fs: LockFs): FileSighting | null {
  const stats = fs.lstat(path);
  if (stats === null) return null;
  return {
    identity: `${String(stats.ino)}:${String(stats.mtimeNs)}:${String(stats.size)}`,
    ...timesOf(stats),
  };
}

export class LockWatch {
  readonly #lockPath: string;
  readonly #fs: LockFs;
  readonly #identity: string;
  /** The payload of a lock whose kernel lock is probed. */
  #probed: LockPayload | null = null;
  #owner: ExitWatch | null = null;
  #watcher: FSWatcher | null = null;
  #isWatcherTried = false;
  #wake: (() => void) | null = null;

  /**
   * @param sighting - Of the lock, from before it was judged: whatever changed since is a change, or a lock
   *   that vanished meanwhile would be waited for.
   */
  constructor(lockPath: string, sighting: FileSighting, fs: LockFs) {
    this.#lockPath = lockPath;
    this.#identity = sighting.identity;
    this.#fs = fs;
  }

  /** From now on the owner's end is noticed, too. */
  followOwner({ payload, facts }: Judgement): void {
    this.#probed = facts.kernel === "held" ? payload : null;
    const { pid } = payload ?? { pid: null };
    this.#owner ??= facts.pidAlive && isValidPid(pid) ? processBackend().watchExit(pid) : null;
  }

  /**
   * Waits for a change, the owner's end or `limitMs`, whichever comes first.
   *
   * @throws (rejection) the signal's reason when aborted; the file system's error when the lock cannot be looked at
   */
  async wait(limitMs: number, signal: AbortSignal | undefined): Promise<Wake> {
    const started = performance.now();
    let ticks = 0;
    for (let tick = FIRST_TICK_MS; ; tick = Math.min(tick * 2, LONGEST_TICK_MS)) {
      signal?.throwIfAborted();
      const sighting = sightFile(this.#lockPath, this.#fs);
      if (sighting?.identity !== this.#identity) return "changed";
      if (this.#ownerEnded(ticks++)) return "owner-ended";
      const waited = performance.now() - started;
      const left = limitMs - waited;
      if (left <= 0) return "time-is-up";
      if (waited >= WATCHER_AFTER_MS) this.#startWatcher();
      await this.#pause(Math.min(left, tick * (0.85 + Math.random() * 0.15)), signal);
    }
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = null;
    this.#owner?.close();
    this.#owner = null;
  }

  /**
   * Microseconds, and no inspection: the kept reference is asked, and the kernel lock probed. Where there is a
   * reference the lock is probed at every other tick: it seldom happens that a thread ends and its process lives on.
   */
  #ownerEnded(tick: number): boolean {
    if (this.#owner?.exited() === true) {
      this.#owner.close();
      this.#owner = null;
      return true;
    }
    if (this.#probed === null || (this.#owner !== null && tick % 2 === 1)) return false;
    try {
      const fd = this.#fs.openForReading(this.#lockPath);
      try {
        return probeLock(this.#probed, fd, this.#fs) === "acquired";
      } finally {
        closeQuietly(fd, this.#fs);
      }
    } catch {
      // Gone or unreadable by now: the look at its identity says so.
      return false;
    }
  }

  #startWatcher(): void {
    if (this.#isWatcherTried) return;
    this.#isWatcherTried = true;
    const watchesDirectory = process.platform === "win32";
    const target = watchesDirectory ? dirname(this.#lockPath) : this.#lockPath;
    const name = basename(this.#lockPath);
    try {
      const watcher = watch(target, { persistent: false }, (_event, changed) => {
        if (!watchesDirectory || changed === null || changed === name) this.#wake?.();
      });
      // The watcher is a hint; the tick notices what it misses.
      watcher.on("error", () => watcher.close());
      this.#watcher = watcher;
    } catch {
      // No watcher (see above): the tick alone notices changes.
    }
  }

  #pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        stopListening();
        this.#wake = null;
        resolve();
      };
      const timer = setTimeout(finish, ms);
      const stopListening = onAbort(signal, finish);
      this.#wake = finish;
    });
  }
}
