/** Whether the session was taken over: once it was, it stays so. */
import { Latch } from "./locks/latch.js";
import {
  SessionTakeoverError,
  type SessionTakeoverFinding,
  type SessionTakeoverReason,
} from "./errors.js";
import { factsOfLoss, lossIn, type TakeoverFacts, unavailabilityIn } from "./takeover-facts.js";

export class Takeover {
  readonly #sessionFile: string;
  readonly #onMarked: () => void;
  readonly #signal = new AbortController();
  readonly #marked = new Latch();
  #found: Found | null = null;

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

  /** The session file is not what this run left it as. */
  markChanged(found: SessionTakeoverFinding, cause: unknown): void {
    this.#mark({ reason: "file-changed", facts: { found, pid: null }, cause });
  }

  /** A write did not settle in the time for it. */
  markAbandoned(cause: unknown): void {
    const facts = { found: "write-abandoned", pid: null } as const;
    this.#mark({ reason: "write-abandoned", facts, cause });
  }

  /** @param cause - The reason of the lock's signal. */
  markLost(cause: unknown): void {
    this.#mark({ reason: "lock-lost", facts: factsOfLoss(cause), cause });
  }

  /** Marks it when `error` says that the lock was lost. */
  markIfLost(error: unknown): void {
    const facts = lossIn(error);
    if (facts !== null) this.#mark({ reason: "lock-lost", facts, cause: error });
  }

  /** Marks it when `error` says that the lock is another holder's. */
  markIfUnavailable(error: unknown): void {
    const facts = unavailabilityIn(error);
    if (facts !== null) this.#mark({ reason: "lock-unavailable", facts, cause: error });
  }

  #mark(found: Found): void {
    if (this.#found !== null) return;
    this.#found = found;
    this.#marked.open();
    this.#onMarked();
    this.#signal.abort(this.#error(found, found.cause));
  }

  /**
   * @param failure - What went wrong beside it: kept as a cause.
   * @throws SessionTakeoverError when marked
   */
  refuse(failure?: { readonly error: unknown }): void {
    if (this.#found === null) return;
    const { cause } = this.#found;
    if (failure === undefined || failure.error === cause) throw this.#error(this.#found, cause);
    if (failure.error instanceof SessionTakeoverError) throw failure.error;
    const both = new AggregateError([cause, failure.error], "takeover, and a failure");
    throw this.#error(this.#found, both);
  }

  #error({ reason, facts }: Found, cause: unknown): SessionTakeoverError {
    return new SessionTakeoverError(this.#sessionFile, reason, { ...facts, cause });
  }
}

interface Found {
  readonly reason: SessionTakeoverReason;
  readonly facts: TakeoverFacts;
  readonly cause: unknown;
}
