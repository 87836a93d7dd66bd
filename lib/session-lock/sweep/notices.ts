/** What a sweep tells beside its verdicts: as fields for programs, as lines for a log. */
import type { Callbacks } from "./callbacks.js";
import { printable } from "../../util/printable.js";
import { warnOnStderr } from "../../util/warn-line.js";
import type { StaleReason } from "../reasons.js";
import { describeMissingAddon, firstMissOfAddon } from "../../lock/missing-addon.js";

/**
 * - `removed-lock`: a stale lock was removed
 * - `odd-file`: a directory, a socket, a symbolic link or the like has a lock's name; it was skipped
 * - `undecodable-name`: a lock's name is not valid UTF-8, so that it cannot be opened by it; it was skipped. `path` has
 *   U+FFFD for what cannot be decoded
 * - `leftover-kept`: what a crash left of the protocol itself could not be removed
 * - `no-addon`: stale locks stay, the first of them `path`, because the native addon is not loaded; told once in a
 *   thread, and on standard error where there is no log
 */
export type SweepNotice =
  | {
      readonly kind: "removed-lock";
      readonly path: string;
      readonly staleReasons: readonly StaleReason[];
    }
  | { readonly kind: "odd-file" | "undecodable-name"; readonly path: string }
  | { readonly kind: "leftover-kept"; readonly path: string; readonly error: Error }
  | {
      readonly kind: "no-addon";
      readonly path: string;
      /** The loader's. */
      readonly error: Error;
      /** The environment has switched it off. */
      readonly isSwitchedOff: boolean;
    };

/** The line for people, whatever the path. Nothing may read it: {@link SweepNotice} says the same. */
export function describeNotice(notice: SweepNotice): string {
  return printable(wordsFor(notice));
}

function wordsFor(notice: SweepNotice): string {
  const { path } = notice;
  switch (notice.kind) {
    case "removed-lock":
      return `removed stale session lock: ${path} (${notice.staleReasons.join(", ")})`;
    case "odd-file":
      return `skipped, not a regular file: ${path}`;
    case "undecodable-name":
      return `skipped, its name is not valid UTF-8: ${path}`;
    case "leftover-kept":
      return `cannot remove leftover: ${path} (${notice.error.message})`;
    case "no-addon":
      return describeMissingAddon(notice);
  }
}

/** The notices of one sweep, each also told to its log. */
export class SweepNotices {
  readonly all: SweepNotice[] = [];
  readonly #warn: ((message: string) => void) | undefined;
  readonly #callbacks: Callbacks;

  /**
   * @param warn - Absent: only what a program must not miss is told, on standard error.
   * @param callbacks - Calls `warn`: a log that throws must not change a verdict.
   */
  constructor(warn: ((message: string) => void) | undefined, callbacks: Callbacks) {
    this.#warn = warn;
    this.#callbacks = callbacks;
  }

  add(notice: SweepNotice): void {
    this.all.push(notice);
    const warn = this.#warn ?? (notice.kind === "no-addon" ? warnOnStderr : null);
    this.#callbacks.call(() => warn?.(describeNotice(notice)));
  }

  /** A stale lock stays because there is no guard: told where the addon is what is missing, once. */
  addUnguarded(lockPath: string): void {
    const missing = firstMissOfAddon();
    if (missing !== null) this.add({ kind: "no-addon", path: lockPath, ...missing });
  }
}
