/** Closing where its error tells nothing. */
import type { LockFs } from "./lock-fs.js";

/**
 * Closes a descriptor through which nothing was written that matters. Whatever close says (EIO, EINTR), the
 * descriptor and its kernel lock are gone, and what was done before stands.
 */
export function closeQuietly(fd: number, fs: LockFs): void {
  try {
    fs.close(fd);
  } catch {
    // See above.
  }
}
