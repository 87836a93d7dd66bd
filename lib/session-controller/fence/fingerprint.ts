/** What a session file looked like at one point in time, and whether it still looks so. */
import type { BigIntStats } from "node:fs";

import { errorCode } from "../../util/error-code.js";
import { crypto } from "../../util/node-modules.js";
import { printable } from "../../util/printable.js";
import { TimeSlice } from "../../util/time-slice.js";
import type { SessionFs } from "./session-file.js";

/** A session file at one point in time. */
export type SessionFileFingerprint =
  | { readonly exists: false }
  | {
      readonly exists: true;
      readonly dev: bigint;
      readonly ino: bigint;
      /** Bytes. */
      readonly size: bigint;
      /** Nanoseconds since the Unix epoch. */
      readonly mtimeNs: bigint;
      /** Nanoseconds since the Unix epoch. */
      readonly ctimeNs: bigint;
      /** SHA-256 of the content, hexadecimal; null for files of more than 32 MiB. */
      readonly digest: string | null;
    };

/** Up to this many bytes are read for a fingerprint. */
const DIGEST_LIMIT = 32n * 1024n * 1024n;

// Hashed in about a millisecond; all the memory that a fingerprint takes.
const CHUNK = 512 * 1024;

/**
 * Looks at the file and, up to 32 MiB, reads it.
 *
 * A file that is written to meanwhile gives the metadata from before that write and a digest that fits
 * no later content: it equals nothing that comes after, as it should.
 *
 * @throws the file system's error; Error when it is no regular file. A missing file is no error.
 */
export async function takeFingerprint(
  sessionFile: string,
  fs: SessionFs,
): Promise<SessionFileFingerprint> {
  const file = await openUnlessMissing(sessionFile, fs);
  if (file === null) return { exists: false };
  try {
    const stats = await file.stat();
    if (!stats.isFile())
      throw new Error(printable(`session file is not a regular file: ${sessionFile}`));
    const digest = stats.size <= DIGEST_LIMIT ? await digestOf(file, Number(stats.size)) : null;
    return fingerprintOf(stats, digest);
  } finally {
    await file.close();
  }
}

/** The same without reading the file, at once. */
export function takeMetadata(sessionFile: string, fs: SessionFs): SessionFileFingerprint {
  const stats = fs.stat(sessionFile);
  return stats === null ? { exists: false } : fingerprintOf(stats, null);
}

/**
 * Content decides where both were read: on network file systems, and after a restored backup, metadata differ
 * although nothing has changed. Of larger files all metadata must be equal.
 */
export function isSameFile(a: SessionFileFingerprint, b: SessionFileFingerprint): boolean {
  if (!a.exists || !b.exists) return a.exists === b.exists;
  if (a.digest === null || b.digest === null) return changedMetadata(a, b).length === 0;
  return a.size === b.size && a.digest === b.digest;
}

/** How it was changed, and what differs, for people. */
export function describeChange(
  before: SessionFileFingerprint,
  after: SessionFileFingerprint,
  found: FileChange = "file-changed",
): string {
  if (!before.exists) return after.exists ? "the file was created" : "the file is still missing";
  if (!after.exists) return "the file was removed";
  const differs = difference(before, after);
  const how = HOW[found];
  return how === undefined ? differs : `${how}: ${differs}`;
}

const HOW: Readonly<Partial<Record<FileChange, string>>> = {
  "file-appended": "another writer has appended to it",
  "file-rewritten": "another writer has rewritten it",
  "file-replaced": "another file is in its place",
};

function difference(before: Existing, after: Existing): string {
  if (before.size !== after.size) {
    return `size changed from ${String(before.size)} to ${String(after.size)}`;
  }
  const changed = changedMetadata(before, after);
  const what = before.digest !== after.digest ? ["content", ...changed] : changed;
  return `${what.join(", ")} changed, size ${String(after.size)} did not`;
}

/** How another writer has changed a file; `file-changed`: that is not known. */
export type FileChange =
  | "file-appended"
  | "file-rewritten"
  | "file-replaced"
  | "file-removed"
  | "file-created"
  | "file-changed";

/** Tells how, by a look at the part of the file that was there before. Never rejects. */
export async function howChanged(
  sessionFile: string,
  before: SessionFileFingerprint,
  after: SessionFileFingerprint,
  fs: SessionFs,
): Promise<FileChange> {
  if (!after.exists) return "file-removed";
  if (!before.exists) return "file-created";
  if (before.dev !== after.dev || before.ino !== after.ino) return "file-replaced";
  if (after.size < before.size) return "file-rewritten";
  if (before.digest === null) return "file-changed";
  try {
    const file = await openUnlessMissing(sessionFile, fs);
    if (file === null) return "file-removed";
    try {
      const digest = await digestOf(file, Number(before.size));
      return digest === before.digest ? "file-appended" : "file-rewritten";
    } finally {
      await file.close();
    }
  } catch {
    return "file-changed";
  }
}

const METADATA = ["dev", "ino", "size", "mtimeNs", "ctimeNs"] as const;

type Existing = Extract<SessionFileFingerprint, { exists: true }>;

function changedMetadata(a: Existing, b: Existing): readonly string[] {
  return METADATA.filter((name) => a[name] !== b[name]);
}

function fingerprintOf(
  { dev, ino, size, mtimeNs, ctimeNs }: BigIntStats,
  digest: string | null,
): SessionFileFingerprint {
  return { exists: true, dev, ino, size, mtimeNs, ctimeNs, digest };
}

type Reader = Awaited<ReturnType<SessionFs["open"]>>;

async function openUnlessMissing(sessionFile: string, fs: SessionFs): Promise<Reader | null> {
  try {
    return await fs.open(sessionFile);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return null;
    throw error;
  }
}

/** Of the first `size` bytes: reading a file that grows all the time must end. */
async function digestOf(file: Reader, size: number): Promise<string> {
  const hash = crypto().createHash("sha256");
  const buffer = Buffer.allocUnsafe(Math.min(size, CHUNK));
  // Many sessions may be looked at in the same turn of the event loop.
  const slice = new TimeSlice();
  for (let position = 0; position < size;) {
    const length = Math.min(buffer.length, size - position);
    const bytesRead = await file.read(buffer, length, position);
    if (bytesRead === 0) break;
    if (slice.exhausted()) await slice.next();
    hash.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
  }
  return hash.digest("hex");
}
