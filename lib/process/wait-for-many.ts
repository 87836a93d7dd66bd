/** Waiting for the ends of many processes by one timer and a bounded number of references. */
import { backOffPauses } from "../util/back-off.js";
import { runtimeMs } from "../util/clocks.js";
import { throwIfAborted } from "../util/on-abort.js";
import { TimeSlice } from "../util/time-slice.js";
import type { ProcessVerdict } from "./judge-token.js";
import { ProcessUnknownError } from "./process-unknown-error.js";

/** What a kept pidfd or process handle is asked. */
interface ExitReference {
  exited(): boolean;
  close(): void;
}

/** How processes are asked about. */
export interface ExitQuestions {
  /** Whether a token's pid means something here, so that a reference may be had. */
  readonly mayRefer: (token: string) => boolean;
  /** A reference to the process that has the token's pid now; null: refused, or no process has it. */
  readonly refer: (token: string) => ExitReference | null;
  /** Begins a round: its answers may share what one look at the machine brought. */
  readonly round: () => (token: string) => ProcessVerdict;
  readonly pause: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
}

export interface ManyExitsOptions {
  readonly signal: AbortSignal | undefined;
  /** On the clock of `runtimeMs`. */
  readonly deadline: number;
  /** Milliseconds of work before the event loop gets a turn. */
  readonly sliceMs?: number;
}

/** Each takes a descriptor or handle; the processes beyond them are verified in full every time. */
export const MOST_REFERENCES = 256;

/** Of all waits of this thread. */
let referencesHeld = 0;

/** See `waitForProcessExit`. Each token once, in order of first appearance. */
export async function waitForManyExits(
  tokens: Iterable<string>,
  { signal, deadline, sliceMs }: ManyExitsOptions,
  questions: ExitQuestions,
): Promise<Map<string, "exited" | "timeout">> {
  const all = new Set(tokens);
  const running = new Set(all);
  const references = new References(questions);
  const slice = new TimeSlice(sliceMs);
  const pauses = backOffPauses();
  try {
    for (let isFirst = true; running.size > 0; isFirst = false) {
      if (!isFirst) {
        throwIfAborted(signal);
        const left = deadline - runtimeMs();
        if (left <= 0) break;
        await questions.pause(Math.min(left, pauses.next().value), signal);
        slice.restart();
      }
      const verify = questions.round();
      for (const token of running) {
        if (slice.exhausted()) {
          await slice.next();
          throwIfAborted(signal);
          // Each is asked once, however short the time is.
          if (!isFirst && runtimeMs() >= deadline) break;
        }
        if (references.hasEnded(token, verify)) running.delete(token);
      }
    }
  } finally {
    references.close();
  }
  return new Map([...all].map((token) => [token, running.has(token) ? "timeout" : "exited"]));
}

/** The references of one wait, never to a later process of a token's pid. */
class References {
  readonly #held = new Map<string, ExitReference>();
  readonly #questions: ExitQuestions;
  /**
   * The OS has refused one, or the descriptors that verifying takes: the rest of the program needs some, too, and this
   * wait opens no more.
   */
  #isShort = false;

  constructor(questions: ExitQuestions) {
    this.#questions = questions;
  }

  /** @throws {@link ProcessUnknownError} */
  hasEnded(token: string, verify: (token: string) => ProcessVerdict): boolean {
    const held = this.#held.get(token);
    if (held !== undefined) {
      if (!held.exited()) return false;
      this.#drop(token);
      return true;
    }
    const hasRoom = !this.#isShort && referencesHeld < MOST_REFERENCES;
    const isWanted = hasRoom && this.#questions.mayRefer(token);
    // Refer first, verify second: if the pid belongs to the named process now, it did so when the reference was
    // opened, for a process does not get its pid back.
    const reference = isWanted ? this.#questions.refer(token) : null;
    if (reference !== null) this.#keep(token, reference);
    let verdict = verify(token);
    const isRefused = isWanted && reference === null && verdict.state === "same";
    if ((isRefused || verdict.state === "unknown") && this.#held.size > 0) {
      this.#giveBackHalf();
      if (verdict.state === "unknown") verdict = verify(token);
    }
    if (verdict.state === "unknown") throw new ProcessUnknownError(token, verdict.reason);
    if (verdict.state === "same") return false;
    this.#drop(token);
    return true;
  }

  close(): void {
    for (const token of this.#held.keys()) this.#drop(token);
  }

  #giveBackHalf(): void {
    this.#isShort = true;
    const kept = Math.floor(this.#held.size / 2);
    for (const token of this.#held.keys()) {
      if (this.#held.size <= kept) break;
      this.#drop(token);
    }
  }

  #keep(token: string, reference: ExitReference): void {
    this.#held.set(token, reference);
    referencesHeld++;
  }

  #drop(token: string): void {
    const reference = this.#held.get(token);
    if (reference === undefined) return;
    this.#held.delete(token);
    referencesHeld--;
    reference.close();
  }
}
