/** What is PostgreSQL's own: crashes, rights, names, connections that are lost, and a write that an epoch guards. */
import { describe, expect, onTestFinished, test, type TestContext } from "vitest";

import {
  acquireLease,
  type LeaseGrant,
  postgresLeases,
  postgresLeaseTable,
} from "../../lib/lease/index.js";
import type { LeaseStore } from "../../lib/lease/store.js";
import { type Engine, onceForFile } from "../support/engines/engines.js";
import { connectPg, pgClient, postgresForClients } from "../support/engines/postgres-clients.js";
import { waitFor } from "../support/wait-for.js";

const engine = onceForFile(
  postgresForClients,
  async (folder) => await postgresForClients.startEngine({ folder }),
);
/** Answers before a commit is on disk, and writes seldom. */
const forgetful = onceForFile(
  postgresForClients,
  async (folder) =>
    await postgresForClients.startEngine({
      folder,
      settings: { synchronous_commit: "off", wal_writer_delay: "10000" },
    }),
);

const NEVER = new AbortController().signal;

async function attempt(store: LeaseStore, key: string, ttlMs = 60_000) {
  const nonce = String(Math.random());
  return await store.tryAcquire({ key, holder: "holder", nonce, ttlMs, signal: NEVER });
}

async function take(store: LeaseStore, key: string, ttlMs?: number): Promise<LeaseGrant> {
  const taken = await attempt(store, key, ttlMs);
  if (taken.kind !== "acquired") throw new Error(`held: ${key}`);
  return taken.grant;
}

async function crash(server: Engine): Promise<void> {
  await server.kill();
  await server.restart();
}

