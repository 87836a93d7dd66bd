/** The arguments behind a command's name: options and values, or an error that names the wrong one. */
import { parseArgs, type ParseArgsConfig } from "node:util";

import { printable, quote } from "../util/printable.js";
import { UsageError } from "./command.js";

type OptionTable = NonNullable<ParseArgsConfig["options"]>;

/** The types that Node's parser gives these options. */
type Parsed<T extends OptionTable> = ReturnType<
  typeof parseArgs<{ args: string[]; options: T; allowPositionals: true; strict: true }>
>;

/** @throws UsageError naming an unknown option, or one with a value too many or too few. */
export function parseArguments<const T extends OptionTable>(
  args: readonly string[],
  options: T,
): Parsed<T> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (cause) {
    throw new UsageError(faultOf(args, options) ?? printable((cause as Error).message), { cause });
  }
}

/** null: not found, also where Node's parser itself gives up (a hundred thousand short options in one argument). */
function faultOf(args: readonly string[], options: OptionTable): string | null {
  try {
    return findFault(args, options);
  } catch {
    return null;
  }
}

/** Node's parser has its own sentences for what is wrong; this finds the argument that is wrong. */
function findFault(args: readonly string[], options: OptionTable): string | null {
  const { tokens } = parseArgs({
    args: [...args],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    const name = printable(token.rawName);
    if (option === undefined) return `unknown option: ${name}`;
    if (option.type === "boolean" && token.value !== undefined) {
      return `option takes no value: ${name}`;
    }
    // The next argument may be an option that was taken for a value.
    const isMissing =
      token.value === undefined || (!token.inlineValue && token.value.startsWith("-"));
    if (option.type === "string" && isMissing) return `option needs a value: ${name}`;
  }
  return null;
}

/** True when `--help` or `-h` stands among the options; what follows `--` is none. */
export function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  const options = end === -1 ? args : args.slice(0, end);
  return options.includes("--help") || options.includes("-h");
}

/**
 * At least one value.
 *
 * @throws UsageError
 */
export function requireSome(what: string, values: readonly string[]): void {
  if (values.length === 0) throw new UsageError(`at least one ${what} is required`);
}

/**
 * A number that has the form of a pid. Whether a process can have it is for the OS to say.
 *
 * @throws UsageError
 */
export function parsePid(text: string): number {
  return parsePositiveInteger("pid", text);
}

/** @throws UsageError unless `text` is a plain decimal integer of 1 or more */
export function parsePositiveInteger(what: string, text: string): number {
  const value = /^\d+$/u.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new UsageError(`${what} must be an integer of 1 or more: ${quote(text)}`);
  }
  return value;
}

/** @throws UsageError unless `text` is a plain decimal integer of 0 or more, in milliseconds */
export function parseTimeout(what: string, text: string): number {
  const value = /^\d+$/u.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) {
    throw new UsageError(`${what} must be an integer of 0 or more milliseconds: ${quote(text)}`);
  }
  return value;
}
