/**
 * One engine's leases in two ways, by the same client: through the package, and by the same round trips made by hand. A way
 * has `take(key)`, which gives what its `giveBack` is called with. Used by the suite and by its processes.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";

import { importModule, importProduct } from "../product.mjs";

const { acquireLease, etcdLeases, pgListen, postgresLeases } =
  await importProduct("lease/index.js");

const TTL_MS = 10_000;

/** @param {number} port */
export async function openPostgres(port) {
  // The lab's folder has PostgreSQL's clients: npm --prefix test/lab/lease ci
  const pg = createRequire(new URL("../../lease/package.json", import.meta.url))("pg");
  const { statementsFor } = await importModule("lease/postgres/statements.js");
  const { leaseTable } = await importModule("lease/postgres/table.js");
  const where = { host: "127.0.0.1", port, user: "postgres", database: "postgres" };
  const pool = new pg.Pool(where);
  // A connection that is lost while it is unused.
  pool.on("error", () => {});
  const store = postgresLeases({
    query: (text, parameters) => pool.query(text, parameters),
    listen: pgListen(() => new pg.Client(where)),
  });
  await store.createTable();
  const statements = statementsFor(leaseTable("table", "pidentity_leases"));
  await pool.query(`CREATE TABLE IF NOT EXISTS plain_lease
    (key text PRIMARY KEY, holder text, epoch bigint, expires_at timestamptz)`);
  return {
    store,
    ways: {
      pidentity: byPackage(store),
      "by hand": {
        async take(key) {
          const nonce = randomBytes(16).toString("hex");
          const parameters = [key, "by hand", nonce, String(TTL_MS)];
          const { rows } = await pool.query(statements.acquire, parameters);
          return rows.length === 1 ? { key, epoch: rows[0].epoch } : null;
        },
        giveBack: ({ key, epoch }) => pool.query(statements.release, [key, epoch]),
      },
      "plain upsert and update": {
        async take(key) {
          const { rows } = await pool.query(
            `INSERT INTO plain_lease AS l VALUES ($1, 'plain', 1, now() + interval '10 s')
             ON CONFLICT (key) DO UPDATE SET epoch = l.epoch + 1, expires_at = excluded.expires_at
             WHERE l.expires_at <= now() RETURNING epoch`,
            [key],
          );
          return rows.length === 1 ? { key, epoch: rows[0].epoch } : null;
        },
        giveBack: ({ key, epoch }) =>
          pool.query(
            "UPDATE plain_lease SET expires_at = to_timestamp(0) WHERE key = $1 AND epoch = $2",
            [key, epoch],
          ),
      },
    },
    /** Calls `onFree` when a holder by hand has given `key` back; resolves when it listens. */
    async watchByHand(key, onFree) {
      const client = new pg.Client(where);
      client.on("error", () => {});
      await client.connect();
      const { rows } = await client.query(statements.channel);
      client.on("notification", ({ payload }) => payload === key && onFree());
      await client.query(`LISTEN ${rows[0].channel}`);
    },
    close: () => pool.end(),
  };
}

/** @param {number} port */
export async function openEtcd(port) {
  const url = `http://127.0.0.1:${port}`;
  const store = etcdLeases({ endpoints: [url] });
  const send = (path, body) =>
    fetch(url + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const ask = async (path, body) => {
    const answer = await send(path, body);
    assert.equal(answer.status, 200);
    return await answer.json();
  };
  const encode = (text) => Buffer.from(text).toString("base64");
  return {
    store,
    ways: {
      pidentity: byPackage(store),
      "by hand": {
        async take(text) {
          const key = encode(`by-hand/${text}`);
          const { ID } = await ask("/v3/lease/grant", { TTL: String(TTL_MS / 1000) });
          const { succeeded } = await ask("/v3/kv/txn", {
            compare: [{ key, target: "CREATE", result: "EQUAL", create_revision: "0" }],
            success: [{ request_put: { key, value: encode("by hand"), lease: ID } }],
            failure: [{ request_range: { key } }],
          });
          return succeeded === true ? ID : null;
        },
        giveBack: (ID) => ask("/v3/lease/revoke", { ID }),
      },
    },
    async watchByHand(text, onFree) {
      const question = { create_request: { key: encode(`by-hand/${text}`), filters: ["NOPUT"] } };
      const { body } = await send("/v3/watch", question);
      const decoder = new TextDecoder();
      await new Promise((resolve, reject) => {
        (async () => {
          for await (const chunk of body) {
            const said = decoder.decode(chunk);
            if (said.includes('"created":true')) resolve();
            if (said.includes('"DELETE"')) onFree();
          }
        })().catch(reject);
      });
    },
    close: () => {},
  };
}

function byPackage(store) {
  return {
    take: (key) => acquireLease({ store, key, ttlMs: TTL_MS, timeoutMs: 0 }),
    giveBack: (lease) => lease.release(),
  };
}
