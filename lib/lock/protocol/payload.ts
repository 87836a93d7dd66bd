/** The lock file's JSON: its keys, how it is read from bytes and written to text, how large it may be. Pure. */
import { rangeError } from "../../util/argument-error.js";
import type { LeaseClaim } from "./lease-claim.js";

/**
 * What a lock file says. A key that is absent or of another shape is null. Other writers of this format
 * know only the first four keys; a lock that has no other is a *plain lock*.
 */
export interface LockPayload {
  /** Integer > 0. */
  readonly pid: number | null;
  /** ISO 8601 UTC with milliseconds when written by this package; any string when read. */
  readonly createdAt: string | null;
  /** Integer > 0, milliseconds: the holder's own limit. */
  readonly maxHoldMs: number | null;
  /**
   * The owner's start time in the unit that all writers of this format share: Linux
   * `/proc/<pid>/stat` field 22 as the writer reads it, macOS seconds, Windows milliseconds since the
   * Unix epoch.
   */
  readonly starttime: number | null;
  /**
   * Token of `identifyProcess`. Text of any shape that was present counts as present: a token that
   * cannot be read makes the owner unknown, which a missing one does not.
   */
  readonly owner: string | null;
  /** 128 random bits in hexadecimal, new for each acquisition: says *which* lock this is. */
  readonly nonce: string | null;
  /** `<st_dev>:<st_ino>` of the descriptor on which the holder has a kernel lock. */
  readonly kernelLock: string | null;
  /**
   * `inode`: the lock file itself is its guard, and its ownership the other kind of kernel lock. null: a guard file.
   * Any other text is a later version's, whose guard this one does not know.
   */
  readonly guard: string | null;
  /** When the lock was published on the machine's monotonic clock, milliseconds. */
  readonly monotonicMs: number | null;
  /** The caller's text, e.g. a run id. */
  readonly label: string | null;
  /** The name of the file system's kind (`ext`, `overlay`, `nfs`, …). */
  readonly fileSystem: string | null;
  /**
   * The publisher has seen through a second look that its kernel lock shows under the lock's name; written
   * where that does not go without saying (FUSE).
   */
  readonly verified: true | null;
  /** Under which hold on a lease above it the lock was taken; written as `{ "store", "key", "epoch" }`, all texts. */
  readonly lease: LeaseClaim | null;
}

/** What a lock says that another program wrote. */
export function plainPayload(
  pid: number,
  { createdAt = null, starttime = null }: Partial<Pick<LockPayload, "createdAt" | "starttime">>,
): LockPayload {
  return {
    pid,
    createdAt,
    maxHoldMs: null,
    starttime,
    owner: null,
    nonce: null,
    kernelLock: null,
    guard: null,
    monotonicMs: null,
    label: null,
    fileSystem: null,
    verified: null,
    lease: null,
  };
}

const KERNEL_LOCK = /^\d{1,20}:\d{1,20}$/;
const FILE_SYSTEM = /^[a-z0-9-]{1,32}$/;

/**
 * Reads a lock file's bytes.
 *
 * @param length - How many of them are the file's.
 * @returns null when there is no payload: not JSON, not an object, or empty. Never throws, whatever
 *   the bytes.
 */
export function parsePayload(bytes: Buffer, length = bytes.length): LockPayload | null {
  let value: unknown;
  try {
    // A byte order mark is an editor's doing, not damage: what follows still names the owner.
    const hasMark = length >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
    value = JSON.parse(bytes.toString("utf8", hasMark ? 3 : 0, length));
  } catch {
    return null;
  }
  if (!isRecord(value)) return null;
  const { pid, createdAt, maxHoldMs, starttime, owner, nonce, kernelLock, monotonicMs, label } =
    value;
  const { guard, fileSystem, verified, lease } = value;
  return {
    pid: isPositiveInteger(pid) ? pid : null,
    createdAt: typeof createdAt === "string" ? createdAt : null,
    maxHoldMs: isPositiveInteger(maxHoldMs) ? maxHoldMs : null,
    starttime: isPositiveInteger(starttime) || starttime === 0 ? starttime : null,
    owner: ownerText(owner),
    // Any text: a later version's nonce still says that this package's protocol is at work.
    nonce: typeof nonce === "string" && nonce !== "" ? nonce : null,
    kernelLock: typeof kernelLock === "string" && KERNEL_LOCK.test(kernelLock) ? kernelLock : null,
    guard: typeof guard === "string" ? guard : null,
    monotonicMs:
      typeof monotonicMs === "number" && Number.isFinite(monotonicMs) ? monotonicMs : null,
    label: typeof label === "string" ? label : null,
    fileSystem: typeof fileSystem === "string" && FILE_SYSTEM.test(fileSystem) ? fileSystem : null,
    verified: verified === true ? true : null,
    lease: leaseClaim(lease),
  };
}

