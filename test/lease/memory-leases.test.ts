import { memoryLeases } from "../../lib/lease/index.js";
import { describeStoreContract } from "./store-contract.js";

describeStoreContract("memory", () => {
  const store = memoryLeases();
  return Promise.resolve({ store, other: store, shortTtlMs: 200, watches: true });
});
