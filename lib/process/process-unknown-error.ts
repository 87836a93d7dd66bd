import { shown } from "../util/argument-error.js";
import { printable } from "../util/printable.js";
import type { ProcessUnknownReason } from "./judge-token.js";

/** A process can be told neither running nor ended; {@link ProcessUnknownError.reason} says why. */
export class ProcessUnknownError extends Error {
  override readonly name = "ProcessUnknownError";
  readonly code = "PROCESS_UNKNOWN";
  readonly reason: ProcessUnknownReason;
  /** What was passed as the token. */
  readonly token: unknown;

  constructor(token: unknown, reason: ProcessUnknownReason) {
    const text = typeof token === "string" ? printable(token) : shown(token);
    super(`cannot tell whether the process is running (${reason}): ${text}`);
    this.reason = reason;
    this.token = token;
  }
}
