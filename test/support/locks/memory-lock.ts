/**
 * A session lock without files, as exclusive, as fair and as strict as the real one, whose holders can be
 * displaced and whose releases can be held up.
 */
import {
  SessionWriteLockLostError,
  SessionWriteLockTimeoutError,
} from "../../../lib/session-lock/errors.js";
import type { ControlledLock } from "../../../lib/session-controller/index.js";

/** One acquisition. */
export interface MemoryLock extends ControlledLock {
  /** In order of acquisition, from 1. */
  readonly id: number;
  readonly lost: AbortSignal;
  readonly release: () => Promise<void>;
  readonly assertHeld: () => void;
  readonly withFence: <T>(write: () => T) => T;
}

export interface MemoryLocks {
  readonly acquire: (options: {
    readonly sessionFile: string;
    readonly timeoutMs?: number | undefined;
    /** Aborting ends the wait with the signal's reason. */
    readonly signal?: AbortSignal | undefined;
  }) => Promise<MemoryLock>;
  /** `acquired 1`, `releasing 1`, `released 1`, in order. */
  readonly events: readonly string[];
  /** Who has it now. */
  readonly holder: () => MemoryLock | null;
  /** Takes the lock away from its holder, as a contender of an overdue lock does. */
  readonly displace: () => void;
  /** Releases wait for `gate` from now on. */
  readonly holdReleasesUntil: (gate: Promise<unknown>) => void;
}

/** Locks of one session file. */
export function memoryLocks(): MemoryLocks {
  const events: string[] = [];
  const queue: (() => void)[] = [];
  let holder: { readonly lock: MemoryLock; readonly lose: () => void } | null = null;
  let count = 0;
  let gate: Promise<unknown> = Promise.resolve();

  const handOn = (): void => {
    holder = null;
    queue.shift()?.();
  };

  function grant(lockPath: string): MemoryLock {
    const id = ++count;
    const lost = new AbortController();
    const assertHeld = (): void => {
      if (lost.signal.aborted) throw lost.signal.reason;
      if (holder?.lock !== lock) throw new SessionWriteLockLostError("released", lockPath);
    };
    const lock: MemoryLock = {
      id,
      lost: lost.signal,
      assertHeld,
      withFence: (write) => {
        assertHeld();
        return write();
      },
      release: async () => {
        events.push(`releasing ${String(id)}`);
        await gate;
        events.push(`released ${String(id)}`);
        if (holder?.lock === lock) handOn();
      },
    };
    holder = {
      lock,
      lose: () => lost.abort(new SessionWriteLockLostError("taken over", lockPath)),
    };
    events.push(`acquired ${String(id)}`);
    return lock;
  }

  return {
    events,
    holder: () => holder?.lock ?? null,
    acquire: ({ sessionFile, timeoutMs = 60_000, signal }) =>
      new Promise((resolve, reject) => {
        const lockPath = `${sessionFile}.lock`;
        if (holder === null) {
          resolve(grant(lockPath));
          return;
        }
        const turn = (): void => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", onAbort);
          resolve(grant(lockPath));
        };
        const giveUp = (reason: unknown): void => {
          clearTimeout(timer);
          queue.splice(queue.indexOf(turn), 1);
          reject(reason);
        };
        const onAbort = (): void => giveUp(signal?.reason);
        const timer = setTimeout(
          () => giveUp(new SessionWriteLockTimeoutError(timeoutMs, "owner=unknown", lockPath)),
          timeoutMs,
        );
        signal?.addEventListener("abort", onAbort, { once: true });
        queue.push(turn);
      }),
    displace: () => {
      const displaced = holder;
      handOn();
      displaced?.lose();
    },
    holdReleasesUntil: (opened) => {
      gate = opened;
    },
  };
}
