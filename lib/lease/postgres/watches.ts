/** Who waits for which key, on one LISTEN for all. */
import { clearTimeout, queueMicrotask, setTimeout } from "../../util/node-modules.js";

/**
 * Listens on a channel of PostgreSQL until it is told to stop.
 *
 * @param onMessage - To be called with each message's payload; without one when messages may have been missed, e.g. after
 *   a new connection.
 * @returns what stops it, as the clients give it; rejects when it cannot listen
 */
export type PostgresListen = (
  channel: string,
  onMessage: (payload?: string) => void,
) => PromiseLike<StopListening> | StopListening;

export type StopListening = (() => unknown) | { unlisten(): unknown };

/** After the last waiter: the next one often comes soon, and a connection costs milliseconds. */
const LINGER_MS = 1000;
const RETRY_MS = 1000;

export class Watches {
  readonly #listen: PostgresListen;
  readonly #channelName: () => Promise<string>;
  readonly #callbacks = new Map<string, Set<() => void>>();
  #listening: Promise<StopListening | null> | null = null;
  #isReady = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(listen: PostgresListen, channelName: () => Promise<string>) {
    this.#listen = listen;
    this.#channelName = channelName;
  }

  add(key: string, onChange: () => void): { close(): void } {
    const callbacks = this.#callbacks.get(key) ?? new Set();
    // A function of this call's own: the same callback may be given twice.
    const tell = (): void => onChange();
    this.#callbacks.set(key, callbacks.add(tell));
    clearTimeout(this.#timer);
    if (this.#listening === null) this.#start();
    else if (this.#isReady) queueMicrotask(() => callbacks.has(tell) && tell());
    return {
      close: () => {
        if (!callbacks.delete(tell)) return;
        if (callbacks.size === 0 && this.#callbacks.get(key) === callbacks) {
          this.#callbacks.delete(key);
        }
        if (this.#callbacks.size === 0) this.#in(LINGER_MS, () => this.#stop());
      },
    };
  }

  readonly #tell = (payload?: string): void => {
    const told =
      payload === undefined
        ? [...this.#callbacks.values()].flatMap((callbacks) => [...callbacks])
        : [...(this.#callbacks.get(payload) ?? [])];
    for (const tell of told) tell();
  };

  #start(): void {
    const listening = this.#begin();
    this.#listening = listening;
    void listening.then((stop) => {
      if (this.#listening !== listening) return;
      if (stop === null) return this.#in(RETRY_MS, () => this.#restart());
      this.#isReady = true;
      this.#tell();
    });
  }

  /** null: not now. Waiters poll meanwhile. */
  async #begin(): Promise<StopListening | null> {
    try {
      return await this.#listen(await this.#channelName(), this.#tell);
    } catch {
      return null;
    }
  }

  #restart(): void {
    this.#listening = null;
    if (this.#callbacks.size > 0) this.#start();
  }

  #stop(): void {
    const listening = this.#listening;
    this.#listening = null;
    this.#isReady = false;
    void listening
      ?.then((stop) => (typeof stop === "function" ? stop() : stop?.unlisten()))
      // The connection is gone already.
      .catch(() => {});
  }

  #in(ms: number, then: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, ms);
  }
}
