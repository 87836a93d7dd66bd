// How long an engine has answered: on a machine that is too busy it may be silent for longer than a lease lasts, and what
// comes back in time can then be asked of no session.
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";

const PAUSE_MS = 100;
/** In a row. */
const LONGEST_LATE_MS = 600_000;

export class Witness {
  #store;
  #ttlMs;
  #answeredMs = 0;
  #lateMs = 0;
  #inTimeAt = performance.now();
  #stop = new AbortController();
  #running;

  /** Takes and gives back a lease of its own, again and again. One that takes more than a quarter of its ttl is late. */
  constructor(store, ttlMs) {
    this.#store = store;
    this.#ttlMs = ttlMs;
    this.#running = this.#run();
  }

  /** A clock that stands still while the engine is late, milliseconds. */
  answeredMs() {
    return this.#answeredMs;
  }

  /** How long it has stood still, milliseconds. */
  lateMs() {
    return this.#lateMs;
  }

  /** @throws {Error} when the engine has been late for so long that this machine is of no use */
  insist() {
    if (performance.now() - this.#inTimeAt <= LONGEST_LATE_MS) return;
    throw new Error(`the engine answers too late for leases of ${this.#ttlMs} ms`);
  }

  async stop() {
    this.#stop.abort();
    await this.#running;
  }

  async #run() {
    let from = performance.now();
    while (!this.#stop.signal.aborted) {
      const isInTime = await this.#ask();
      await delay(PAUSE_MS);
      const now = performance.now();
      if (isInTime) {
        this.#answeredMs += now - from;
        this.#inTimeAt = now;
      } else this.#lateMs += now - from;
      from = now;
    }
  }

  async #ask() {
    const asked = performance.now();
    const late = AbortSignal.timeout(this.#ttlMs);
    const names = { key: `witness-${randomUUID()}`, holder: "witness", nonce: randomUUID() };
    try {
      const { grant } = await this.#store.tryAcquire({
        ...names,
        ttlMs: this.#ttlMs,
        signal: late,
      });
      const isInTime = performance.now() - asked <= this.#ttlMs / 4;
      await this.#store.release(grant, late);
      return isInTime;
    } catch {
      return false;
    }
  }
}
