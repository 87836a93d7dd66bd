/** Answers that do not arrive, arrive late, or are of another etcd than was thought. */
import { randomBytes } from "node:crypto";

import { expect, test } from "vitest";

import { etcdLeases } from "../../../lib/lease/etcd.js";
import { askEtcd, base64, leasesIn, pathOf } from "../../support/engines/ask-etcd.js";
import { etcd, onceForFile } from "../../support/engines/engines.js";
import { acquired, attempt, NEVER } from "../../support/engines/lease-attempts.js";
import { waitFor } from "../../support/wait-for.js";

const engine = onceForFile(etcd, async (folder) => await etcd.startEngine({ folder }));

const freshKey = (): string => randomBytes(8).toString("hex");

test("an acquisition whose answer was lost is the same hold at the next attempt, and its lease is renewed before", async (context) => {
  const { port } = await engine(context);
  const endpoints = [`http://127.0.0.1:${port}`];
  let losesNext = false;
  const asked: string[] = [];
  const store = etcdLeases({
    endpoints,
    fetch: async (url, init) => {
      const answer = await fetch(url, init);
      const pathname = pathOf(url);
      asked.push(pathname);
      if (pathname !== "/v3/kv/txn" || !losesNext) return answer;
      losesNext = false;
      await answer.text();
      throw new TypeError("fetch failed", { cause: new Error("the connection was cut") });
    },
  });
  // The first transaction is about the store's id.
  await acquired(store, { key: freshKey() });
  losesNext = true;
  const [key, nonce] = [freshKey(), "nonce"];
  await expect(attempt(store, { key, nonce })).rejects.toMatchObject({
    code: "LEASE_STORE",
    retryable: true,
  });
  const held = await attempt(etcdLeases({ endpoints }), { key });
  if (held.kind !== "held") throw new Error("the lost acquisition did not take the key");
  asked.length = 0;
  const { epoch, handle } = await acquired(store, { key, nonce });
  expect(epoch).toBe(held.epoch);
  expect(await leasesIn(port)).toContain(handle);
  // Its lease is older than this attempt, from which its holder counts.
  expect(asked).toContain("/v3/lease/keepalive");
});

test("a transaction whose answer was lost at one endpoint is known again at the next", async (context) => {
  const { port } = await engine(context);
  const endpoints = [`http://127.0.0.1:${port}`, `http://localhost:${port}`];
  const { storeId } = await acquired(etcdLeases({ endpoints }), { key: freshKey() });
  let transactions = 0;
  const store = etcdLeases({
    endpoints,
    fetch: async (url, init) => {
      const answer = await fetch(url, init);
      const { hostname, pathname } = new URL(url instanceof Request ? url.url : url);
      if (pathname !== "/v3/kv/txn") return answer;
      transactions++;
      if (hostname !== "127.0.0.1") return answer;
      await answer.text();
      throw new TypeError("fetch failed");
    },
  });
  const key = freshKey();
  const grant = await acquired(store, { key });
  expect(grant.storeId).toBe(storeId);
  // The store's id at two endpoints, then the key at the one that answered.
  expect(transactions).toBe(3);
  expect(await store.renew(grant, 60_000, NEVER)).toBe(true);
});

test("an etcd lease whose making was not answered is used, not left behind", async (context) => {
  const { port } = await engine(context);
  const before = (await leasesIn(port)).length;
  let isFirst = true;
  const store = etcdLeases({
    endpoints: [`http://127.0.0.1:${port}`, `http://localhost:${port}`],
    fetch: async (url, init) => {
      const answer = await fetch(url, init);
      if (!pathOf(url).endsWith("/lease/grant") || !isFirst) return answer;
      isFirst = false;
      await answer.text();
      throw new TypeError("fetch failed");
    },
  });
  const grant = await acquired(store, { key: freshKey() });
  const after = await leasesIn(port);
  expect(after).toContain(grant.handle);
  expect(after).toHaveLength(before + 1);
});

test("a contender that is refused leaves no etcd lease behind", async (context) => {
  const { port } = await engine(context);
  const store = etcdLeases({ endpoints: [`http://127.0.0.1:${port}`] });
  const key = freshKey();
  const { handle } = await acquired(store, { key });
  const before = (await leasesIn(port)).toSorted();
  expect(before).toContain(handle);
  const other = etcdLeases({ endpoints: [`http://127.0.0.1:${port}`] });
  for (let tries = 0; tries < 3; tries++) await attempt(other, { key });
  // It is revoked beside the answer.
  await waitFor("the contender's etcd lease to go", async () => {
    const now = (await leasesIn(port)).toSorted();
    return JSON.stringify(now) === JSON.stringify(before);
  });
});

test("a hold whose key an administrator has removed is over, though its etcd lease lives", async (context) => {
  const { port } = await engine(context);
  const store = etcdLeases({ endpoints: [`http://127.0.0.1:${port}`] });
  const key = freshKey();
  const grant = await acquired(store, { key });
  expect(await store.renew(grant, 60_000, NEVER)).toBe(true);
  await askEtcd(port, "kv/deleterange", { key: base64(`pidentity/lease/${key}`) });
  expect(await store.renew(grant, 60_000, NEVER)).toBe(false);
  const next = await acquired(store, { key });
  expect(await store.renew(grant, 60_000, NEVER)).toBe(false);
  await store.release(grant, NEVER);
  expect(await store.renew(next, 60_000, NEVER)).toBe(true);
});

