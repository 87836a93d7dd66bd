/** Every name that the protocol uses on disk. Pure. */

const LOCK_SUFFIX = ".lock";
const GUARD_SUFFIX = ".guard";
/** Another library's guard, which can be a directory (foreign-guard.ts). */
const FOREIGN_GUARD_SUFFIX = ".reclaim";

/** The lock of the file `path`. */
export function lockNameOf(path: string): string {
  return path + LOCK_SUFFIX;
}

export function guardFilePathOf(lockPath: string): string {
  return lockPath + GUARD_SUFFIX;
}

export function foreignGuardPathOf(lockPath: string): string {
  return lockPath + FOREIGN_GUARD_SUFFIX;
}

/** A private file from which a lock is published; no search for locks finds it. */
export function temporaryPathOf(lockPath: string, nonce: string): string {
  return `${lockPath}.${nonce}.tmp`;
}

/** Where a lock is renamed to before it is unlinked. */
export function asidePathOf(lockPath: string, nonce: string): string {
  return `${lockPath}.${nonce}.gone`;
}

const LEFTOVER = /\.(?:[0-9a-f]{32}\.(?:tmp|gone)|guard|reclaim)$/;

/** What a crash can leave of the protocol: a temporary or a lock renamed aside, a guard, another library's guard. */
export type LeftoverKind = "private" | "guard" | "foreign-guard";

/** A leftover's name, taken apart; `lockPath` is that of the lock that it belongs to. */
export interface LeftoverName {
  readonly kind: LeftoverKind;
  readonly lockPath: string;
}

/** null: not a name that the protocol gives beside a lock. */
export function parseLeftoverName(path: string): LeftoverName | null {
  const suffix = LEFTOVER.exec(path)?.[0];
  if (suffix === undefined) return null;
  return { kind: LEFTOVER_KINDS[suffix] ?? "private", lockPath: path.slice(0, -suffix.length) };
}

const LEFTOVER_KINDS: Readonly<Record<string, LeftoverKind>> = {
  [GUARD_SUFFIX]: "guard",
  [FOREIGN_GUARD_SUFFIX]: "foreign-guard",
};
