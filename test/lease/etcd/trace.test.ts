/** What the channel `pidentity:lease` tells of leases on a real etcd. */
import { expect, test } from "vitest";

import { acquireLease, etcdLeases } from "../../../lib/lease/index.js";
import { etcd, onceForFile } from "../../support/engines/engines.js";
import { listenToLeases } from "../../support/lease-messages.js";
import { waitFor } from "../../support/wait-for.js";

const engine = onceForFile(etcd, async (folder) => await etcd.startEngine({ folder }));

test(
  "of a lease on etcd everything is told, and that it is lost when the server is killed",
  { timeout: 60_000 },
  async (context) => {
    const server = await engine(context);
    const told = listenToLeases("traced");
    const store = etcdLeases({ endpoints: [`http://127.0.0.1:${String(server.port)}`] });
    const first = await acquireLease({ store, key: "traced", holder: "pod-1", ttlMs: 2000 });
    await waitFor("a renewal", () => told.of("renew").length > 0);
    await first.release();
    const whose = { store: "etcd", storeId: first.storeId, epoch: String(first.epoch) };
    expect(told.of("acquire")).toMatchObject([{ ...whose, result: { outcome: "acquired" } }]);
    expect(told.of("renew")[0]).toMatchObject({ ...whose, result: { outcome: "renewed" } });
    expect(told.of("release")).toMatchObject([{ ...whose, result: { outcome: "released" } }]);

    const second = await acquireLease({ store, key: "traced", holder: "pod-2", ttlMs: 2000 });
    await server.kill();
    await waitFor("the loss", () => second.lost.aborted);
    const epoch = String(second.epoch);
    // The last one may have been under way when the lease was lost: it is told as ended.
    const failed = told.of("renew").find((one) => one.epoch === epoch && one.error !== undefined);
    expect(failed).toMatchObject({ error: { code: "LEASE_STORE", operation: "renew" } });
    expect(told.of("lost")).toMatchObject([
      { storeId: first.storeId, epoch, holder: "pod-2", result: { outcome: "deadline" } },
    ]);
  },
);
