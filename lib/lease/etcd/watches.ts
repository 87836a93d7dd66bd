/** Being told that a key was removed: one stream for each watched key, however many watch it. */
import { onAbort } from "../../util/on-abort.js";
import { startTimer } from "../../util/timers.js";
import type { EtcdGateway } from "./gateway.js";
import { objectsIn, toBase64 } from "./json.js";

// A broken stream is opened again, at first soon; milliseconds.
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5000;
/** How long an endpoint may take to begin a watch. */
const BEGIN_WITHIN_MS = 5000;

interface KeyWatch {
  readonly callbacks: Set<() => void>;
  readonly ending: AbortController;
  /** Whether etcd tells of changes at present. */
  isLive: boolean;
}

export class Watches {
  readonly #gateway: EtcdGateway;
  readonly #watched = new Map<string, KeyWatch>();

  constructor(gateway: EtcdGateway) {
    this.#gateway = gateway;
  }

  /**
   * Calls `onChange` whenever etcd key `key` is removed, and whenever a stream has begun: what happened before it is not
   * told. Failing streams are opened again, quietly: the caller asks now and then anyway.
   *
   * An open stream of fetch keeps the process alive, which cannot be helped: watched is only while a caller waits.
   */
  watch(key: string, onChange: () => void): { close(): void } {
    const watched = this.#watched.get(key) ?? this.#start(key);
    // A function of this call's own: other callers may have passed the same `onChange`.
    const callback = (): void => {
      if (watched.callbacks.has(callback)) onChange();
    };
    watched.callbacks.add(callback);
    if (watched.isLive) queueMicrotask(callback);
    return {
      close: () => {
        if (!watched.callbacks.delete(callback) || watched.callbacks.size > 0) return;
        this.#watched.delete(key);
        watched.ending.abort();
      },
    };
  }

  #start(key: string): KeyWatch {
    const watched = {
      callbacks: new Set<() => void>(),
      ending: new AbortController(),
      isLive: false,
    };
    this.#watched.set(key, watched);
    void this.#keepWatching(key, watched);
    return watched;
  }

  async #keepWatching(key: string, watched: KeyWatch): Promise<void> {
    const { signal } = watched.ending;
    let pauseMs = FIRST_PAUSE_MS;
    while (!signal.aborted) {
      if (await this.#followOneStream(key, watched)) pauseMs = FIRST_PAUSE_MS;
      await pause(pauseMs, signal);
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    }
  }

  /** @returns whether it ever began */
  async #followOneStream(key: string, watched: KeyWatch): Promise<boolean> {
    const stream = new AbortController();
    const stopListening = onAbort(watched.ending.signal, () => stream.abort());
    const stopTimer = startTimer(() => stream.abort(), BEGIN_WITHIN_MS, { keepsAlive: false });
    const question = { create_request: { key: toBase64(key), filters: ["NOPUT"] } };
    let began = false;
    try {
      for await (const told of this.#gateway.stream("/v3/watch", question, stream.signal)) {
        if (told["canceled"] === true) break;
        if (told["created"] === true) {
          stopTimer();
          began = true;
          watched.isLive = true;
          tell(watched);
        }
        if (objectsIn(told, "events").length > 0) tell(watched);
      }
    } catch {
      // The next one may do better.
    } finally {
      watched.isLive = false;
      stopTimer();
      stopListening();
      stream.abort();
    }
    return began;
  }
}

/** In turns of their own: what a callback throws is not the stream's. */
function tell({ callbacks }: KeyWatch): void {
  for (const callback of callbacks) queueMicrotask(callback);
}

/** Keeps no process alive. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const stopTimer = startTimer(done, ms, { keepsAlive: false });
    const stopListening = onAbort(signal, done);
    function done(): void {
      stopTimer();
      stopListening();
      resolve();
    }
  });
}
