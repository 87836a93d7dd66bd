/**
 * Watches a lock that somebody else holds: wakes when its file changes or goes, and notices its owner's end.
 *
 * Linux and macOS watch the lock file itself: a directory watcher would wake on every transcript append.
 * Windows can only watch directories. Where no watcher is to be had (inotify's limits), the tick alone does.
 */
import { type FSWatcher, watch } from "node:fs";
import { basename, dirname } from "node:path";

import type { ExitWatch } from "../process/backend.js";
import { isValidPid } from "../process/pid.js";
import { processBackend } from "../process/select-backend.js";
import type { LockFs } from "../util/lock-fs.js";
import type { LockCase } from "./judge.js";

// The longest time for which an owner's end, or a change that no watcher told, goes unnoticed.
const LONGEST_TICK_MS = 50;
const FIRST_TICK_MS = 2;

/** Why the wait is over. */
export type Wake = "changed" | "owner-ended" | "time-is-up";

export class LockWatch {
  readonly #lockPath: string;
  readonly #fs: LockFs;
  readonly #probesKernelLock: boolean;
  readonly #identity: string;
  #owner: ExitWatch | null;
  #watcher: FSWatcher | null;
  #wake: (() => void) | null = null;

  /** @param lockCase - The lock as it was last judged. */
  constructor(lockCase: LockCase, fs: LockFs) {
    this.#lockPath = lockCase.lockPath;
    this.#fs = fs;
    this.#identity = this.#fileIdentity();
    this.#probesKernelLock = lockCase.facts.kernel === "held";
    const { pid } = lockCase.payload ?? { pid: null };
    this.#owner =
      lockCase.facts.pidAlive && isValidPid(pid) ? processBackend().watchExit(pid) : null;
    this.#watcher = this.#startWatcher();
  }

  /**
   * Waits for a change, the owner's end or `limitMs`, whichever comes first.
   *
   * @throws the signal's reason (rejection) when aborted
   */
  async wait(limitMs: number, signal: AbortSignal | undefined): Promise<Wake> {
    const deadline = performance.now() + limitMs;
    for (let tick = FIRST_TICK_MS; ; tick = Math.min(tick * 2, LONGEST_TICK_MS)) {
      signal?.throwIfAborted();
      if (this.#fileIdentity() !== this.#identity) return "changed";
      if (this.#ownerEnded()) return "owner-ended";
      const left = deadline - performance.now();
      if (left <= 0) return "time-is-up";
      await this.#pause(Math.min(left, tick * (0.75 + Math.random() / 4)), signal);
    }
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = null;
    this.#owner?.close();
    this.#owner = null;
  }

  /** Which file is at the path now; inode numbers are used again at once, hence the time. */
  #fileIdentity(): string {
    const stats = this.#fs.lstat(this.#lockPath);
    return stats === null
      ? ""
      : `${String(stats.ino)}:${String(stats.mtimeNs)}:${String(stats.size)}`;
  }

  /** Microseconds, and no inspection: the kept reference is asked, or the kernel lock probed. */
  #ownerEnded(): boolean {
    if (this.#owner?.exited() === true) {
      this.#owner.close();
      this.#owner = null;
      return true;
    }
    if (!this.#probesKernelLock) return false;
    try {
      const fd = this.#fs.openForReading(this.#lockPath);
      try {
        return this.#fs.probe(fd) === "acquired";
      } finally {
        this.#fs.close(fd);
      }
    } catch {
      // Gone or unreadable by now: the look at its identity says so.
      return false;
    }
  }

  #startWatcher(): FSWatcher | null {
    const watchesDirectory = process.platform === "win32";
    const target = watchesDirectory ? dirname(this.#lockPath) : this.#lockPath;
    const name = basename(this.#lockPath);
    try {
      const watcher = watch(target, { persistent: false }, (_event, changed) => {
        if (!watchesDirectory || changed === null || changed === name) this.#wake?.();
      });
      // The watcher is a hint; the tick notices what it misses.
      watcher.on("error", () => watcher.close());
      return watcher;
    } catch {
      return null;
    }
  }

  #pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", finish);
        this.#wake = null;
        resolve();
      };
      const timer = setTimeout(finish, ms);
      signal?.addEventListener("abort", finish, { once: true });
      this.#wake = finish;
    });
  }
}
