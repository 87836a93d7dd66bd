/** The two kinds of locks that this package makes, on whatever this machine's disk is. */
import { type LockFs, realLockFs } from "../../../lib/lock/protocol/lock-fs.js";

/**
 * As on macOS, on FUSE and in a sandbox that does not know open-file-description locks: a lock is made under a name of
 * its own, owned by the one kind of kernel lock that all systems have, and its guard is a file.
 */
export function withGuardFiles(fs: LockFs = realLockFs): LockFs {
  return {
    ...fs,
    createUnnamed: (directory) => {
      const error = new Error(`EOPNOTSUPP: operation not supported, open '${directory}'`);
      throw Object.assign(error, { code: "EOPNOTSUPP", syscall: "open", path: directory });
    },
    tryOwn: () => ({ refused: "EINVAL" }),
    probeOwner: () => ({ refused: "EINVAL" }),
  };
}

/** For tests of what both kinds must do. The first one is what this machine's disk gives. */
export const LOCK_KINDS: readonly (readonly [string, (fs?: LockFs) => LockFs])[] = [
  ["of this disk's kind", (fs = realLockFs) => fs],
  ["with a guard file", withGuardFiles],
];
