/** Leases on a real PostgreSQL server by the package `postgres`, without LISTEN, and with a session for each statement. */
import type { TestContext } from "vitest";

import { postgresLeases, type PostgresQuery } from "../../lib/lease/index.js";
import { givenOrStarted } from "../support/engines/engines.js";
import {
  connectPg,
  connectPostgres,
  pgClient,
  postgresForClients,
} from "../support/engines/postgres-clients.js";
import { describeStoreContract } from "./store-contract.js";

const engine = givenOrStarted(postgresForClients, "PIDENTITY_POSTGRES_PORT");

describeStoreContract("postgres, by postgres", async (context) => {
  const { port } = await engine(context);
  const store = postgresLeases(connectPostgres(context, { port }));
  await store.createTable();
  const other = postgresLeases(connectPostgres(context, { port }));
  return { store, other, shortTtlMs: 200, watches: true };
});

describeStoreContract("postgres, without LISTEN", async (context) => {
  const { port } = await engine(context);
  const { query } = connectPg(context, { port });
  const store = postgresLeases({ query });
  await store.createTable();
  return { store, other: postgresLeases({ query }), shortTtlMs: 200, watches: false };
});

// More than a transaction pooler does to a session: nothing of it is ever left for the next statement.
describeStoreContract("postgres, with a new session for every statement", async (context) => {
  const { port } = await engine(context);
  const query = sessionForEach(context, port);
  const { listen } = connectPg(context, { port });
  const store = postgresLeases({ query, listen });
  await store.createTable();
  return { store, other: postgresLeases({ query, listen }), shortTtlMs: 1000, watches: true };
});

function sessionForEach(context: TestContext, port: number): PostgresQuery {
  return async (text, parameters) => {
    const client = pgClient(context, { port });
    await client.connect();
    try {
      return await client.query(text, parameters);
    } finally {
      await client.end();
    }
  };
}