test("a hold whose etcd lease an administrator has revoked is over", async (context) => {
  const { port } = await engine(context);
  const store = etcdLeases({ endpoints: [`http://127.0.0.1:${port}`] });
  const grant = await acquired(store, { key: freshKey() });
  await askEtcd(port, "lease/revoke", { ID: String(grant.handle) });
  expect(await store.renew(grant, 60_000, NEVER)).toBe(false);
});

test("a member that does not know of a lease yet proves nothing while the key is there", async (context) => {
  const { port } = await engine(context);
  let knows = true;
  const store = etcdLeases({
    endpoints: [`http://127.0.0.1:${port}`],
    fetch: async (url, init) => {
      const answer = await fetch(url, init);
      if (knows || !pathOf(url).endsWith("/lease/keepalive")) return answer;
      // What etcd says of a lease that it does not know: no TTL.
      return new Response((await answer.text()).replace(/,"TTL":"\d+"/u, ""));
    },
  });
  const grant = await acquired(store, { key: freshKey() });
  knows = false;
  await expect(store.renew(grant, 60_000, NEVER)).rejects.toMatchObject({
    code: "LEASE_STORE",
    operation: "renew",
    retryable: true,
  });
  knows = true;
  expect(await store.renew(grant, 60_000, NEVER)).toBe(true);
});

test("a renewal for longer than the lease was made is refused: etcd would let another in before", async (context) => {
  const { port } = await engine(context);
  const store = etcdLeases({ endpoints: [`http://127.0.0.1:${port}`] });
  const grant = await acquired(store, { key: freshKey(), ttlMs: 5000 });
  await expect(store.renew(grant, 6000, NEVER)).rejects.toMatchObject({
    code: "LEASE_STORE",
    operation: "renew",
    retryable: false,
  });
  expect(await store.renew(grant, 5000, NEVER)).toBe(true);
});

test("a ttl is rounded up to whole seconds", async (context) => {
  const { port } = await engine(context);
  const store = etcdLeases({ endpoints: [`http://127.0.0.1:${port}`] });
  const { handle } = await acquired(store, { key: freshKey(), ttlMs: 4001 });
  const told = await askEtcd(port, "lease/timetolive", { ID: String(handle) });
  expect(told).toMatchObject({ grantedTTL: "5" });
});

test("a key under the prefix that is not of this package is held by a holder that is not known", async (context) => {
  const { port } = await engine(context);
  const store = etcdLeases({ endpoints: [`http://127.0.0.1:${port}`], prefix: "of/ours/" });
  for (const value of ["", "text", "{}", "[1]", '{"holder":1,"nonce":null}']) {
    const key = freshKey();
    await askEtcd(port, "kv/put", { key: base64(`of/ours/lease/${key}`), value: base64(value) });
    expect(await attempt(store, { key })).toMatchObject({
      kind: "held",
      holder: null,
      leftMs: null,
    });
  }
});

test("a grant of another store is refused in words", async (context) => {
  const { port } = await engine(context);
  const store = etcdLeases({ endpoints: [`http://127.0.0.1:${port}`] });
  const grant = { key: "key", holder: "holder", epoch: 1n, storeId: "of another" };
  const expected = { code: "LEASE_STORE", retryable: false };
  await expect(store.renew(grant, 1000, NEVER)).rejects.toMatchObject(expected);
  await expect(store.release(grant, NEVER)).rejects.toMatchObject(expected);
});

test("an attempt that was aborted before asks nothing", async (context) => {
  const { port } = await engine(context);
  let asked = 0;
  const store = etcdLeases({
    endpoints: [`http://127.0.0.1:${port}`],
    fetch: async (url, init) => {
      asked++;
      return await fetch(url, init);
    },
  });
  await expect(attempt(store, { signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: "LEASE_STORE",
  });
  expect(asked).toBe(0);
});

test("contenders of one process ask etcd for a key one at a time, and learn from each other who has it", async (context) => {
  const { port } = await engine(context);
  let [asking, most] = [0, 0];
  const store = etcdLeases({
    endpoints: [`http://127.0.0.1:${port}`],
    fetch: async (url, init) => {
      if (!pathOf(url).startsWith("/v3/kv/")) return await fetch(url, init);
      most = Math.max(most, ++asking);
      return await fetch(url, init).finally(() => asking--);
    },
  });
  const key = freshKey();
  const attempts = await Promise.all(
    Array.from({ length: 16 }, (_, index) => attempt(store, { key, holder: String(index) })),
  );
  const [first, ...others] = attempts;
  if (first?.kind !== "acquired") throw new Error("the first was not the first");
  const { epoch, holder } = first.grant;
  expect(others).toEqual(others.map(() => ({ kind: "held", holder, epoch, leftMs: null })));
  expect(most).toBe(1);
  // Later ones ask for themselves: it may be over.
  expect(await attempt(store, { key })).toMatchObject({ kind: "held", holder, epoch });
});

test("an attempt whose turn does not come ends with its signal, and the one before goes on", async (context) => {
  const { port } = await engine(context);
  let answer = (): void => {};
  const answering = new Promise<void>((resolve) => (answer = resolve));
  const store = etcdLeases({
    endpoints: [`http://127.0.0.1:${port}`],
    fetch: async (url, init) => {
      await answering;
      return await fetch(url, init);
    },
  });
  const key = freshKey();
  const first = attempt(store, { key });
  const second = attempt(store, { key, signal: AbortSignal.timeout(20) });
  await expect(second).rejects.toMatchObject({ code: "LEASE_STORE", retryable: true });
  answer();
  expect((await first).kind).toBe("acquired");
});
