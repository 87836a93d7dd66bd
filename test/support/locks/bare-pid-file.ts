/** Bare pid files, published as a process of any pid would. */
import { resolvePidFileOptions } from "../../../lib/file-lock/options.js";
import { draftOf } from "../../../lib/lock/payload-draft.js";
import { type LockFs, realLockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { tryPublish } from "../../../lib/lock/protocol/publish.js";

/** Gives the file's descriptor, which is its holder's life. */
export function publishBarePid(pid: number, path: string, fs: LockFs = realLockFs): number {
  const draft = draftOf(resolvePidFileOptions({ path, format: "pid" }));
  const lock = tryPublish(path, { ...draft, pid }, fs);
  if (lock.kind !== "published") throw new Error(`not published: ${lock.kind}`);
  return lock.fd;
}
