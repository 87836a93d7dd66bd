/** Checks of options objects: one table for each, so that a key that is no option is told from a mistake. */
import { asArgumentError, typeError, wrongType } from "./argument-error.js";
import type { Check } from "./check-values.js";
import { quote } from "./printable.js";

/** What each option of `Options` must be: the compiler insists on every one of them. */
export type OptionChecks<Options> = Readonly<Record<keyof Options & string, Check>>;

/**
 * Checks an options object that may be absent.
 *
 * @param prefix - What fields are called in messages: `options.timeoutMs`.
 * @throws TypeError or RangeError of argument-error.ts; a key that is not in `checks` is refused, with the nearest one
 */
export function checkOptions<Options>(
  options: unknown,
  checks: OptionChecks<Options>,
  prefix = "options",
): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null)
    throw wrongType(prefix, "an object", options);
  for (const key of keysOf(options, prefix)) {
    if (!Object.hasOwn(checks, key)) throw unknownOption(prefix, key, Object.keys(checks));
  }
  checkFields(options, checks, prefix);
}

/** @throws TypeError for an array, which is no options object, and for a Proxy that refuses */
function keysOf(options: object, prefix: string): string[] {
  try {
    if (Array.isArray(options)) throw wrongType(prefix, "an object", options);
    return Object.keys(options);
  } catch (error) {
    throw asArgumentError(prefix, error);
  }
}

/** Checks an object of facts that must be there: it may say more than is asked for. */
export function checkFields<Facts>(
  facts: unknown,
  checks: OptionChecks<Facts>,
  prefix: string,
): void {
  if (typeof facts !== "object" || facts === null) throw wrongType(prefix, "an object", facts);
  const given = facts as Readonly<Record<string, unknown>>;
  for (const [key, check] of Object.entries<Check>(checks)) {
    const field = `${prefix}.${key}`;
    try {
      check(field, given[key]);
    } catch (error) {
      throw asArgumentError(field, error);
    }
  }
}

/** Checks one argument that is no options object. */
export function checkArgument(field: string, value: unknown, check: Check): void {
  try {
    check(field, value);
  } catch (error) {
    throw asArgumentError(field, error);
  }
}

/** An options object that must be there. */
export function checkRequiredOptions<Options>(
  options: unknown,
  checks: OptionChecks<Options>,
  prefix = "options",
): void {
  if (options === undefined) throw wrongType(prefix, "an object", options);
  checkOptions(options, checks, prefix);
}

function unknownOption(prefix: string, key: string, known: readonly string[]): TypeError {
  const nearest = nearestTo(key, known);
  const remedy = nearest === null ? `known are ${known.join(", ")}` : `did you mean "${nearest}"?`;
  const message = `${prefix} has no option ${quote(key)}: ${remedy}`;
  return typeError("ERR_UNKNOWN_OPTION", message);
}

// A shorter one is part of too much.
const SHORTEST_PART = 4;

/** null: none is near. */
function nearestTo(key: string, known: readonly string[]): string | null {
  let nearest: string | null = null;
  // A third of the letters may be wrong.
  let least = Math.max(2, Math.floor(key.length / 3)) + 1;
  const wanted = key.toLowerCase();
  for (const candidate of known) {
    const name = candidate.toLowerCase();
    // `reentrant` for `allowReentrant`: one letter wrong at most counts for more.
    const isPart = wanted.length >= SHORTEST_PART && name.includes(wanted);
    const distance = isPart ? 1 : distanceBetween(wanted, name);
    if (distance >= least) continue;
    least = distance;
    nearest = candidate;
  }
  return nearest;
}

/** Levenshtein's: how many letters have to be added, dropped or replaced. */
function distanceBetween(from: string, to: string): number {
  // Much longer than the option is no misspelling of it, and costs its length.
  if (Math.abs(from.length - to.length) > to.length) return Infinity;
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? Infinity;
}
