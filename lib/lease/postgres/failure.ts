/** What a client of PostgreSQL rejects with: whether the same may succeed later. */
import { errorCode } from "../../util/error-code.js";

/** Appendix A of PostgreSQL's manual: two characters of class, three of condition. Not EPIPE. */
const SQLSTATE = /^(?:\d[\dA-Z]|F0|HV|P0|XX)[\dA-Z]{3}$/u;

const RETRYABLE_CLASSES: ReadonlySet<string> = new Set([
  // The connection.
  "08",
  // The transaction was rolled back: deadlock, serialization.
  "40",
  // Out of connections, memory, disk.
  "53",
  // The server is being stopped, or has crashed, or starts.
  "57",
  // The operating system.
  "58",
]);

const RETRYABLE: ReadonlySet<string> = new Set([
  // read_only_sql_transaction: a standby, or a primary that is not any more.
  "25006",
  // idle_in_transaction_session_timeout
  "25P03",
  // lock_not_available: lock_timeout
  "55P03",
]);

/** Errors of a program, not of a connection. */
const MISTAKES = [TypeError, ReferenceError, SyntaxError, RangeError];

/** What has no SQLSTATE is a client's own error: the connection could not be made, was lost, or took too long. */
export function isRetryable(error: unknown): boolean {
  const code = errorCode(error);
  if (code !== undefined && SQLSTATE.test(code)) {
    return RETRYABLE.has(code) || RETRYABLE_CLASSES.has(code.slice(0, 2));
  }
  return code !== undefined || !MISTAKES.some((mistake) => error instanceof mistake);
}
