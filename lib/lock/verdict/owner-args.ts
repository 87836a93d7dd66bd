/** Owners' command lines: each pid asked once, tied to the process it was read of, and what is made of them. */
import type { ProcessIdentity } from "../../process/backends/backend.js";
import { getProcessArgs } from "../../process/inspect.js";

/**
 * The caller's way to an owner's command line; null: not readable. May be async. When it throws, the owner
 * is unknown, the lock is kept and the next lock with that pid asks again.
 */
export type ReadOwnerProcessArgs = (
  pid: number,
) => readonly string[] | null | Promise<readonly string[] | null>;

/** The same that answers at once. When it throws, the owner is unknown and the lock is kept. */
export type ReadOwnerProcessArgsSync = (pid: number) => readonly string[] | null;

export interface OwnerArgs {
  readonly args: readonly string[] | null;
  /** The process that had the pid just before it was read. */
  readonly process: ProcessIdentity;
}

export class OwnerArgsMemo {
  readonly #known = new Map<number, OwnerArgs>();
  readonly #resolve: ReadOwnerProcessArgs;
  readonly #identity: (pid: number) => ProcessIdentity;

  constructor(
    resolve: ReadOwnerProcessArgs | undefined,
    identity: (pid: number) => ProcessIdentity,
  ) {
    this.#resolve = resolve ?? getProcessArgs;
    this.#identity = identity;
  }

  peek(pid: number): OwnerArgs | undefined {
    return this.#known.get(pid);
  }

  /**
   * {@link read} where nothing may be awaited.
   *
   * @throws TypeError when the resolver answers with a promise
   */
  readAtOnce(pid: number): OwnerArgs {
    const known = this.peek(pid);
    if (known !== undefined) return known;
    const process = this.#identity(pid);
    let given: unknown;
    try {
      given = this.#resolve(pid);
    } catch {
      return { args: null, process };
    }
    if (given instanceof Promise) {
      given.catch(() => {});
      throw new TypeError(
        "readOwnerProcessArgs must answer at once here: expected a list of strings or null, got a Promise",
      );
    }
    const answer: OwnerArgs = { args: toArgv(given), process };
    this.#known.set(pid, answer);
    return answer;
  }

  /** Asks the resolver. Its slot is written only after it returned: a throw is not an answer. */
  async read(pid: number): Promise<OwnerArgs> {
    const process = this.#identity(pid);
    try {
      const answer: OwnerArgs = { args: toArgv(await this.#resolve(pid)), process };
      this.#known.set(pid, answer);
      return answer;
    } catch {
      return { args: null, process };
    }
  }
}

/** What a resolver of untyped origin returns may be anything; only a list of strings is an answer. */
function toArgv(value: unknown): readonly string[] | null {
  return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : null;
}

/** A caller's predicate that throws has not said "foreign". */
export function tolerant(
  isOwnerArgv: (args: readonly string[]) => boolean,
): (args: readonly string[]) => boolean {
  return (args) => {
    try {
      return isOwnerArgv(args);
    } catch {
      return true;
    }
  };
}

/** Asks once about each argument vector: one process may have written thousands of locks. */
export function askedOnce(
  isOwnerArgv: (args: readonly string[]) => boolean,
): (args: readonly string[]) => boolean {
  const answers = new WeakMap<readonly string[], boolean>();
  return (args) => {
    const known = answers.get(args);
    if (known !== undefined) return known;
    const answer = isOwnerArgv(args);
    answers.set(args, answer);
    return answer;
  };
}
