/** This process inside the guard of a lock, as another one would be that is about to remove it. */
import { readFileSync } from "node:fs";
import { dirname } from "node:path";

import { fileSystemOf } from "../../../lib/lock/protocol/file-system-kind.js";
import { type GuardAttempt, guardsOf } from "../../../lib/lock/protocol/guard.js";
import { tryEnterGuardFile } from "../../../lib/lock/protocol/guard-file.js";
import { tryEnterInode } from "../../../lib/lock/protocol/guard-inode.js";
import { realLockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { guardFilePathOf } from "../../../lib/lock/protocol/names.js";
import { parsePayload } from "../../../lib/lock/protocol/payload.js";

/** What a message calls the guard of the lock that lies there. */
export function guardPathOf(lockPath: string): string {
  return isOwnGuard(lockPath) ? lockPath : guardFilePathOf(lockPath);
}

/** @returns how to leave it. */
export function enterGuardOf(lockPath: string): () => void {
  if (!isOwnGuard(lockPath)) return leaveOf(tryEnterGuardFile(lockPath, realLockFs));
  const fd = realLockFs.openForReading(lockPath);
  const leave = leaveOf(tryEnterInode(lockPath, fd, realLockFs));
  return () => {
    leave();
    realLockFs.close(fd);
  };
}

function leaveOf(guard: GuardAttempt): () => void {
  if (guard.kind !== "entered") throw new Error(`not entered: ${guard.kind}`);
  return () => guard.leave();
}

function isOwnGuard(lockPath: string): boolean {
  const { platform } = process;
  const type = platform === "win32" ? 0 : realLockFs.fileSystemType(dirname(lockPath));
  const { kind } = fileSystemOf(platform, type, dirname(lockPath));
  return guardsOf(parsePayload(readFileSync(lockPath)), kind, platform) === "inode";
}
