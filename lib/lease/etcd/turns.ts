/** One attempt at a time for each key: what many contenders of one process ask at once, etcd would answer to none in time. */
import { EtcdFailure } from "./failure.js";
import { orAborted } from "./or-aborted.js";
import { throwIfAborted } from "../../util/on-abort.js";

export class Turns<Answer> {
  readonly #underway = new Map<string, Promise<Answer>>();

  /**
   * Runs `ask` when no other attempt for `key` runs. What those before bring is shown to `settles` first.
   *
   * @param settles - the answer for this caller, if another's is one for it as well; null: it has to ask itself
   * @throws what `ask` throws; EtcdFailure when `signal` aborts before its turn
   */
  async take(
    key: string,
    ask: () => Promise<Answer>,
    settles: (answer: Answer) => Answer | null,
    signal: AbortSignal,
  ): Promise<Answer> {
    for (;;) {
      const before = this.#underway.get(key);
      if (before === undefined) break;
      const settled = await turnBefore(before, settles, signal);
      if (settled !== null) return settled;
    }
    const answer = ask();
    this.#underway.set(key, answer);
    try {
      return await answer;
    } finally {
      this.#underway.delete(key);
    }
  }
}

async function turnBefore<Answer>(
  before: Promise<Answer>,
  settles: (answer: Answer) => Answer | null,
  signal: AbortSignal,
): Promise<Answer | null> {
  // Its failure is its own caller's.
  const over = before.then(settles, () => null);
  try {
    throwIfAborted(signal);
    return await orAborted(over, signal);
  } catch (cause) {
    const facts = { isOfTheMember: true, isRetryable: true, cause };
    throw new EtcdFailure("another attempt of this process is not answered", facts);
  }
}
