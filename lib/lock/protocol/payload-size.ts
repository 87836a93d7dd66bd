/** How large a lock file may be, and that none is published which its readers would not take. */
import { rangeError } from "../../util/argument-error.js";
import { formatPayload, type SessionLockPayload } from "./payload.js";
import { MAX_LOCK_BYTES } from "./read-lock.js";

/** More than every key together takes that is not the caller's text. */
const FIXED_PART_BYTES = 4096;

/** A UTF-16 code unit takes at most three bytes as UTF-8, and six where JSON escapes it. */
const MOST_BYTES_PER_UNIT = 6;

/** What the publisher adds, at its longest: both 64-bit numbers, and a file system's name. */
const LONGEST_ADDITIONS = {
  nonce: "f".repeat(32),
  kernelLock: `${"9".repeat(20)}:${"9".repeat(20)}`,
  fileSystem: "f".repeat(64),
  verified: true,
} as const satisfies Partial<SessionLockPayload>;

/**
 * To be called before anything is created.
 *
 * @throws RangeError when readers would call the lock unreadable, and keep it for good
 */
export function checkPayloadSize(
  draft: Omit<SessionLockPayload, keyof typeof LONGEST_ADDITIONS>,
): void {
  const units = (draft.label?.length ?? 0) + (draft.owner?.length ?? 0);
  if (units * MOST_BYTES_PER_UNIT + FIXED_PART_BYTES <= MAX_LOCK_BYTES) return;
  const bytes = Buffer.byteLength(formatPayload({ ...draft, ...LONGEST_ADDITIONS }));
  if (bytes > MAX_LOCK_BYTES) {
    throw rangeError(
      "ERR_OUT_OF_RANGE",
      `lock must have at most ${String(MAX_LOCK_BYTES)} bytes, its label is to blame: ${String(bytes)}`,
    );
  }
}
