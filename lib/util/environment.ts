/** Reading environment variables. */
import { unreadable } from "./argument-error.js";

export type Environment = Readonly<Record<string, string | undefined>>;

/** One variable of this process; undefined also where it may not be read: Deno throws without `--allow-env`. */
export function environmentVariable(name: string): string | undefined {
  try {
    return process.env[name];
  } catch {
    return undefined;
  }
}

/** One variable of an environment that a caller gave. @throws TypeError when it throws at being read */
export function variableIn(env: Environment, name: string): string | undefined {
  try {
    return env[name];
  } catch (error) {
    // This process's own may be forbidden (Deno): that error says what to do.
    throw env === process.env ? error : unreadable("env", error);
  }
}

/** A plain decimal safe integer > 0; null for anything else: signs, fractions, exponents, blanks. */
export function positiveInteger(text: string | undefined): number | null {
  // Not asked for its text: callers pass environments of their own, with anything in them.
  if (typeof text !== "string" || !/^\d+$/.test(text)) return null;
  const value = Number(text);
  return Number.isSafeInteger(value) && value > 0 ? value : null;
}
