/** Appends one chunk to a session file: all of it or nothing. */
import { printable } from "../../util/printable.js";
import type { SessionFs } from "../fence/session-file.js";

const LINE_FEED = 0x0a;

/**
 * The file is opened for appending, so that nothing which is there can be overwritten, and created when
 * missing. Where its last line has no end, since its writer was killed, a line feed ends that first: the chunk begins a
 * line of its own, and what was torn stays torn. A short write is continued; where that fails, what was written of the
 * chunk is cut off again, unless another writer has appended behind it.
 *
 * @throws the file system's error, with the file as it was; AggregateError when it could not be put back
 */
export function appendWhole(sessionFile: string, chunk: Uint8Array, fs: SessionFs): void {
  const fd = fs.openForAppending(sessionFile);
  try {
    const size = fs.size(fd);
    const isOwnLine = chunk.length === 0 || !isTorn(fd, size, fs);
    const whole = isOwnLine ? chunk : Buffer.concat([Buffer.of(LINE_FEED), chunk]);
    let written = 0;
    try {
      while (written < whole.length) written += writeSome(fd, whole, written, fs);
    } catch (error) {
      const obstacle = written > 0 ? obstacleToCuttingOff(fd, size, written, fs) : null;
      if (obstacle === null) throw error;
      const torn = `${String(written)} bytes of an incomplete write are left: ${sessionFile}`;
      throw new AggregateError([error, obstacle], printable(torn), { cause: error });
    }
  } finally {
    fs.close(fd);
  }
}

/** Whether the file's last line has no end. */
function isTorn(fd: number, size: number, fs: SessionFs): boolean {
  const last = size === 0 ? null : fs.byteAt(fd, size - 1);
  return last !== null && last !== LINE_FEED;
}

/** A write of nothing would be tried for ever. */
function writeSome(fd: number, chunk: Uint8Array, offset: number, fs: SessionFs): number {
  const written = fs.write(fd, chunk, offset);
  if (written > 0) return written;
  throw new Error(`file system wrote no byte of the remaining ${String(chunk.length - offset)}`);
}

/** Cuts the file back to `size`. Returns what kept it from that, or null. */
function obstacleToCuttingOff(fd: number, size: number, written: number, fs: SessionFs): unknown {
  try {
    const found = fs.size(fd);
    if (found !== size + written)
      return new Error(`another process wrote behind it, size ${found}`);
    fs.truncate(fd, size);
    return null;
  } catch (error) {
    return error;
  }
}