/** Runs one statement as `user`, by default the one who may do everything. */
async function run(context: TestContext, port: number, text: string, user = "postgres") {
  const client = pgClient(context, { port, user });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

describe("a server that crashes", { timeout: 120_000 }, () => {
  test("knows its leases when it is back, and never gives an epoch twice", async (context) => {
    const server = await engine(context);
    const store = postgresLeases(connectPg(context, server));
    await store.createTable();
    const lasting = await take(store, "lasting");
    let last = lasting.epoch;
    for (let round = 0; round < 3; round++) {
      const grant = await take(store, "crashing");
      expect(grant.epoch).toBeGreaterThan(last);
      last = grant.epoch;
      await store.release(grant, NEVER);
      await crash(server);
      // Of a connection that has died with it the pool may learn by the first statement.
      const held = await waitFor(
        "an answer",
        async () => attempt(store, "lasting").catch(() => null),
        { deadlineMs: 60_000 },
      );
      expect(held).toMatchObject({ kind: "held", epoch: lasting.epoch });
      expect(await store.renew(lasting, 60_000, NEVER)).toBe(true);
    }
    await store.release(lasting, NEVER);
  });

  test("has written what it has answered, though synchronous_commit is off", async (context) => {
    const server = await forgetful(context);
    const settings = await run(context, server.port, "SHOW synchronous_commit");
    expect(settings).toEqual([{ synchronous_commit: "off" }]);
    const { query } = connectPg(context, server);
    const store = postgresLeases({ query });
    await store.createTable();
    await query("CREATE TABLE noise (a int)", []);
    await query("CHECKPOINT", []);
    // The server's own default for everything else.
    await query("INSERT INTO noise VALUES (1)", []);
    const grant = await take(store, "durable");
    await query("INSERT INTO noise VALUES (2)", []);
    await crash(server);
    const held = await waitFor(
      "an answer",
      async () => attempt(store, "durable").catch(() => null),
      { deadlineMs: 60_000 },
    );
    expect(held).toMatchObject({ kind: "held", epoch: grant.epoch });
    // What another statement wrote after it is lost: the setting is that of our transactions alone.
    expect(await query("SELECT a::text FROM noise", [])).toMatchObject({ rows: [{ a: "1" }] });
  });

  test("loses no lease of a holder that outlives the crash", async (context) => {
    const server = await engine(context);
    const store = postgresLeases(connectPg(context, server));
    await store.createTable();
    await using lease = await acquireLease({ store, key: "outliving", ttlMs: 20_000 });
    await crash(server);
    const left = lease.deadline();
    await waitFor("a renewal", () => lease.deadline() > left, { deadlineMs: 20_000 });
    expect(lease.lost.aborted).toBe(false);
  });
});

describe("the table of leases", () => {
  test("is made once by many that start at once, and keeps what is in it", async (context) => {
    const server = await engine(context);
    const table = "many_starts";
    const stores = Array.from({ length: 12 }, () =>
      postgresLeases({ ...connectPg(context, server), table }),
    );
    await Promise.all(stores.map(async (store) => await store.createTable()));
    const [first, second] = stores;
    if (first === undefined || second === undefined) throw new Error("no stores");
    const grant = await take(first, "a");
    await second.createTable();
    expect(await attempt(second, "a")).toMatchObject({ kind: "held", epoch: grant.epoch });
  });

  test.for([
    `it's "quoted" \\ $pidentity$ %s %L`,
    `sch"ema;--.ta"ble'`,
    "Upper",
    "select",
    "é".repeat(28),
    "public.named",
  ])("may be called %j", async (table, context) => {
    const server = await engine(context);
    const schema = table.includes(".") ? (table.split(".")[0] ?? "") : null;
    if (schema !== null) {
      const quoted = `"${schema.replaceAll('"', '""')}"`;
      await run(context, server.port, `CREATE SCHEMA IF NOT EXISTS ${quoted}`);
    }
    const store = postgresLeases({ ...connectPg(context, server), table });
    await store.createTable();
    await store.createTable();
    const grant = await take(store, "a");
    expect(await store.renew(grant, 60_000, NEVER)).toBe(true);
    let told = 0;
    const watch = store.watch("a", () => told++);
    onTestFinished(() => watch?.close());
    await waitFor("the watch", () => told > 0);
    await store.release(grant, NEVER);
    await waitFor("the release to be told", () => told > 1);
    expect((await take(store, "a")).epoch).toBeGreaterThan(grant.epoch);
  });

  test("has an id of its own: another table's epochs are another store's", async (context) => {
    const server = await engine(context);
    const ids = await Promise.all(
      ["ids_a", "ids_b"].map(async (table) => {
        const store = postgresLeases({ ...connectPg(context, server), table });
        await store.createTable();
        return (await take(store, "a")).storeId;
      }),
    );
    expect(new Set(ids).size).toBe(2);
  });

  test("keeps epochs growing when its sequence is set back, and when a row is deleted", async (context) => {
    const server = await engine(context);
    const table = "set_back";
    const store = postgresLeases({ ...connectPg(context, server), table });
    await store.createTable();
    let last = 0n;
    for (let round = 0; round < 5; round++) {
      const grant = await take(store, "a");
      last = grant.epoch;
      await store.release(grant, NEVER);
    }
    await run(context, server.port, `DELETE FROM ${table}`);
    const afterDelete = await take(store, "a");
    expect(afterDelete.epoch).toBeGreaterThan(last);
    await store.release(afterDelete, NEVER);
    await run(context, server.port, `SELECT setval('${table}_epoch', 1)`);
    expect((await take(store, "a")).epoch).toBeGreaterThan(afterDelete.epoch);
  });

  test("serves a role that may neither make nor own it", async (context) => {
    const server = await engine(context);
    const table = "for_others";
    await run(context, server.port, postgresLeaseTable(table));
    await run(
      context,
      server.port,
      `CREATE ROLE gateway LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC;
       GRANT SELECT, INSERT, UPDATE ON ${table} TO gateway; GRANT USAGE ON SEQUENCE ${table}_epoch TO gateway`,
    );
    const store = postgresLeases({ ...connectPg(context, { ...server, user: "gateway" }), table });
    await store.createTable();
    const grant = await take(store, "a");
    expect(await store.renew(grant, 60_000, NEVER)).toBe(true);
    await store.release(grant, NEVER);
    const elsewhere = postgresLeases({
      ...connectPg(context, { ...server, user: "gateway" }),
      table: "not_there",
    });
    await expect(elsewhere.createTable()).rejects.toMatchObject({
      code: "LEASE_STORE",
      operation: "setup",
      retryable: false,
      cause: { code: "42501" },
    });
  });

  test("that is missing is told at once, as nothing that trying again could help", async (context) => {
    const server = await engine(context);
    const store = postgresLeases({ ...connectPg(context, server), table: "missing" });
    await expect(acquireLease({ store, key: "a" })).rejects.toMatchObject({
      code: "LEASE_STORE",
      operation: "acquire",
      key: "a",
      retryable: false,
      cause: { code: "42P01" },
    });
  });
});

describe("a connection", () => {
  test("to a standby, or to a server that is not there, is worth another try", async (context) => {
    const server = await engine(context);
    const readOnly = connectPg(context, server);
    const store = postgresLeases({
      query: async (text, parameters) => {
        const client = pgClient(context, server);
        await client.connect();
        try {
          await client.query("SET default_transaction_read_only = on");
          return await client.query(text, parameters);
        } finally {
          await client.end();
        }
      },
    });
    await postgresLeases(readOnly).createTable();
    await expect(attempt(store, "a")).rejects.toMatchObject({
      retryable: true,
      cause: { code: "25006" },
    });
    const nowhere = postgresLeases(connectPg(context, { port: 1 }));
    await expect(acquireLease({ store: nowhere, key: "a", timeoutMs: 0 })).rejects.toMatchObject({
      code: "LEASE_STORE",
      retryable: true,
      cause: { code: "ECONNREFUSED" },
    });
  });

  test("of LISTEN that is lost is made anew, and what it has missed is asked for", async (context) => {
    const server = await engine(context);
    const store = postgresLeases(connectPg(context, server));
    await store.createTable();
    let told = 0;
    const watch = store.watch("a", () => told++);
    onTestFinished(() => watch?.close());
    await waitFor("the watch", () => told > 0);
    const grant = await take(store, "a");
    const before = told;
    const ended = await run(
      context,
      server.port,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'`,
    );
    expect(ended.length).toBeGreaterThan(0);
    await waitFor("a new connection", () => told > before);
    const again = told;
    await store.release(grant, NEVER);
    await waitFor("the release to be told", () => told > again);
    expect((await attempt(store, "a")).kind).toBe("acquired");
  });

  test("is not kept without need: without waiters none listens", async (context) => {
    const server = await engine(context);
    const store = postgresLeases(connectPg(context, server));
    await store.createTable();
    await using lease = await acquireLease({ store, key: "no-waiters" });
    const listeners = async (): Promise<number> => {
      const rows = await run(
        context,
        server.port,
        `SELECT pid::text FROM pg_stat_activity WHERE query LIKE 'LISTEN%'`,
      );
      return rows.length;
    };
    await waitFor("earlier tests' connections to end", async () => (await listeners()) === 0);
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = acquireLease({ store, key: lease.key, signal }).catch(
      (error: unknown) => error,
    );
    await waitFor("the waiter's connection", async () => (await listeners()) === 1);
    controller.abort();
    expect(await waiting).toBe(signal.reason);
    await waitFor("the connection's end", async () => (await listeners()) === 0);
  });
});

test("transactions that are serializable by default are asked again, and one at a time holds", async (context) => {
  const server = await engine(context);
  const user = "strict";
  await run(
    context,
    server.port,
    `CREATE ROLE ${user} SUPERUSER LOGIN; ALTER ROLE ${user} SET default_transaction_isolation = 'serializable'`,
  );
  const { query } = connectPg(context, { port: server.port, user });
  expect(await query("SHOW transaction_isolation", [])).toMatchObject({
    rows: [{ transaction_isolation: "serializable" }],
  });
  const store = postgresLeases({ query });
  await store.createTable();
  let holders = 0;
  const epochs = await Promise.all(
    Array.from({ length: 12 }, async () => {
      await using lease = await acquireLease({ store, key: "strict" });
      expect(++holders).toBe(1);
      // What the others ask meanwhile conflicts with nothing.
      expect((await attempt(store, "strict").catch(() => null))?.kind).not.toBe("acquired");
      holders--;
      return lease.epoch;
    }),
  );
  expect(new Set(epochs).size).toBe(12);
});

test("a row that another client has locked does not shorten a lease", async (context) => {
  const server = await engine(context);
  const { query } = connectPg(context, server);
  const store = postgresLeases({ query });
  await store.createTable();
  const grant = await take(store, "locked", 60_000);
  await store.release(grant, NEVER);
  const blocker = pgClient(context, server);
  await blocker.connect();
  onTestFinished(async () => void (await blocker.end()));
  await blocker.query("BEGIN");
  await blocker.query(`SELECT FROM pidentity_leases WHERE key = 'locked' FOR UPDATE`);
  const taking = take(store, "locked", 2000);
  await waitFor("the statement to wait", async () => {
    const rows = await run(
      context,
      server.port,
      `SELECT pid::text FROM pg_stat_activity WHERE wait_event_type = 'Lock'`,
    );
    return rows.length > 0;
  });
  // Longer than its ttl: from when the statement began it would have run out.
  await run(context, server.port, "SELECT pg_sleep(2.2)");
  await blocker.query("COMMIT");
  const taken = await taking;
  const rows = await run(
    context,
    server.port,
    `SELECT (expires_at > clock_timestamp())::text AS held FROM pidentity_leases WHERE key = 'locked'`,
  );
  expect(rows).toEqual([{ held: "true" }]);
  expect(taken.epoch).toBeGreaterThan(grant.epoch);
});

test("a write that names an older epoch is refused by the database", async (context) => {
  const server = await engine(context);
  const { query } = connectPg(context, server);
  const store = postgresLeases({ query });
  await store.createTable();
  await query("CREATE TABLE guarded (key text PRIMARY KEY, epoch bigint NOT NULL, value text)", []);
  const write = async (key: string, epoch: bigint, value: string): Promise<boolean> => {
    const result = await query(
      `INSERT INTO guarded AS g VALUES ($1, $2::text::bigint, $3)
       ON CONFLICT (key) DO UPDATE SET epoch = excluded.epoch, value = excluded.value
       WHERE g.epoch <= excluded.epoch RETURNING value`,
      [key, String(epoch), value],
    );
    return "rows" in result && result.rows.length === 1;
  };
  for (let round = 0; round < 20; round++) {
    const old = await acquireLease({ store, key: "guarded" });
    expect(await write("guarded", old.epoch, "old")).toBe(true);
    await old.release();
    await using next = await acquireLease({ store, key: "guarded" });
    expect(await write("guarded", next.epoch, "new")).toBe(true);
    expect(await write("guarded", old.epoch, "late")).toBe(false);
  }
});
