/** What the addon says of a system call that failed, the negated errno, by the names and in the errors that Node has. */
import { os, util } from "../../util/node-modules.js";

/** The errno's name, e.g. `ENOENT`. */
export function codeOf(negated: number): string {
  const name = nameByLibuv(negated);
  // It has none for some (ENOLCK), of which Node then says "Unknown system error"; os.constants knows more.
  if (/^E[A-Z0-9]+$/.test(name)) return name;
  const found = Object.entries(os().constants.errno).find(([, value]) => value === -negated);
  return found?.[0] ?? `errno ${String(-negated)}`;
}

function nameByLibuv(negated: number): string {
  try {
    return util.getSystemErrorName(negated);
  } catch {
    return "";
  }
}

/**
 * The error that Node throws for this call of its own: `ENOENT: no such file or directory, open '/x'`.
 *
 * @param path - Where the call took one.
 */
export function callError(negated: number, syscall: string, path?: string): Error {
  const code = codeOf(negated);
  const what = util.getSystemErrorMap().get(negated)?.[1] ?? "unknown error";
  const facts = { errno: negated, code, syscall };
  if (path === undefined) return Object.assign(new Error(`${code}: ${what}, ${syscall}`), facts);
  // As the kernel got it: without what UTF-8 cannot say.
  const asked = Buffer.from(path).toString();
  const error = new Error(`${code}: ${what}, ${syscall} '${asked}'`);
  return Object.assign(error, { ...facts, path: asked });
}
