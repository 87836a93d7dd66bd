/** The locks that this thread has taken by proper-lockfile's interface: watched, and given back once. */
import type { FileLock } from "../file-lock/file-lock.js";
import { FileLockLostError } from "../file-lock/errors.js";
import { runtimeMs } from "../util/clocks.js";
import { every } from "../util/timers.js";
import { lockError, whyNotReleased } from "./errors.js";

/** By guarded file. */
const held = new Map<string, Held>();

export interface HoldOptions {
  readonly file: string;
  readonly lock: FileLock;
  /** How often is looked whether it is still this lock, milliseconds. */
  readonly updateMs: number;
  /** So long a lock may be out of sight before it counts as lost, milliseconds. */
  readonly staleMs: number;
  readonly onCompromised: (error: Error) => unknown;
}

/** One lock. */
export class Held {
  readonly #options: HoldOptions;
  readonly #stopLooking: () => void;
  #seenAt = runtimeMs();
  #isOver = false;

  constructor(options: HoldOptions) {
    this.#options = options;
    this.#stopLooking = every(() => this.#look(), options.updateMs);
    held.set(options.file, this);
  }

  /** @throws (rejection) ERELEASED; the file system's error */
  async release(): Promise<void> {
    this.#end();
    try {
      await this.#options.lock.release();
    } catch (error) {
      throw whyNotReleased(error);
    }
  }

  /** {@link release} that stops the thread. */
  releaseSync(): void {
    this.#end();
    try {
      this.#options.lock.releaseSync();
    } catch (error) {
      throw whyNotReleased(error);
    }
  }

  #look(): void {
    const { lock, staleMs } = this.#options;
    try {
      lock.assertHeld();
      this.#seenAt = runtimeMs();
    } catch (error) {
      const isLost = error instanceof FileLockLostError;
      if (!isLost && runtimeMs() - this.#seenAt < staleMs) return;
      this.#end();
      // From a timer: what it throws is an uncaught exception, as that package promises.
      this.#options.onCompromised(lockError("ECOMPROMISED", { cause: error }));
    }
  }

  #end(): void {
    if (this.#isOver) throw lockError("ERELEASED");
    this.#isOver = true;
    this.#stopLooking();
    if (held.get(this.#options.file) === this) held.delete(this.#options.file);
  }
}

/** @throws ENOTACQUIRED */
export function heldOf(file: string): Held {
  const found = held.get(file);
  if (found === undefined) throw lockError("ENOTACQUIRED");
  return found;
}
