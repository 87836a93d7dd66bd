import { printable } from "./printable.js";

/** The code of a thrown value, e.g. `ENOENT`; undefined when it has none. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** An error as Node makes them of a system call that failed. */
export function systemError(code: string, what: string, syscall: string, path: string): Error {
  const error = new Error(printable(`${code}: ${what}, ${syscall} '${path}'`));
  return Object.assign(error, { code, syscall, path });
}

// ERROR_ACCESS_DENIED, which a pending delete gives as well, and ERROR_SHARING_VIOLATION, as libuv
// names them.
const TRANSIENT_ON_WINDOWS: ReadonlySet<unknown> = new Set(["EPERM", "EACCES", "EBUSY"]);

/**
 * Whether the same call may succeed on Windows soon: a virus scanner or indexer has the file open, or the file was
 * deleted while another process still has it open. A lasting refusal has the same codes.
 */
export function isTransientOnWindows(error: unknown): boolean {
  return TRANSIENT_ON_WINDOWS.has(errorCode(error));
}

/** Whether a path leads nowhere any more: it is gone, or a directory on its way is (ENOTDIR: replaced by a file). */
export function isVanished(error: unknown): boolean {
  const code = errorCode(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

/** Whether a file could not be made because the disk, or the user's share of it, has no room or inode left. */
export function isDiskFull(error: unknown): boolean {
  const code = errorCode(error);
  return code === "ENOSPC" || code === "EDQUOT";
}

// What a file system that took a file just before refuses for good: read-only by now, its rights changed, full.
const LASTING: ReadonlySet<unknown> = new Set(["EROFS", "EACCES", "EPERM", "ENOSPC", "EDQUOT"]);

/** Whether the same call will fail again within seconds; on Windows see {@link isTransientOnWindows}. */
export function isLasting(error: unknown, platform: NodeJS.Platform = process.platform): boolean {
  const code = errorCode(error);
  return LASTING.has(code) && !(platform === "win32" && TRANSIENT_ON_WINDOWS.has(code));
}
