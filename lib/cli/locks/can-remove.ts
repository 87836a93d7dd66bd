/** Whether this process can remove anybody's lock at all. */
import { realLockFs } from "../../lock/protocol/lock-fs.js";

/** Without the addon only Windows has a guard: files that are deleted on close. */
export function canRemove(): boolean {
  return process.platform === "win32" || realLockFs.canLock();
}
