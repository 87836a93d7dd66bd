/** Reading environment variables. */

export type Environment = Readonly<Record<string, string | undefined>>;

/** One variable of this process; undefined also where it may not be read: Deno throws without `--allow-env`. */
export function environmentVariable(name: string): string | undefined {
  try {
    return process.env[name];
  } catch {
    return undefined;
  }
}

/** A plain decimal safe integer > 0; null for anything else: signs, fractions, exponents, blanks. */
export function positiveInteger(text: string | undefined): number | null {
  if (text === undefined || !/^\d+$/.test(text)) return null;
  const value = Number(text);
  return Number.isSafeInteger(value) && value > 0 ? value : null;
}
