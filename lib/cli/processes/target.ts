/** Processes as they are named on the command line: a pid, or a token of `pidentity identify`. */
import { identifyProcess, tokenHost } from "../../process/identity.js";
import { inspectProcess } from "../../process/inspect.js";
import { parseToken } from "../../process/token.js";
import { printable } from "../../util/printable.js";
import { parsePid } from "../arguments.js";
import { UsageError } from "../command.js";

/** One process that was named, for good once it has a token. */
export interface Target {
  /** As it was given. */
  readonly process: string;
  readonly pid: number | null;
  /** null: `reason` says all that is known. */
  readonly token: string | null;
  readonly isGone: boolean;
  readonly reason: string | null;
}

/** A target that has a token. */
export type NamedTarget = Target & { readonly token: string };

export function isNamed(target: Target): target is NamedTarget {
  return target.token !== null;
}

/**
 * Names the process that has a pid now; a token names one already.
 *
 * @throws UsageError
 */
export function nameTarget(text: string): Target {
  if (isPid(text)) {
    const pid = parsePid(text);
    const token = identifyProcess(pid);
    if (token !== null) return { process: text, pid, token, isGone: false, reason: null };
    const { state, reason } = inspectProcess(pid, { args: false });
    const isGone = state === "gone";
    return {
      process: text,
      pid,
      token,
      isGone,
      reason: state === "alive" ? "unsupported" : reason,
    };
  }
  const parsed = parseToken(text);
  if (parsed === null && !text.startsWith("pi")) {
    throw new UsageError(`neither a pid nor a token: ${printable(text)}`);
  }
  return { process: text, pid: parsed?.pid ?? null, token: text, isGone: false, reason: null };
}

/** The pid of a token's process; null: it has another one here, in a nested pid namespace, or the token is none. */
export function pidHere(token: string): number | null {
  const named = parseToken(token);
  return named?.pidNamespace === tokenHost().pidNamespace ? named.pid : null;
}

/** A bare pid, which names a process only for now. */
export function isPid(text: string): boolean {
  return /^\d+$/u.test(text);
}
