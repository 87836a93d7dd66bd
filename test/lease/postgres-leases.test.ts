/** Leases on a real PostgreSQL server: the table that all stores share, by each client. */
import { afterAll, type TestContext } from "vitest";

import { postgresLeases } from "../../lib/lease/index.js";
import { onceForFile, postgres } from "../support/engines/engines.js";
import {
  type Connected,
  connectPg,
  connectPostgres,
  startPglite,
} from "../support/engines/postgres-clients.js";
import { describeStoreContract, type MakeStore } from "./store-contract.js";

const engine = onceForFile(postgres, async (folder) => await postgres.startEngine({ folder }));

function storesOf(
  connect: (context: TestContext, where: { port: number }) => Connected,
): MakeStore {
  return async (context) => {
    const { port } = await engine(context);
    const store = postgresLeases(connect(context, { port }));
    await store.createTable();
    const other = postgresLeases(connect(context, { port }));
    return { store, other, shortTtlMs: 200, watches: true };
  };
}

describeStoreContract("postgres, by pg", storesOf(connectPg));
describeStoreContract("postgres, by postgres", storesOf(connectPostgres));

describeStoreContract("postgres, without LISTEN", async (context) => {
  const { port } = await engine(context);
  const { query } = connectPg(context, { port });
  const store = postgresLeases({ query });
  await store.createTable();
  return { store, other: postgresLeases({ query }), shortTtlMs: 200, watches: false };
});

let lite: ReturnType<typeof startPglite> | undefined;
afterAll(async () => await (await lite?.catch(() => undefined))?.stop());

describeStoreContract("postgres, by PGlite", async (context) => {
  const { query, listen } = await (lite ??= startPglite(context));
  const store = postgresLeases({ query, listen });
  await store.createTable();
  return { store, other: postgresLeases({ query, listen }), shortTtlMs: 300, watches: true };
});
