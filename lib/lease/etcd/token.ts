/** etcd's token of one user: asked for once for all who need it, and again when etcd no longer takes it. */
import { EtcdFailure, FAILED_PRECONDITION } from "./failure.js";
import { orAborted } from "./or-aborted.js";
import { throwIfAborted } from "../../util/on-abort.js";

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** Asks etcd for a token. */
export type Authenticate = (signal: AbortSignal) => Promise<string>;

interface Underway {
  readonly token: Promise<string | null>;
  readonly ending: AbortController;
  waiting: number;
}

/** A password costs etcd a tenth of a second of bcrypt: callers at the same time share one question. */
export class Token {
  // undefined: not asked for yet. null: this etcd wants none, its authentication is off.
  #known: string | null | undefined;
  #underway: Underway | null = null;

  /**
   * @param stale - one that etcd has just refused: not given again. undefined: none was refused
   * @returns null: this etcd asks for none
   * @throws EtcdFailure of `authenticate`, or what `signal` aborted with
   */
  async get(
    authenticate: Authenticate,
    signal: AbortSignal,
    stale: string | null | undefined,
  ): Promise<string | null> {
    if (this.#known !== undefined && this.#known !== stale) return this.#known;
    throwIfAborted(signal);
    this.#known = undefined;
    const underway = (this.#underway ??= this.#ask(authenticate));
    underway.waiting++;
    try {
      return await orAborted(underway.token, signal);
    } finally {
      underway.waiting--;
      if (underway.waiting === 0) this.#end(underway);
    }
  }

  #ask(authenticate: Authenticate): Underway {
    const ending = new AbortController();
    return { token: this.#learn(authenticate(ending.signal)), ending, waiting: 0 };
  }

  async #learn(answer: Promise<string>): Promise<string | null> {
    try {
      this.#known = await answer;
    } catch (error) {
      const isOff = error instanceof EtcdFailure && error.status === FAILED_PRECONDITION;
      if (!isOff) throw error;
      this.#known = null;
    }
    return this.#known;
  }

  /** It is answered, or no caller waits for it any more. */
  #end(underway: Underway): void {
    if (this.#underway === underway) this.#underway = null;
    underway.ending.abort();
  }
}
