/** Every file call of the session controller, as one interface that tests can fail and delay. */
import type { BigIntStats } from "node:fs";

import { basename, dirname, fs, join } from "../../util/node-modules.js";

/** A session file being read. */
export interface SessionFileReader {
  readonly stat: () => Promise<BigIntStats>;
  /** Reads into `buffer` from its start; resolves with the number of bytes, 0 at the file's end. */
  readonly read: (buffer: Buffer, length: number, position: number) => Promise<number>;
  readonly close: () => Promise<void>;
}

/**
 * Reading is asynchronous, since a session may be large and its disk slow; appending is synchronous, since it
 * happens inside the lock's fence.
 */
export interface SessionFs {
  /** Throws where there is nothing at `path`. */
  readonly realpath: (path: string) => string;
  /** null when there is nothing at `path`; follows symbolic links. */
  readonly stat: (path: string) => BigIntStats | null;
  /** For reading; does not wait for a FIFO's writer. */
  readonly open: (path: string) => Promise<SessionFileReader>;
  /** For appending, and for a look at its end; created when missing, readable by its owner only. */
  readonly openForAppending: (path: string) => number;
  /** The byte at `position`; null: the file ends before. */
  readonly byteAt: (fd: number, position: number) => number | null;
  readonly write: (fd: number, data: Uint8Array, offset: number) => number;
  /** Throws for what is no regular file: what is written there need not be kept. */
  readonly size: (fd: number) => number;
  readonly truncate: (fd: number, size: number) => void;
  readonly close: (fd: number) => void;
}

const { O_RDONLY, O_RDWR, O_APPEND, O_CREAT } = fs.constants;
// Windows has neither.
const O_NONBLOCK: number = fs.constants.O_NONBLOCK ?? 0;
const O_NOCTTY: number = fs.constants.O_NOCTTY ?? 0;
// Transcripts are private: only the file's owner may read them.
const FILE_MODE = 0o600;

/** The real calls. */
export const realSessionFs: SessionFs = {
  realpath: (path) => fs.realpathSync.native(path),
  stat: (path) => fs.statSync(path, { bigint: true, throwIfNoEntry: false }) ?? null,
  open: async (path) => {
    const handle = await fs.promises.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    return {
      stat: () => handle.stat({ bigint: true }),
      read: async (buffer, length, position) =>
        (await handle.read(buffer, 0, length, position)).bytesRead,
      close: () => handle.close(),
    };
  },
  openForAppending: (path) =>
    fs.openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY, FILE_MODE),
  byteAt: (fd, position) => {
    const byte = new Uint8Array(1);
    return fs.readSync(fd, byte, 0, 1, position) === 0 ? null : (byte[0] ?? null);
  },
  write: (fd, data, offset) => fs.writeSync(fd, data, offset),
  size: (fd) => {
    const stats = fs.fstatSync(fd);
    if (stats.isFile()) return stats.size;
    throw new Error("session file is not a regular file");
  },
  truncate: (fd, size) => {
    fs.ftruncateSync(fd, size);
  },
  close: (fd) => {
    fs.closeSync(fd);
  },
};

/**
 * One name for one session file, whatever the route to it: its real path; where it does not exist yet, that of
 * its folder.
 *
 * @param sessionFile - Absolute.
 */
export function canonicalSessionPath(sessionFile: string, { realpath }: SessionFs): string {
  try {
    return realpath(sessionFile);
  } catch {
    // Missing, or not to be looked up by this user: the folder may still be resolved.
  }
  try {
    return join(realpath(dirname(sessionFile)), basename(sessionFile));
  } catch {
    return sessionFile;
  }
}
