/**
 * The five calls on files that locks make most. Node's own way to each costs 0.3 to 0.7 µs more than the addon's, for a
 * system call of 1 to 2 µs: so the addon makes them where it may, node:fs elsewhere, with the same answers and errors.
 *
 * Not the addon's: Windows, where a descriptor is the host's C runtime's to make; a process under Node's permission
 * model, which the addon would get around; and a runtime whose node:fs takes no descriptor that it has not opened
 * itself (Deno), since the other calls on these descriptors are node:fs's.
 */
import type { NativeBinding } from "../../native/binding.js";
import { loadNative } from "../../native/load.js";
import { fs } from "../../util/node-modules.js";
import { isMainThread } from "../../util/thread.js";
import { addKept, closeKept, isKnownToFs, keepFile } from "./kept-files.js";
import { callError } from "./system-call-error.js";

/**
 * An open file that ends with its thread; to be closed by {@link closeFile}.
 *
 * @param mode - Of a file that is created, less the umask.
 */
export function openFile(path: string, flags: number, mode: number): number {
  const native = nativeCalls();
  const keep = native !== null && !isMainThread();
  // null: no system call takes such a path. Node says what is wrong with it.
  const fd = native?.openFile(path, flags, mode, keep) ?? null;
  if (fd === null) return keepFile(fs.openSync(path, flags, mode));
  if (fd < 0) throw callError(fd, "open", path);
  if (keep) addKept(fd);
  return fd;
}

/** Reads what lies at `offset` of the file, to `offset` of the buffer. */
export function readFile(fd: number, buffer: Buffer, offset: number, length: number): number {
  const native = nativeCalls();
  if (native === null) return fs.readSync(fd, buffer, offset, length, offset);
  const count = native.readAt(fd, buffer, offset, length);
  if (count < 0) throw callError(count, "read");
  return count;
}

/** Writes all of `text` or throws. */
export function writeText(fd: number, text: string): void {
  const native = nativeCalls();
  if (native === null) {
    fs.writeFileSync(fd, text);
    return;
  }
  const result = native.writeFile(fd, text);
  if (result < 0) throw callError(result, "write");
}

export function closeFile(fd: number): void {
  if (closeKept(fd)) return;
  const native = nativeCalls();
  // What is not kept in a worker node:fs has opened, and Node would close it again at the worker's end.
  if (native === null || !isMainThread()) {
    fs.closeSync(fd);
    return;
  }
  const result = native.closeFile(fd);
  if (result < 0) throw callError(result, "close");
}

export function unlinkFile(path: string): void {
  const result = nativeCalls()?.unlinkFile(path) ?? null;
  if (result === null) fs.unlinkSync(path);
  else if (result < 0) throw callError(result, "unlink", path);
}

/** null: node:fs makes the calls. Decided once, before the first of them. */
let calls: NativeBinding | null | undefined;

function nativeCalls(): NativeBinding | null {
  if (calls === undefined) calls = findCalls();
  return calls;
}

const PLATFORMS: ReadonlySet<string> = new Set(["linux", "android", "darwin"]);

function findCalls(): NativeBinding | null {
  const { binding } = loadNative();
  if (binding === undefined || !PLATFORMS.has(process.platform) || hasPermissionModel())
    return null;
  // Kept: a worker may be terminated here, too.
  const fd = binding.openFile("/dev/null", fs.constants.O_RDONLY, 0, true) ?? -1;
  if (fd < 0) return null;
  try {
    return isKnownToFs(fd) ? binding : null;
  } finally {
    binding.closeFile(fd);
  }
}

function hasPermissionModel(): boolean {
  return (process as { readonly permission?: unknown }).permission !== undefined;
}
