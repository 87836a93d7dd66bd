/** What a sweep tells beside its verdicts: as fields for programs, as lines for a log. */
import type { Callbacks } from "../util/callbacks.js";
import { printable } from "../util/printable.js";
import type { StaleReason } from "./classify.js";

/**
 * - `removed-lock`: a stale lock was removed
 * - `odd-file`: a directory, a socket, a symbolic link or the like has a lock's name; it was skipped
 * - `leftover-kept`: what a crash left of the protocol itself could not be removed
 */
export type SweepNotice =
  | {
      readonly kind: "removed-lock";
      readonly path: string;
      readonly staleReasons: readonly StaleReason[];
    }
  | { readonly kind: "odd-file"; readonly path: string }
  | { readonly kind: "leftover-kept"; readonly path: string; readonly error: Error };

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
    case "leftover-kept":
      return `cannot remove leftover: ${path} (${notice.error.message})`;
  }
}

/** The notices of one sweep, each also told to its log. */
export class SweepNotices {
  readonly all: SweepNotice[] = [];
  readonly #warn: (message: string) => void;
  readonly #callbacks: Callbacks;

  /** @param callbacks - Calls `warn`: a log that throws must not change a verdict. */
  constructor(warn: (message: string) => void, callbacks: Callbacks) {
    this.#warn = warn;
    this.#callbacks = callbacks;
  }

  add(notice: SweepNotice): void {
    this.all.push(notice);
    this.#callbacks.call(() => this.#warn(describeNotice(notice)));
  }
}