/** The text of a lock file: keys in the documented order, absent ones left out, final newline. */
export function formatPayload(payload: LockPayload): string {
  return formatPublished(payload, payload);
}

/** What the publisher of a lock adds to what its holder says. */
export type PublisherKeys = Pick<
  LockPayload,
  "nonce" | "kernelLock" | "guard" | "fileSystem" | "verified"
>;

/** What the holder of a lock says of itself. */
export interface PayloadDraft extends Omit<LockPayload, keyof PublisherKeys> {
  /** Only the pid is to be written, as a bare number (number-file.ts); with the boot's id, null where it is not known. */
  readonly asNumber?: { readonly boot: string | null } | undefined;
}

/**
 * {@link formatPayload} of the two together, as `JSON.stringify(…, null, 2)` writes it, several times as fast: each
 * acquisition writes one.
 */
export function formatPublished(draft: PayloadDraft, added: PublisherKeys): string {
  let lines = "";
  for (const key of PAYLOAD_KEYS) {
    const value = isPublisherKey(key) ? added[key] : draft[key];
    if (value === null) continue;
    const text = textOf(value);
    lines += `${lines === "" ? "" : ","}\n  "${key}": ${text}`;
  }
  return lines === "" ? "{}\n" : `{${lines}\n}\n`;
}

function textOf(value: string | number | true | LeaseClaim): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value !== "object") return String(value);
  const { store, key, epoch } = value;
  const claim = JSON.stringify({ store, key, epoch: String(epoch) }, null, 2);
  return claim.replaceAll("\n", "\n  ");
}

function isPublisherKey(key: keyof LockPayload): key is keyof PublisherKeys {
  return key in LONGEST_ADDITIONS;
}

const PAYLOAD_KEYS = [
  "pid",
  "createdAt",
  "maxHoldMs",
  "starttime",
  "owner",
  "nonce",
  "kernelLock",
  "monotonicMs",
  "label",
  "fileSystem",
  "guard",
  "verified",
  "lease",
] as const satisfies readonly (keyof LockPayload)[];

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isPositiveInteger(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function ownerText(owner: unknown): string | null {
  if (owner === undefined) return null;
  // Not written out again: JSON.stringify overflows the stack on nesting that JSON.parse takes.
  return typeof owner === "string" ? owner : NO_TOKEN;
}

const EPOCH = /^(?:0|[1-9]\d{0,39})$/;

/** Whole or not at all: half of one proves nothing. */
function leaseClaim(lease: unknown): LeaseClaim | null {
  if (!isRecord(lease)) return null;
  const { store, key, epoch } = lease;
  const isClaim =
    typeof store === "string" &&
    store !== "" &&
    typeof key === "string" &&
    key !== "" &&
    typeof epoch === "string" &&
    EPOCH.test(epoch);
  return isClaim ? { store, key, epoch: BigInt(epoch) } : null;
}

/** Stands for an owner that is no text at all; never a token. */
const NO_TOKEN = "not a text";

/** Readers take no larger file for a lock. */
export const MAX_LOCK_BYTES = 64 * 1024;

/** More than every key together takes that is not the caller's text. */
const FIXED_PART_BYTES = 4096;

/** A UTF-16 code unit takes at most three bytes as UTF-8, and six where JSON escapes it. */
const MOST_BYTES_PER_UNIT = 6;

/** What the publisher adds, at its longest: both 64-bit numbers, and a file system's name. */
const LONGEST_ADDITIONS = {
  nonce: "f".repeat(32),
  kernelLock: `${"9".repeat(20)}:${"9".repeat(20)}`,
  guard: "inode",
  fileSystem: "f".repeat(64),
  verified: true,
} as const satisfies PublisherKeys;

/**
 * To be called before anything is created.
 *
 * @throws RangeError when readers would call the lock unreadable, and keep it for good
 */
export function checkPayloadSize(draft: PayloadDraft): void {
  const { label, owner, lease } = draft;
  const texts = [label, owner, lease?.key, lease?.store];
  const units = texts.reduce((sum, text) => sum + (text?.length ?? 0), 0);
  if (units * MOST_BYTES_PER_UNIT + FIXED_PART_BYTES <= MAX_LOCK_BYTES) return;
  const bytes = Buffer.byteLength(formatPublished(draft, LONGEST_ADDITIONS));
  if (bytes > MAX_LOCK_BYTES) {
    throw rangeError(
      "ERR_OUT_OF_RANGE",
      `lock must have at most ${String(MAX_LOCK_BYTES)} bytes, its label is to blame: ${String(bytes)}`,
    );
  }
}
