/** Owners' command lines within one sweep: each pid asked once, and tied to the process it was read of. */
import type { ProcessIdentity } from "../../process/backends/backend.js";
import { getProcessArgs } from "../../process/inspect.js";

/**
 * The caller's way to an owner's command line; null: not readable. May be async. When it throws, the owner
 * is unknown, the lock is kept and the next lock with that pid asks again.
 */
export type ReadOwnerProcessArgs = (
  pid: number,
) => readonly string[] | null | Promise<readonly string[] | null>;

export interface OwnerArgs {
  readonly args: readonly string[] | null;
  /** Who had the pid just before it was read. */
  readonly occupant: ProcessIdentity;
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

  /** Asks the resolver. Its slot is written only after it returned: a throw is not an answer. */
  async read(pid: number): Promise<OwnerArgs> {
    const occupant = this.#identity(pid);
    try {
      const answer: OwnerArgs = { args: toArgv(await this.#resolve(pid)), occupant };
      this.#known.set(pid, answer);
      return answer;
    } catch {
      return { args: null, occupant };
    }
  }
}

/** What a resolver of untyped origin returns may be anything; only a list of strings is an answer. */
function toArgv(value: unknown): readonly string[] | null {
  return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : null;
}
