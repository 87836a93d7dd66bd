/** Whether the session was taken over: once it was, it stays so. */
import { findErrorByCode } from "../util/find-error.js";
import { Latch } from "./locks/latch.js";
import { SessionTakeoverError, type SessionTakeoverReason } from "./errors.js";

export class Takeover {
  readonly #sessionFile: string;
  readonly #onMarked: () => void;
  readonly #signal = new AbortController();
  readonly #marked = new Latch();
  #found: { readonly reason: SessionTakeoverReason; readonly cause: unknown } | null = null;

  /** @param onMarked - Called once, right after the first mark. */
  constructor(sessionFile: string, onMarked: () => void) {
    this.#sessionFile = sessionFile;
    this.#onMarked = onMarked;
  }

  get isMarked(): boolean {
    return this.#found !== null;
  }

  /** Aborts with the first mark. */
  get signal(): AbortSignal {
    return this.#signal.signal;
  }

  /** Resolves after the first mark. */
  get marked(): Promise<void> {
    return this.#marked.opened;
  }

  mark(reason: SessionTakeoverReason, cause: unknown): void {
    if (this.#found !== null) return;
    this.#found = { reason, cause };
    this.#marked.open();
    this.#onMarked();
    this.#signal.abort(this.#error(reason, cause));
  }

  /** Marks it when `error` says that the lock was lost. */
  markIfLost(error: unknown): void {
    if (findErrorByCode(error, ["SESSION_WRITE_LOCK_LOST"]) !== null) this.mark("lock-lost", error);
  }

  /** Marks it when `error` says that the lock is another holder's. */
  markIfUnavailable(error: unknown): void {
    if (findErrorByCode(error, LOCK_UNAVAILABLE) !== null) this.mark("lock-unavailable", error);
  }

  /**
   * @param failure - What went wrong beside it: kept as a cause.
   * @throws SessionTakeoverError when marked
   */
  refuse(failure?: { readonly error: unknown }): void {
    if (this.#found === null) return;
    const { reason, cause } = this.#found;
    if (failure === undefined || failure.error === cause) throw this.#error(reason, cause);
    if (failure.error instanceof SessionTakeoverError) throw failure.error;
    throw this.#error(
      reason,
      new AggregateError([cause, failure.error], "takeover, and a failure"),
    );
  }

  #error(reason: SessionTakeoverReason, cause: unknown): SessionTakeoverError {
    return new SessionTakeoverError(this.#sessionFile, reason, { cause });
  }
}

const LOCK_UNAVAILABLE = ["SESSION_WRITE_LOCK_TIMEOUT", "SESSION_WRITE_LOCK_STALE"] as const;
