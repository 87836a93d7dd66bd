// A lease store on an etcd of test/support/engines/etcd.mjs.
import { etcdLeases } from "../../../dist/lease/index.js";

/** etcd has no write that is refused to an older epoch, as open-postgres.mjs has one. */
export function open({ port, host = "127.0.0.1" }) {
  const store = etcdLeases({ endpoints: [`http://${host}:${port}`] });
  return { store, prepare: () => {}, close: () => {} };
}
