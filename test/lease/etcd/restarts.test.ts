/** Engines that are killed, stopped and emptied; watching through that, and processes that must be able to end. */
import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

import { acquireLease } from "../../../lib/lease/acquire-lease.js";
import { etcdLeases } from "../../../lib/lease/etcd.js";
import { pathOf } from "../../support/engines/ask-etcd.js";
import { etcd, type Engine, onceForFile } from "../../support/engines/engines.js";
import { acquired, NEVER } from "../../support/engines/lease-attempts.js";
import { runNode, start } from "../../support/processes/child.js";
import { requireEngine, requireRuntime, RUNTIMES } from "../../support/require.js";
import { ROOT } from "../../support/processes/programs.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { waitFor } from "../../support/wait-for.js";

const engine = onceForFile(etcd, async (folder) => await etcd.startEngine({ folder }));

const freshKey = (): string => randomBytes(8).toString("hex");
const storeOf = ({ port }: Engine) => etcdLeases({ endpoints: [`http://127.0.0.1:${port}`] });

test("a hold outlives a crash of etcd, and epochs grow over it", async (context) => {
  const started = await engine(context);
  const store = storeOf(started);
  const [released, held] = [freshKey(), freshKey()];
  const before = await acquired(store, { key: released });
  await store.release(before, NEVER);
  const grant = await acquired(store, { key: held });
  await started.kill();
  await expect(store.renew(grant, 60_000, NEVER)).rejects.toMatchObject({ retryable: true });
  await started.restart();
  expect(await store.renew(grant, 60_000, NEVER)).toBe(true);
  const after = await acquired(store, { key: released });
  expect(after.epoch).toBeGreaterThan(grant.epoch);
  expect(after.storeId).toBe(before.storeId);
});

test("an etcd whose data are gone is another store", async (context) => {
  requireEngine(context, etcd.obstacle());
  const folder = temporaryFolder();
  const first = await etcd.startEngine({ folder });
  onTestFinished(first.stop);
  const store = storeOf(first);
  const before = await acquired(store, { key: "key" });
  await first.kill();
  rmSync(join(folder, "only"), { recursive: true });
  await first.restart();
  // The client still knows the former one's id.
  const after = await acquired(store, { key: "key" });
  expect(after.storeId).not.toBe(before.storeId);
  const other = await acquired(storeOf(first), { key: "another" });
  expect(other.storeId).toBe(after.storeId);
  expect(await store.renew(before, 60_000, NEVER)).toBe(false);
});

test("a watch goes on after etcd was killed, and tells that something may have been missed", async (context) => {
  const started = await engine(context);
  const [store, other] = [storeOf(started), storeOf(started)];
  const key = freshKey();
  const grant = await acquired(store, { key });
  let told = 0;
  const watch = other.watch(key, () => told++);
  await waitFor("the watch to begin", () => told === 1);
  await started.kill();
  await started.restart();
  await waitFor("the watch to begin again", () => told === 2);
  await store.release(grant, NEVER);
  await waitFor("the release", () => told > 2);
  expect(told).toBe(3);
  watch?.close();
});

test("many who watch one key share one stream, and each is told until it closes", async (context) => {
  const started = await engine(context);
  const { port } = started;
  let streams = 0;
  const store = etcdLeases({
    endpoints: [`http://127.0.0.1:${port}`],
    fetch: async (url, init) => {
      if (pathOf(url).endsWith("/v3/watch")) streams++;
      return await fetch(url, init);
    },
  });
  const key = freshKey();
  const grant = await acquired(store, { key });
  const told = Array.from({ length: 5 }, () => 0);
  const watches = told.map((_, index) =>
    store.watch(key, () => (told[index] = (told[index] ?? 0) + 1)),
  );
  await waitFor("all to be told that watching has begun", () => told.every((times) => times === 1));
  // One who comes later is told, too: what it has seen may be over by then.
  let late = 0;
  const lateWatch = store.watch(key, () => late++);
  await waitFor("the late one to be told", () => late === 1);
  watches[0]?.close();
  watches[0]?.close();
  await store.release(grant, NEVER);
  await waitFor("the release to be told", () => late === 2);
  expect(told).toEqual([1, 2, 2, 2, 2]);
  expect(streams).toBe(1);
  for (const watch of [...watches, lateWatch]) watch?.close();
});

test("a holder is lost by its own deadline while etcd is stopped, and another gets the key after it goes on", async (context) => {
  const started = await engine(context);
  const key = freshKey();
  const lease = await acquireLease({ store: storeOf(started), key, ttlMs: 1000 });
  started.pause();
  await waitFor("the loss", () => lease.lost.aborted);
  expect(lease.lost.reason).toMatchObject({ code: "LEASE_LOST", reason: "deadline" });
  started.resume();
  await using next = await acquireLease({ store: storeOf(started), key, ttlMs: 1000 });
  expect(next.epoch).toBeGreaterThan(lease.epoch);
});

/** Waits for a key until it gets it, gives it back, and does nothing more: the process must end by itself. */
function waiterScript(port: number, key: string): string {
  const file = (name: string): string => JSON.stringify(new URL(name, `file://${ROOT}/`).href);
  return `
    import { acquireLease } from ${file("build/modules/lease/acquire-lease.js")};
    import { etcdLeases } from ${file("build/modules/lease/etcd.js")};
    const store = etcdLeases({ endpoints: ["http://127.0.0.1:${port}"] });
    const onWait = () => console.log(JSON.stringify("waiting"));
    const lease = await acquireLease({ store, key: ${JSON.stringify(key)}, ttlMs: 5000, onWait });
    const { epoch } = lease;
    await lease.release();
    console.log(JSON.stringify(String(epoch)));`;
}

test.for(RUNTIMES)(
  "a process that has waited for a key and given it back ends by itself on %s",
  async (runtime, context) => {
    const [program = "", ...args] = requireRuntime(context, runtime);
    const started = await engine(context);
    const key = freshKey();
    const grant = await acquired(storeOf(started), { key });
    const file = join(temporaryFolder(), "waiter.mjs");
    writeFileSync(file, waiterScript(started.port, key));
    const child = await start(program, [...args, file]);
    expect(JSON.parse(await child.line())).toBe("waiting");
    await storeOf(started).release(grant, NEVER);
    expect(BigInt(JSON.parse(await child.line()) as string)).toBeGreaterThan(grant.epoch);
    expect(await child.exited()).toBe(0);
  },
);

test("a process that holds a lease and does nothing ends by itself", async (context) => {
  const { port } = await engine(context);
  const script = waiterScript(port, freshKey())
    .replace("await lease.release();", "")
    .replace("ttlMs: 5000", "ttlMs: 60_000");
  expect(BigInt((await runNode(script)) as string)).toBeGreaterThan(0n);
});
