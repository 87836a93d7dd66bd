/** LISTEN on a connection of the package `pg`, which makes a new one when it is lost. */
import { checkFunction } from "../../util/check-values.js";
import { clearTimeout, setTimeout } from "../../util/node-modules.js";
import type { PostgresListen } from "./watches.js";

/** What is used of `Client` of the package `pg`. */
export interface PgClient {
  connect(): PromiseLike<unknown>;
  query(text: string): PromiseLike<unknown>;
  end(): PromiseLike<unknown>;
  on(event: "notification", listener: (message: PgNotification) => void): unknown;
  on(event: "error" | "end", listener: () => void): unknown;
}

export interface PgNotification {
  readonly channel: string;
  readonly payload?: string | undefined;
}

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5000;

/**
 * For `listen` of `postgresLeases`: a connection of its own, which is open while others hold what is waited for.
 *
 * @param makeClient - Makes one that is not connected yet: `() => new pg.Client(connection)`. Not of a transaction pooler.
 */
export function pgListen(makeClient: () => PgClient): PostgresListen {
  checkFunction("makeClient", makeClient);
  return async (channel, onMessage) => {
    const listener = new PgListener(makeClient, channel, onMessage);
    await listener.connect();
    return () => listener.stop();
  };
}

class PgListener {
  readonly #makeClient: () => PgClient;
  readonly #channel: string;
  readonly #onMessage: (payload?: string) => void;
  #client: PgClient | null = null;
  #isStopped = false;
  #retryMs = FIRST_RETRY_MS;
  #timer: NodeJS.Timeout | undefined;

  constructor(makeClient: () => PgClient, channel: string, onMessage: (payload?: string) => void) {
    this.#makeClient = makeClient;
    this.#channel = channel;
    this.#onMessage = onMessage;
  }

  async connect(): Promise<void> {
    const client = this.#makeClient();
    this.#client = client;
    client.on("notification", ({ channel, payload }) => {
      if (channel === this.#channel) this.#onMessage(payload);
    });
    try {
      // Without a listener an error of the connection would end the process.
      client.on("error", () => this.#onLost(client));
      await client.connect();
      client.on("end", () => this.#onLost(client));
      await client.query(`LISTEN "${this.#channel.replaceAll('"', '""')}"`);
    } catch (error) {
      if (this.#client === client) this.#client = null;
      await ended(client);
      throw error;
    }
    this.#retryMs = FIRST_RETRY_MS;
  }

  #onLost(client: PgClient): void {
    if (this.#client !== client || this.#isStopped) return;
    this.#client = null;
    void ended(client);
    this.#connectLater();
  }

  #connectLater(): void {
    this.#timer = setTimeout(() => void this.#reconnect(), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, LONGEST_RETRY_MS);
  }

  async #reconnect(): Promise<void> {
    if (this.#isStopped) return;
    try {
      await this.connect();
    } catch {
      if (!this.#isStopped) this.#connectLater();
      return;
    }
    // Stopped meanwhile.
    if (this.#isStopped) return await this.stop();
    // What was told without a connection has not been heard.
    this.#onMessage();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    const client = this.#client;
    this.#client = null;
    if (client !== null) await ended(client);
  }
}

async function ended(client: PgClient): Promise<void> {
  try {
    await client.end();
  } catch {
    // It is gone.
  }
}
