/** Refusing promises where something must be done when a function returns. */
import { typeError } from "./argument-error.js";

/** @throws TypeError for a promise; what it comes to is its maker's business */
export function checkSynchronous(what: string, answer: unknown): void {
  if (!isThenable(answer)) return;
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
