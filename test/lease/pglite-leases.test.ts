/** Leases in PGlite, which is PostgreSQL in this process: the table that all stores share. */
import { afterAll, expect, test } from "vitest";

import { postgresLeases } from "../../lib/lease/index.js";
import { startPglite } from "../support/engines/postgres-clients.js";
import { describeStoreContract } from "./store-contract.js";

let lite: ReturnType<typeof startPglite> | undefined;

afterAll(async () => await (await lite?.catch(() => undefined))?.stop());

// The first one waits: a busy machine takes half a minute to compile it.
test("PGlite starts", { timeout: 180_000 }, async (context) => {
  lite = startPglite(context);
  const { query } = await lite;
  expect(await query("SELECT 'yes' AS answer", [])).toMatchObject({ rows: [{ answer: "yes" }] });
});

describeStoreContract("postgres, by PGlite", async (context) => {
  const { query, listen } = await (lite ??= startPglite(context));
  const store = postgresLeases({ query, listen });
  await store.createTable();
  return { store, other: postgresLeases({ query, listen }), shortTtlMs: 300, watches: true };
});
