/** Leases on a real etcd: the table that all stores share. */
import { etcdLeases } from "../../lib/lease/etcd.js";
import { etcd, givenOrStarted } from "../support/engines/engines.js";
import { describeStoreContract } from "./store-contract.js";

const engine = givenOrStarted(etcd, "PIDENTITY_ETCD_PORT");

describeStoreContract("etcd", async (context) => {
  const { port } = await engine(context);
  const endpoints = [`http://127.0.0.1:${port}`];
  return {
    store: etcdLeases({ endpoints }),
    other: etcdLeases({ endpoints }),
    shortTtlMs: 1000,
    watches: true,
  };
});
