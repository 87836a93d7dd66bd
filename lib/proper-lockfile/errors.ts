/** The errors of proper-lockfile: plain ones, told apart by their code. */
import {
  FileLockFileError,
  FileLockStaleError,
  FileLockTimeoutError,
} from "../file-lock/errors.js";
import { errorCode } from "../util/error-code.js";

export type LockErrorCode = "ELOCKED" | "ENOTACQUIRED" | "ERELEASED" | "ECOMPROMISED" | "ESYNC";

/** An error with one of that package's codes. `cause` has this package's own error, where there is one. */
export interface LockError extends Error {
  readonly code: LockErrorCode;
  /** `ELOCKED` only: the file whose lock is held. */
  readonly file?: string;
}

const MESSAGES: Readonly<Record<LockErrorCode, string>> = {
  ELOCKED: "Lock file is already being held",
  ENOTACQUIRED: "Lock is not acquired/owned by you",
  ERELEASED: "Lock is already released",
  ECOMPROMISED: "Lock was lost: its file is gone, or another's",
  ESYNC: "Cannot use retries with the sync api",
};

export function lockError(
  code: LockErrorCode,
  facts: { file?: string; cause?: unknown } = {},
): LockError {
  const { file, cause } = facts;
  const error = new Error(MESSAGES[code], cause === undefined ? {} : { cause });
  return Object.assign(error, file === undefined ? { code } : { code, file });
}

/** What acquiring `file` failed with, as proper-lockfile would say it: a file system's error is given as it is. */
export function whyNotLocked(error: unknown, file: string): unknown {
  if (error instanceof FileLockTimeoutError || error instanceof FileLockStaleError) {
    return lockError("ELOCKED", { file, cause: error });
  }
  if (!(error instanceof FileLockFileError)) return error;
  // A file that is no lock is in the way.
  return errorCode(error.cause) === undefined
    ? lockError("ELOCKED", { file, cause: error })
    : error.cause;
}

/** What a release failed with. */
export function whyNotReleased(error: unknown): unknown {
  return error instanceof FileLockFileError ? error.cause : error;
}
