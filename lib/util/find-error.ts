/** Finding an error by its code, however it is wrapped. */
import { errorCode } from "./error-code.js";

declare const recognised: unique symbol;

/**
 * What a guard has recognised as an error `E`: that error, one that has it among its causes, or a look-alike by its code. So
 * any of its fields may be absent; `instanceof` tells the error itself.
 */
export type Recognised<E extends Error> = Partial<E> & {
  /** Never there: it keeps the compiler from taking every Error for recognised. */
  readonly [recognised]: E;
};

/**
 * Searches an error, its `cause` chain and the members of AggregateErrors, depth first. Look-alikes count: any
 * object with that `code`, also with the prefix `OPENCLAW_`.
 *
 * @returns null when none of the codes is in there.
 */
export function findErrorByCode<Code extends string>(
  error: unknown,
  codes: readonly Code[],
): { readonly error: object; readonly code: Code } | null {
  // Each error once: cause chains may be circular.
  const seen = new Set<object>();
  const pending: unknown[] = [error];
  while (pending.length > 0) {
    const candidate = pending.pop();
    if (typeof candidate !== "object" || candidate === null || seen.has(candidate)) continue;
    seen.add(candidate);
    try {
      const text = errorCode(candidate)?.replace(/^OPENCLAW_/, "");
      const code = codes.find((known) => known === text);
      if (code !== undefined) return { error: candidate, code };
      if ("errors" in candidate && Array.isArray(candidate.errors) && !seen.has(candidate.errors)) {
        seen.add(candidate.errors);
        pushReversed(pending, candidate.errors as readonly unknown[]);
      }
      if ("cause" in candidate) pending.push(candidate.cause);
    } catch {
      // It refuses to be looked at (a getter that throws, a revoked Proxy) and tells nothing.
    }
  }
  return null;
}

/** One by one: V8 takes about a hundred thousand arguments of one call, and then throws a RangeError. */
function pushReversed(to: unknown[], items: readonly unknown[]): void {
  for (let index = items.length - 1; index >= 0; index--) to.push(items[index]);
}
