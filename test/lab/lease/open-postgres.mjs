// A lease store on a PostgreSQL server of test/support/engines/postgres.mjs, by the package `pg`.
import pg from "pg";

import { pgListen, postgresLeases } from "../../../dist/lease/index.js";

/**
 * @param {{ port: number, host?: string, listens?: boolean, most?: number }} options `most`: connections of the pool
 * @returns the store, and a write that the database refuses to an older epoch
 */
export async function open({ port, host = "127.0.0.1", listens = true, most = 4 }) {
  const where = {
    host,
    port,
    user: "postgres",
    database: "postgres",
    connectionTimeoutMillis: 2000,
  };
  const pool = new pg.Pool({ ...where, max: most });
  // A connection that is lost while it is unused.
  pool.on("error", () => {});
  const store = postgresLeases({
    query: (text, parameters) => pool.query(text, parameters),
    ...(listens ? { listen: pgListen(() => new pg.Client(where)) } : {}),
  });
  return {
    store,
    /** Makes the tables; once, before holders are started. */
    async prepare() {
      await store.createTable();
      await pool.query(
        "CREATE TABLE IF NOT EXISTS guarded (key text PRIMARY KEY, epoch bigint NOT NULL)",
      );
    },
    /** Whether the database took it: not when a holder with a greater epoch has written before. */
    async guardedWrite(key, epoch) {
      const { rowCount } = await pool.query(
        `INSERT INTO guarded AS g (key, epoch) VALUES ($1, $2)
         ON CONFLICT (key) DO UPDATE SET epoch = excluded.epoch WHERE g.epoch <= excluded.epoch`,
        [key, String(epoch)],
      );
      return rowCount === 1;
    },
    close: () => pool.end(),
  };
}
