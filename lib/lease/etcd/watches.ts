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

/** So much later each further watcher of this process is told: of many that ask at once all but one ask in vain. */
const STAGGER_MS = 5;

interface KeyWatch {
  readonly watchers: Set<Watcher>;
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
    const watcher = new Watcher(onChange);
    watched.watchers.add(watcher);
    if (watched.isLive) watcher.tellIn(0);
    return {
      close: () => {
        watcher.close();
        if (!watched.watchers.delete(watcher) || watched.watchers.size > 0) return;
        this.#watched.delete(key);
        watched.ending.abort();
      },
    };
  }

  #start(key: string): KeyWatch {
    const watched = {
      watchers: new Set<Watcher>(),
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

/** The one who has watched for longest first: it has taken the key, perhaps, when the next one asks. */
function tell({ watchers }: KeyWatch): void {
  let index = 0;
  for (const watcher of watchers) watcher.tellIn(index++ * STAGGER_MS);
}

/** One call's `onChange`: called in turns of its own, for what it throws is not the stream's. */
class Watcher {
  readonly #onChange: () => void;
  #stop: (() => void) | null = null;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** @param ms - after how long; what is due before that stays so */
  tellIn(ms: number): void {
    if (this.#stop !== null) return;
    const call = (): void => {
      this.#stop = null;
      this.#onChange();
    };
    this.#stop = startTimer(call, ms, { keepsAlive: false });
  }

  close(): void {
    this.#stop?.();
  }
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
