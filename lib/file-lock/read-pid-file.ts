/** Who is in a pid file now; touches nothing. */
import { freshEvidence } from "../lock/verdict/evidence.js";
import { judgeFully } from "../lock/verdict/judge.js";
import type { OwnerReason, OwnerState } from "../lock/verdict/owner-judgement.js";
import { OwnerArgsMemo } from "../lock/verdict/owner-args.js";
import { readLock } from "../lock/verdict/reading.js";
import { absolutePath, tidyPath } from "../util/absolute-path.js";
import { checkArgument } from "../util/check-options.js";
import { checkPath } from "../util/check-values.js";
import { realLockFs } from "../lock/protocol/lock-fs.js";
import { FileLockFileError } from "./errors.js";
import { PID_FILE_POLICY } from "./policy.js";

/** What a pid file says, and whether that process runs. */
export interface PidFileOwner {
  /** The path that was given, made absolute. */
  readonly path: string;
  /** null: the file names no process (it is empty, torn, or another program's file). */
  readonly pid: number | null;
  /**
   * `same`: the process that wrote the file runs. `gone`: it provably does not, whatever has its pid by now.
   * `unknown`: neither is proven, e.g. of a bare number whose pid is in use: nothing says whose it is.
   */
  readonly state: OwnerState;
  /** The evidence for `state`, e.g. `kernel-lock-held`, `no-such-process`, `unproven`, `missing-pid`. */
  readonly reason: OwnerReason;
  /** The token for `verifyProcess` and `waitForProcessExit`, as the file has it; null when another program wrote it. */
  readonly token: string | null;
  /**
   * When it was written, as the file says (ISO 8601 when this package wrote it); where it says nothing, the file's
   * mtime.
   */
  readonly createdAt: string | null;
  /** The text that the daemon gave as its label. */
  readonly label: string | null;
}

/**
 * Tells who is in a pid file: one of this package, JSON with a `pid`, a bare number, or one in the first of several
 * lines. It is judged as {@link acquirePidFile} would judge it, and never changed.
 *
 * @param path - The pid file. A relative path is resolved at the call; a symbolic link of that name is not followed.
 * @returns null when there is no such file. Whatever a file of at most 64 KiB contains is an answer.
 * @throws (rejection) FileLockFileError when the file cannot be read, is larger, or is no regular one (a directory, a
 *   FIFO, a symbolic link); TypeError or RangeError when `path` is no path.
 */
export async function readPidFile(path: string | URL): Promise<PidFileOwner | null> {
  checkArgument("path", path, checkPath);
  const pidFile = tidyPath(absolutePath(path));
  const evidence = freshEvidence(realLockFs);
  const reading = readLock(pidFile, realLockFs, evidence);
  switch (reading.kind) {
    case "absent":
      return null;
    case "unreadable":
      throw new FileLockFileError("pid file", {
        lockPath: pidFile,
        cause: reading.error,
        verb: "read",
      });
    case "lock": {
      const args = new OwnerArgsMemo(undefined, evidence.identity);
      const { inspection, payload } = await judgeFully(reading, {
        policy: PID_FILE_POLICY,
        evidence,
        args,
      });
      const { pid, createdAt, ownerState: state, ownerReason: reason } = inspection;
      const { owner: token = null, label = null } = payload ?? {};
      return { path: pidFile, pid, state, reason, token, createdAt, label };
    }
  }
}
