/** Leases in a table of PostgreSQL: one row per key. */
import { wrongType } from "../util/argument-error.js";
import { checkRequiredOptions, type OptionChecks } from "../util/check-options.js";
import { checkFunction, optional } from "../util/check-values.js";
import { checkGrant, checkRenewal, checkRequest, checkWatch } from "./check-store.js";
import { type LeaseOperation, LeaseStoreError } from "./errors.js";
import { isRetryable } from "./postgres/failure.js";
import { type Statements, statementsFor } from "./postgres/statements.js";
import { DEFAULT_TABLE, leaseTable, postgresLeaseTable } from "./postgres/table.js";
import { type PostgresListen, Watches } from "./postgres/watches.js";
import type { LeaseAttempt, LeaseGrant, LeaseRequest, LeaseStore } from "./store.js";
import { abortReason } from "../util/on-abort.js";

/** Rows as `postgres` gives them, or as `pg` and PGlite do. */
export type PostgresResult = readonly unknown[] | { readonly rows: readonly unknown[] };

/** Runs one statement outside of any transaction of the caller's; every parameter is text. */
export type PostgresQuery = (text: string, parameters: string[]) => PromiseLike<PostgresResult>;

export interface PostgresLeasesOptions {
  /**
   * Of `pg`: `(text, parameters) => pool.query(text, parameters)`, of `postgres`:
   * `(text, parameters) => sql.unsafe(text, parameters)`. May go through a transaction pooler.
   */
  readonly query: PostgresQuery;
  /** The table, with or without its schema: `name` or `schema.name`. Default `pidentity_leases`. */
  readonly table?: string | undefined;
  /**
   * Tells waiters of a release at once: of `pg`: `pgListen(() => new pg.Client(…))`, of `postgres`:
   * `(channel, tell) => sql.listen(channel, tell, () => tell())`. A connection of its own, beside a pooler. Default:
   * waiters ask, twice a second.
   */
  readonly listen?: PostgresListen | undefined;
}

export interface PostgresLeases extends LeaseStore {
  /**
   * Makes the table where it is missing: runs what `postgresLeaseTable` gives.
   *
   * @throws LeaseStoreError (rejection): `operation` is `setup`
   */
  createTable(): Promise<void>;
}

const CHECKS: OptionChecks<PostgresLeasesOptions> = {
  query: checkFunction,
  table: optional(leaseTable),
  listen: optional(checkFunction),
};

/**
 * A store in PostgreSQL, version 13 or later. Nothing is asked of the server before a lease is.
 *
 * @throws TypeError or RangeError for bad options
 */
export function postgresLeases(options: PostgresLeasesOptions): PostgresLeases {
  checkRequiredOptions(options, CHECKS);
  return new PostgresStore(options);
}

type Row = Readonly<Record<string, unknown>>;

/** How often a key is tried that was another's, and is free when its holder is asked for. */
const MOST_LOOKS = 3;

class PostgresStore implements PostgresLeases {
  readonly name = "postgres";
  readonly #query: PostgresQuery;
  readonly #setup: string;
  readonly #statements: Statements;
  readonly #watches: Watches | null;

  constructor({ query, table = DEFAULT_TABLE, listen }: PostgresLeasesOptions) {
    this.#query = query;
    this.#setup = postgresLeaseTable(table);
    this.#statements = statementsFor(leaseTable("options.table", table));
    this.#watches =
      listen === undefined ? null : new Watches(listen, async () => await this.#channel());
  }

  async createTable(): Promise<void> {
    await this.#run("setup", null, this.#setup, []);
  }

  async tryAcquire(request: LeaseRequest): Promise<LeaseAttempt> {
    checkRequest(request);
    const { key, holder, nonce, ttlMs, signal } = request;
    const parameters = [key, holder, nonce, String(ttlMs)];
    for (let look = 1; ; look++) {
      if (signal.aborted) throw failure("acquire", key, abortReason(signal), true);
      const [taken] = await this.#run("acquire", key, this.#statements.acquire, parameters);
      if (taken !== undefined) {
        const epoch = epochIn(taken, "acquire", key);
        const storeId = textIn(taken, "store_id", "acquire", key);
        return { kind: "acquired", grant: { key, holder, epoch, storeId } };
      }
      const [row] = await this.#run("acquire", key, this.#statements.holder, [key]);
      // Given back or run out since then: none has it.
      const leftMs = row === undefined ? Number.NaN : Number(row["left_ms"]);
      if (row !== undefined && (leftMs > 0 || look === MOST_LOOKS)) {
        const epoch = epochIn(row, "acquire", key);
        const holderNow = textIn(row, "holder", "acquire", key);
        return { kind: "held", holder: holderNow, epoch, leftMs: Math.max(0, Math.ceil(leftMs)) };
      }
      if (look === MOST_LOOKS) {
        throw failure("acquire", key, new Error("the row of the key was not to be seen"), true);
      }
    }
  }

  async renew(grant: LeaseGrant, ttlMs: number, signal: AbortSignal): Promise<boolean> {
    checkRenewal(grant, ttlMs, signal);
    const { key, epoch } = grant;
    const parameters = [key, String(epoch), String(ttlMs)];
    const [row] = await this.#run("renew", key, this.#statements.renew, parameters);
    return row?.["is_held"] === "yes";
  }

  async release(grant: LeaseGrant, signal: AbortSignal): Promise<void> {
    checkGrant(grant, signal);
    const { key, epoch } = grant;
    await this.#run("release", key, this.#statements.release, [key, String(epoch)]);
  }

  watch(key: string, onChange: () => void): { close(): void } | null {
    checkWatch(key, onChange);
    return this.#watches?.add(key, onChange) ?? null;
  }

  async #channel(): Promise<string> {
    const [row] = await this.#run("watch", null, this.#statements.channel, []);
    return textIn(row ?? {}, "channel", "watch", null);
  }

  async #run(
    operation: LeaseOperation,
    key: string | null,
    text: string,
    parameters: string[],
  ): Promise<readonly Row[]> {
    let result: PostgresResult | null | undefined;
    try {
      const query = this.#query;
      result = await query(text, parameters);
    } catch (error) {
      throw failure(operation, key, error, isRetryable(error));
    }
    const rows =
      typeof result === "object" && result !== null && "rows" in result ? result.rows : result;
    if (Array.isArray(rows)) return rows as readonly Row[];
    throw failure(operation, key, wrongType("the result of query", "rows", result), false);
  }
}

function failure(
  operation: LeaseOperation,
  key: string | null,
  cause: unknown,
  retryable: boolean,
): LeaseStoreError {
  return new LeaseStoreError({ store: "postgres", operation, key, retryable, cause });
}

function textIn(row: Row, column: string, operation: LeaseOperation, key: string | null): string {
  const value = row[column];
  if (typeof value === "string") return value;
  throw failure(operation, key, wrongType(`the column ${column}`, "a string", value), false);
}

function epochIn(row: Row, operation: LeaseOperation, key: string): bigint {
  return BigInt(textIn(row, "epoch", operation, key));
}
