import { printable } from "../util/printable.js";
import type { ProcessUnknownReason } from "./token.js";

/** A process can be told neither running nor ended; {@link ProcessUnknownError.reason} says why. */
export class ProcessUnknownError extends Error {
  override readonly name = "ProcessUnknownError";
  readonly code = "PROCESS_UNKNOWN";
  readonly reason: ProcessUnknownReason;
  /** What was passed as the token. */
  readonly token: unknown;

  constructor(token: unknown, reason: ProcessUnknownReason) {
    super(printable(`cannot tell whether the process is running (${reason}): ${String(token)}`));
    this.reason = reason;
    this.token = token;
  }
}
