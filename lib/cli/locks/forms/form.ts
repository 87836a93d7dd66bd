/** What a form of lock file is: how it is recognised, and what it says of its holder. Pure. */

/** What lies at the path; a final symbolic link is not followed. */
export type FoundType = "file" | "directory" | "link" | "other";

/** A file that may be a lock, as it was found. */
export interface FoundFile {
  /** Absolute, with `/` between its names on every platform. */
  readonly path: string;
  /** The last name of `path`. */
  readonly name: string;
  readonly type: FoundType;
  /** A regular file's content, at most {@link MOST_BYTES}; null for everything else. */
  readonly bytes: Buffer | null;
  /** False: the file has more than `bytes`. */
  readonly isWhole: boolean;
  /** The file says nothing but a pid, and has the mark that this package leaves on such a file (number-file.ts). */
  readonly hasOwnMark: boolean;
  /** What a symbolic link says; null for everything else. */
  readonly target: string | null;
  /** Whether a directory has no entries; null for everything else. */
  readonly isEmptyDirectory: boolean | null;
  readonly platform: NodeJS.Platform;
}

/** Longer than any form's content; what this package writes is not longer either. */
export const MOST_BYTES = 64 * 1024;

/** What a lock says of its holder. Everything may be missing: most forms say little. */
export interface Claim {
  /** null: the form names no process. */
  readonly pid: number | null;
  /** The holder's host name or address as the lock has it; null: it has none. */
  readonly host: string | null;
  /** The form cuts long host names: `host` may be the beginning of one. */
  readonly isHostCut: boolean;
  /** Linux: inode of the holder's pid namespace; null: not told. */
  readonly pidNamespace: string | null;
  /** The process's start time in the unit of `LockPayload.starttime`; null: not told. */
  readonly startTime: number | null;
  /** When the lock was written, milliseconds since the Unix epoch, as it says itself; null: not told. */
  readonly writtenMs: number | null;
  /** Names of the programs that write such locks; null: any program may. */
  readonly programs: RegExp | null;
  /** The holder keeps a kernel lock on the file, and only that is the lock: the file itself stays for good. */
  readonly isKernelLock: boolean;
  /** The holder renews the file's mtime for as long as it runs. */
  readonly hasHeartbeat: boolean;
}

const NOTHING: Claim = {
  pid: null,
  host: null,
  isHostCut: false,
  pidNamespace: null,
  startTime: null,
  writtenMs: null,
  programs: null,
  isKernelLock: false,
  hasHeartbeat: false,
};

/** A claim with what a form knows; all else is not told. */
export function claim(known: Partial<Claim> = {}): Claim {
  return { ...NOTHING, ...known };
}

/** One form of lock file. */
export interface LockForm {
  /** Stable: `kind` of the JSON document. */
  readonly kind: string;
  /** For people: what such a file is. */
  readonly title: string;
  /** What a person can do about one that is left behind. */
  readonly remedy: string;
  /** Whether a file of that name may be one: of a directory only such files are opened. */
  readonly mayBe: (name: string, type: FoundType) => boolean;
  /** null: the file is not of this form. Never throws, whatever the bytes; time grows with their number. */
  readonly read: (file: FoundFile) => Claim | null;
}

/** A pid in decimal: ten digits hold every pid of every platform. null: `text` is none. */
export function parsePid(text: string): number | null {
  return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : null;
}

/** The content of a regular file that was read to its end, as one byte for each character; null for all else. */
export function latin1(file: FoundFile): string | null {
  return file.bytes !== null && file.isWhole ? file.bytes.toString("latin1") : null;
}

/** The names of a path, from its root. */
export function namesOf({ path }: FoundFile): readonly string[] {
  return path.split("/");
}
