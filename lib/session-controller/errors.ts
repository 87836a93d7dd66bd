/** The controller's errors, and how a host recognises a takeover. */
import { findErrorByCode, type Recognised } from "../util/find-error.js";
import { printable } from "../util/printable.js";

/**
 * How a session was taken over: its file was changed while the lock was released; the lock was lost
 * to the watchdog or a contender; a write had not settled when an abort's time was up; the lock could not be
 * had (timeout, stale), since another holder has it.
 */
export type SessionTakeoverReason =
  | "file-changed"
  | "lock-lost"
  | "write-abandoned"
  | "lock-unavailable";

/**
 * This run may write no more: another one may have taken the session over. Sticky: once a controller has
 * thrown it, every later write gets it too.
 *
 * The message is the same for every reason, since hosts look for it in logs; `reason` and `cause` say what
 * happened.
 */
export class SessionTakeoverError extends Error {
  override readonly name = "SessionTakeoverError";
  readonly code = "SESSION_TAKEOVER";
  /** Absolute. */
  readonly sessionFile: string;
  readonly reason: SessionTakeoverReason;

  constructor(sessionFile: string, reason: SessionTakeoverReason, options?: ErrorOptions) {
    super(
      printable(`session file changed while embedded prompt lock was released: ${sessionFile}`),
      options,
    );
    this.sessionFile = sessionFile;
    this.reason = reason;
  }
}

/** True for a takeover, also wrapped in other errors, and for look-alikes of that code. */
export function isSessionTakeoverError(error: unknown): error is Recognised<SessionTakeoverError> {
  return findErrorByCode(error, ["SESSION_TAKEOVER"]) !== null;
}

/**
 * A mistake in the use of write scopes: `appendFenced` or `withFence` was kept beyond the end of its `withWriteLock`, or
 * `acquireForCleanup`, which waits for all writes, was called inside one.
 */
export class SessionWriteScopeError extends Error {
  override readonly name = "SessionWriteScopeError";
  readonly code: "SESSION_WRITE_SCOPE_ENDED" | "SESSION_WRITE_SCOPE_ACTIVE";
  readonly sessionFile: string;

  constructor(sessionFile: string, state: "ended" | "active") {
    const what =
      state === "ended"
        ? "a fenced write after its withWriteLock ended"
        : "acquireForCleanup called inside withWriteLock, whose end it waits for";
    super(printable(`${what}: ${sessionFile}`));
    this.code = state === "ended" ? "SESSION_WRITE_SCOPE_ENDED" : "SESSION_WRITE_SCOPE_ACTIVE";
    this.sessionFile = sessionFile;
  }
}

/** Another run of this process owns the session file, and the time to wait for it is used up. */
export class SessionFileOwnerTimeoutError extends Error {
  override readonly name = "SessionFileOwnerTimeoutError";
  readonly code = "SESSION_FILE_OWNER_TIMEOUT";
  readonly timeoutMs: number;
  readonly sessionFile: string;

  constructor(timeoutMs: number, sessionFile: string) {
    super(
      printable(
        `session file owned by another run of this process (timeout ${String(timeoutMs)}ms): ${sessionFile}`,
      ),
    );
    this.timeoutMs = timeoutMs;
    this.sessionFile = sessionFile;
  }
}
