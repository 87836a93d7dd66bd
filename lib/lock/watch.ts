/**
 * Watches a lock that another process holds: wakes when its file changes or goes, and notices its owner's end.
 *
 * What the kernel tells wakes at once; for the rest, and in case it does not, a tick asks (ticker.ts).
 */
import type { ProcessReference } from "../process/backends/backend.js";
import { isValidPid } from "../process/pid.js";
import { processBackend } from "../process/backends/select-backend.js";
import { runtimeMs } from "../util/clocks.js";
import { abortReason, onAbort, throwIfAborted } from "../util/on-abort.js";
import { waitSynchronously } from "../util/timers.js";
import { FileWatcher } from "./file-watcher.js";
import { type FileTimes, timesOf } from "./protocol/file-times.js";
import { closeQuietly, type LockFs } from "./protocol/lock-fs.js";
import type { LockPayload } from "./protocol/payload.js";
import { tickAfter, ticker } from "./ticker.js";
import type { Judgement } from "./verdict/judge.js";
import { probeLock } from "./verdict/reading.js";

// A watcher costs as much as a tick: only for locks that stay.
const WATCHER_AFTER_MS = 6;
// Jitter: processes that wait for one lock must not look in step.
const LEAST_JITTERED = 0.85;
// Slack, to share a wake-up: two waiters of one process that look equally often come to share theirs, whatever lies
// between them, if half of the time to the next one is enough.
const SOONEST = LEAST_JITTERED / 2;

function jittered(tick: number): number {
  return tick * (LEAST_JITTERED + Math.random() * (1 - LEAST_JITTERED));
}

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
  readonly #since = runtimeMs();
  /** Since when nothing was told. */
  #quietSince = this.#since;
  #looksSinceTold = 0;
  /** The kind of a lock whose kernel lock is probed. */
  #probed: Pick<LockPayload, "guard"> | null = null;
  #owner: ProcessReference | null = null;
  #watcher: FileWatcher | null = null;
  #onTold: (() => void) | null = null;

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
  followOwner({ reading, payload, facts }: Judgement): void {
    this.#probed = facts.kernel === "held" && reading.kind === "lock" ? reading : null;
    const { pid } = payload ?? { pid: null };
    this.#owner ??= facts.pidAlive && isValidPid(pid) ? processBackend().reference(pid) : null;
  }

  /**
   * Waits for a change, the owner's end or `limitMs`, whichever comes first. One wait at a time.
   *
   * @throws (rejection) the signal's reason when aborted; the file system's error when the lock cannot be looked at
   */
  async wait(limitMs: number, signal: AbortSignal | undefined): Promise<Wake> {
    throwIfAborted(signal);
    const endsAt = runtimeMs() + limitMs;
    const atOnce = this.#look(endsAt);
    if (atOnce !== null) return atOnce;
    return await new Promise((resolve, reject) => {
      const look = (): void => {
        try {
          const wake = this.#look(endsAt);
          if (wake === null) stopTick = this.#tick(endsAt, look);
          else end(() => resolve(wake));
        } catch (error) {
          end(() => reject(error));
        }
      };
      const end = (settle: () => void): void => {
        stopTick();
        stopListening();
        this.#onTold = null;
        settle();
      };
      this.#onTold = () => {
        stopTick();
        look();
      };
      const stopListening = onAbort(signal, () => end(() => reject(abortReason(signal))));
      let stopTick = this.#tick(endsAt, look);
    });
  }

  /** {@link wait} that stops the thread: by looks alone. @throws the file system's error */
  waitAtOnce(limitMs: number): Wake {
    const endsAt = runtimeMs() + limitMs;
    for (;;) {
      const wake = this.#look(endsAt);
      if (wake !== null) return wake;
      const now = runtimeMs();
      waitSynchronously(
        Math.min(Math.max(endsAt - now, 0), jittered(tickAfter(now - this.#since, false))),
      );
    }
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = null;
    this.#owner?.close();
    this.#owner = null;
  }

  /** Microseconds, and no inspection. null: go on waiting. */
  #look(endsAt: number): Wake | null {
    const sighting = sightFile(this.#lockPath, this.#fs);
    if (sighting?.identity !== this.#identity) return "changed";
    if (this.#ownerEnded(this.#looksSinceTold++)) return "owner-ended";
    return runtimeMs() >= endsAt ? "time-is-up" : null;
  }

  /** Looks follow at once and soon after: the kernel tells a close just before it drops the lock with it. */
  #told(): void {
    this.#quietSince = runtimeMs();
    this.#looksSinceTold = 0;
    this.#onTold?.();
  }

  /** @returns stops it */
  #tick(endsAt: number, look: () => void): () => void {
    const now = runtimeMs();
    if (now - this.#since >= WATCHER_AFTER_MS) {
      this.#watcher ??= new FileWatcher(this.#lockPath, this.#fs, () => this.#told());
    }
    const tellsOwnersEnd = this.#probed !== null && this.#watcher?.tellsCloses === true;
    const tick = tickAfter(now - this.#quietSince, tellsOwnersEnd);
    const latest = jittered(tick);
    const left = Math.max(endsAt - now, 0);
    return left < latest
      ? ticker.between(left, left, look)
      : ticker.between(tick * SOONEST, latest, look);
  }

  /**
   * The kept reference is asked, and the kernel lock probed. Where there is a reference the lock is probed at every
   * other look: it seldom happens that a thread ends and its process lives on.
   */
  #ownerEnded(look: number): boolean {
    if (this.#owner?.exited() === true) {
      this.#owner.close();
      this.#owner = null;
      return true;
    }
    if (this.#probed === null || (this.#owner !== null && look % 2 === 1)) return false;
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
}
