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
 * What a takeover was found by.
 *
 * - of `file-changed`: another writer has appended to the session file (`file-appended`), has changed what was in it
 *   (`file-rewritten`), has put another file in its place (`file-replaced`), has removed or created it (`file-removed`,
 *   `file-created`); how it was changed is not known (`file-changed`)
 * - of `lock-lost`: another lock is in its place (`lock-taken`); its file is gone (`lock-removed`); it was held for
 *   longer than `maxHoldMs` (`lock-overdue`); the lease above it is lost (`lease-lost`); the process has given it up
 *   (`lock-released`); the lock does not say how (`lock-lost`)
 * - of `lock-unavailable`: another holder has it (`lock-held`), or it is stale and must be kept (`lock-stale`)
 * - of `write-abandoned`: a write had not settled
 */
export type SessionTakeoverFinding =
  | "file-appended"
  | "file-rewritten"
  | "file-replaced"
  | "file-removed"
  | "file-created"
  | "file-changed"
  | "lock-taken"
  | "lock-removed"
  | "lock-overdue"
  | "lease-lost"
  | "lock-released"
  | "lock-lost"
  | "lock-held"
  | "lock-stale"
  | "write-abandoned";

/** Where nothing more is told than the reason. */
const FINDING_OF: Readonly<Record<SessionTakeoverReason, SessionTakeoverFinding>> = {
  "file-changed": "file-changed",
  "lock-lost": "lock-lost",
  "lock-unavailable": "lock-held",
  "write-abandoned": "write-abandoned",
};

// Hosts look for it in their logs: how the file was changed is in `found`, and in the message of the cause.
const FILE_CHANGED = "session file changed while embedded prompt lock was released";

/** `by`: ` by pid N`, or nothing. */
const TEXTS: Readonly<Record<SessionTakeoverFinding, (by: string) => string>> = {
  "file-appended": () => FILE_CHANGED,
  "file-rewritten": () => FILE_CHANGED,
  "file-replaced": () => FILE_CHANGED,
  "file-removed": () => FILE_CHANGED,
  "file-created": () => FILE_CHANGED,
  "file-changed": () => FILE_CHANGED,
  "lock-taken": (by) => `session lock taken over${by}`,
  "lock-removed": () => "session lock lost, its file is gone",
  "lock-overdue": () => "session lock held for longer than maxHoldMs",
  "lease-lost": () => "lease above the session lock lost",
  "lock-released": () => "session lock given up by its process",
  "lock-lost": () => "session lock lost",
  "lock-held": (by) => `session lock held${by === "" ? " by another holder" : by}`,
  "lock-stale": (by) => `session lock stale and kept${by === "" ? "" : `, written${by}`}`,
  "write-abandoned": () => "session lock given up under a write that did not settle in time",
};

function messageFor(
  sessionFile: string,
  found: SessionTakeoverFinding,
  pid: number | null,
): string {
  const by = pid === null ? "" : ` by pid ${String(pid)}`;
  return `${TEXTS[found](by)}: ${sessionFile}`;
}

/**
 * This run may write no more: another one may have taken the session over. Sticky: once a controller has
 * thrown it, every later write gets it too.
 */
export class SessionTakeoverError extends Error {
  override readonly name = "SessionTakeoverError";
  readonly code = "SESSION_TAKEOVER";
  /** Absolute. */
  readonly sessionFile: string;
  readonly reason: SessionTakeoverReason;
  /** What it was found by. */
  readonly found: SessionTakeoverFinding;
  /** Of `lock-taken`, `lock-held` and `lock-stale`: the process that the lock names; null: it names none. */
  readonly pid: number | null;

  constructor(
    sessionFile: string,
    reason: SessionTakeoverReason,
    options: ErrorOptions & {
      readonly found?: SessionTakeoverFinding;
      readonly pid?: number | null;
    } = {},
  ) {
    const { found = FINDING_OF[reason], pid = null } = options;
    super(printable(messageFor(sessionFile, found, pid)), options);
    this.sessionFile = sessionFile;
    this.reason = reason;
    this.found = found;
    this.pid = pid;
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
