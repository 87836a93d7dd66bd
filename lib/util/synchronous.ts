/** Refusing promises where something must be done when a function returns. */
import { typeError } from "./argument-error.js";

/**
 * A function that has done all when it returns: the compiler refuses one that gives a promise, {@link checkSynchronous} what
 * the compiler has not seen.
 */
export type Synchronous<T> = (() => T) & RefusedPromise<T>;

// `any` may be anything: that is seen when it is there.
type RefusedPromise<T> = 0 extends 1 & T
  ? unknown
  : [Extract<T, PromiseLike<unknown>>] extends [never]
    ? unknown
    : "must be synchronous, and may give a promise";

/** @throws TypeError for a promise, whose rejection is not left unheard-of */
export function checkSynchronous(what: string, answer: unknown): void {
  if (!isThenable(answer)) return;
  // What it comes to changes nothing any more.
  if (answer instanceof Promise) answer.catch(() => {});
  throw typeError("ERR_INVALID_RETURN_VALUE", `${what} must be synchronous, got a promise from it`);
}

function isThenable(value: unknown): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    "then" in value &&
    typeof value.then === "function"
  );
}
