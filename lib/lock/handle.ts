/** What an acquisition gives: one of the handles that share a hold. */
import { checkFunction } from "../util/check-values.js";
import type { LostFailure, ToError } from "./failure.js";
import type { HeldLock } from "./held-lock.js";
import type { LockLease } from "./lease-above.js";

/**
 * Its functions may be handed around on their own, so they are the instance's; but no accessor is, which V8 would make
 * anew, slowly, for each acquisition.
 */
export class LockHandle {
  readonly lockPath: string;
  readonly #hold: HeldLock;
  readonly #toError: ToError;
  /** Made when the caller asks for the signal: most holders never do, and it costs several microseconds. */
  #lost: AbortController | null = null;
  #lossError: Error | null = null;
  #released: Promise<void> | null = null;

  constructor(hold: HeldLock, toError: ToError) {
    this.lockPath = hold.lockPath;
    this.#hold = hold;
    this.#toError = toError;
  }

  get lease(): LockLease | null {
    return this.#hold.lease;
  }

  get lost(): AbortSignal {
    if (this.#lost === null) {
      const controller = new AbortController();
      this.#lost = controller;
      const abort = (loss: LostFailure): void => controller.abort(this.#errorOf(loss));
      if (this.#hold.loss === null) this.#hold.onLoss(abort);
      else abort(this.#hold.loss);
    }
    return this.#lost.signal;
  }

  readonly release = (): Promise<void> => (this.#released ??= this.#hold.close(this.#toError));

  readonly releaseSync = (): void => {
    this.#hold.assertOutsideFence("releaseSync");
    if (this.#released !== null) return this.#hold.hurry();
    this.#released = Promise.resolve();
    this.#hold.closeAtOnce(this.#toError);
  };

  readonly withFence = <T>(write: () => T): T => {
    checkFunction("write", write);
    this.#checkOpen();
    return this.#hold.withFence(write, this.#toLoss);
  };

  readonly assertHeld = (): void => {
    this.#checkOpen();
    this.#hold.assertStillHeld(this.#toLoss);
  };

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  [Symbol.dispose](): void {
    this.releaseSync();
  }

  /** The lock is over, or only this handle. */
  #checkOpen(): void {
    const { loss, lockPath, isHeld } = this.#hold;
    if (loss !== null) throw this.#errorOf(loss);
    if (this.#released !== null || !isHeld) {
      const released = { loss: "released", pid: null, why: "released" } as const;
      throw this.#toError({ kind: "lost", lockPath, ...released });
    }
  }

  /** One error for one loss: what `lost` aborts with is what the functions throw. */
  readonly #toLoss: ToError = (failure) =>
    failure.kind === "lost" ? this.#errorOf(failure) : this.#toError(failure);

  #errorOf(loss: LostFailure): Error {
    return (this.#lossError ??= this.#toError(loss));
  }
}
