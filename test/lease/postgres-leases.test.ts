/** Leases on a real PostgreSQL server: the table that all stores share. */
import { postgresLeases } from "../../lib/lease/index.js";
import { givenOrStarted } from "../support/engines/engines.js";
import { connectPg, postgresForClients } from "../support/engines/postgres-clients.js";
import { describeStoreContract } from "./store-contract.js";

const engine = givenOrStarted(postgresForClients, "PIDENTITY_POSTGRES_PORT");

describeStoreContract("postgres, by pg", async (context) => {
  const { port } = await engine(context);
  const store = postgresLeases(connectPg(context, { port }));
  await store.createTable();
  const other = postgresLeases(connectPg(context, { port }));
  return { store, other, shortTtlMs: 200, watches: true };
});
