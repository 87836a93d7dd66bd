/** Owners' command lines: each pid asked once, tied to the process it was read of, and what is made of them. */
import type { ProcessIdentity } from "../../process/backends/backend.js";
import { getProcessArgs } from "../../process/inspect.js";
import { answerWithin } from "../../util/answer-within.js";
import { checkSynchronous } from "../../util/synchronous.js";

/**
 * The caller's way to an owner's command line; null: not readable. May be async. When it throws, the owner
 * is unknown, the lock is kept and the next lock with that pid asks again. An answer that does not come within 10 s, or
 * within what is left of a `timeoutMs` (a second at least), is none: the owner is unknown and the lock is kept.
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

/** How long an answer is waited for. */
const LONGEST_ANSWER_MS = 10_000;
/** Where less is left of a budget: `timeoutMs: 0` is to be answered, too. */
const SHORTEST_LIMIT_MS = 1000;

export interface OwnerArgsLimits {
  /** What is left of the caller's budget, milliseconds. */
  readonly leftMs?: () => number;
  /** Aborting ends the wait; the caller looks at it. */
  readonly signal?: AbortSignal | undefined;
}

export class OwnerArgsMemo {
  readonly #known = new Map<number, OwnerArgs>();
  readonly #resolve: ReadOwnerProcessArgs;
  readonly #identity: (pid: number) => ProcessIdentity;
  readonly #limits: OwnerArgsLimits;

  constructor(
    resolve: ReadOwnerProcessArgs | undefined,
    identity: (pid: number) => ProcessIdentity,
    limits: OwnerArgsLimits = {},
  ) {
    this.#resolve = resolve ?? getProcessArgs;
    this.#identity = identity;
    this.#limits = limits;
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
    checkSynchronous("options.readOwnerProcessArgs", given);
    const answer: OwnerArgs = { args: toArgv(given), process };
    this.#known.set(pid, answer);
    return answer;
  }

  /** Asks the resolver. Its slot is written only after it returned: a throw is not an answer. */
  async read(pid: number): Promise<OwnerArgs> {
    const process = this.#identity(pid);
    try {
      const given = this.#resolve(pid);
      const answer: OwnerArgs = { args: toArgv(await this.#inTime(given)), process };
      // No answer in time is remembered as well: every lock of that pid would wait as long.
      this.#known.set(pid, answer);
      return answer;
    } catch {
      return { args: null, process };
    }
  }

  async #inTime(given: ReturnType<ReadOwnerProcessArgs>): Promise<unknown> {
    if (given === null || Array.isArray(given)) return given;
    const { leftMs = () => Infinity, signal } = this.#limits;
    const limitMs = Math.min(LONGEST_ANSWER_MS, Math.max(SHORTEST_LIMIT_MS, leftMs()));
    return await answerWithin(given, { limitMs, signal });
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
