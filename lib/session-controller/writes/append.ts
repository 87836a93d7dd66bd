/** Appends one chunk to a session file: all of it or nothing. */
import { printable } from "../../util/printable.js";
import type { SessionFs } from "../fence/session-file.js";

/**
 * The file is opened for appending, so that nothing which is there can be overwritten, and created when
 * missing. A short write is continued; where that fails, what was written of the chunk is cut off again,
 * unless another writer has appended behind it.
 *
 * @throws the file system's error, with the file as it was; AggregateError when it could not be put back
 */
export function appendWhole(sessionFile: string, chunk: Uint8Array, fs: SessionFs): void {
  const fd = fs.openForAppending(sessionFile);
  try {
    const size = fs.size(fd);
    let written = 0;
    try {
      while (written < chunk.length) written += writeSome(fd, chunk, written, fs);
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
    if (found !== size + written) return new Error(`somebody else wrote behind it, size ${found}`);
    fs.truncate(fd, size);
    return null;
  } catch (error) {
    return error;
  }
}
