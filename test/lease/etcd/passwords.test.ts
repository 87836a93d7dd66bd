/** An etcd that wants users and passwords. */
import { randomBytes } from "node:crypto";

import { expect, test } from "vitest";

import { etcdLeases } from "../../../lib/lease/etcd.js";
import type { LeaseStore } from "../../../lib/lease/store.js";
import { base64, pathOf } from "../../support/engines/ask-etcd.js";
import { etcd, onceForFile } from "../../support/engines/engines.js";
import { acquired, attempt, NEVER } from "../../support/engines/lease-attempts.js";

const PASSWORD = "of root";

/** With the users root and limited, who may use keys from `allowed/` on. */
const engine = onceForFile(etcd, async (folder) => {
  const started = await etcd.startEngine({ folder });
  await etcd.requirePasswords(started.port, PASSWORD);
  const ask = async (path: string, body: object): Promise<void> =>
    await askAsRoot(started.port, path, body);
  await ask("user/add", { name: "limited", password: "limited" });
  await ask("role/add", { name: "leases" });
  await ask("role/grant", {
    name: "leases",
    perm: { permType: "READWRITE", key: base64("allowed/"), range_end: base64("allowed0") },
  });
  await ask("user/grant", { user: "limited", role: "leases" });
  return started;
});

const open = onceForFile(etcd, async (folder) => await etcd.startEngine({ folder }));

/** One of etcd's questions about users, `user/add` for instance. */
async function askAsRoot(port: number, path: string, body: object): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${port}/v3/auth/${path}`, {
    method: "POST",
    headers: { authorization: await authenticate(port, "root", PASSWORD) },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(await answer.text());
}

async function authenticate(port: number, name: string, password: string): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}/v3/auth/authenticate`, {
    method: "POST",
    body: JSON.stringify({ name, password }),
  });
  const { token } = (await answer.json()) as { token: string };
  return token;
}

/** A store that counts what it asks about passwords. */
function counting(port: number): { store: LeaseStore; authentications: () => number } {
  let authentications = 0;
  const store = etcdLeases({
    endpoints: [`http://127.0.0.1:${port}`],
    username: "root",
    password: PASSWORD,
    fetch: async (url, init) => {
      if (pathOf(url).endsWith("/authenticate")) authentications++;
      return await fetch(url, init);
    },
  });
  return { store, authentications: () => authentications };
}

const freshKey = (): string => randomBytes(8).toString("hex");

test("a user with its password leases; callers at the same time authenticate once", async (context) => {
  const { port } = await engine(context);
  const { store, authentications } = counting(port);
  const keys = Array.from({ length: 8 }, freshKey);
  const grants = await Promise.all(keys.map((key) => acquired(store, { key })));
  const renewed = await Promise.all(grants.map((grant) => store.renew(grant, 60_000, NEVER)));
  expect(renewed).not.toContain(false);
  expect(authentications()).toBe(1);
  const told = new Promise<void>((resolve) => {
    const watch = store.watch(keys[0] ?? "", () => {
      watch?.close();
      resolve();
    });
  });
  await told;
  await Promise.all(grants.map((grant) => store.release(grant, NEVER)));
});

test("a token that etcd no longer takes is asked for again, once for all callers", async (context) => {
  const { port } = await engine(context);
  const { store, authentications } = counting(port);
  const grants = await Promise.all([1, 2, 3, 4].map(() => acquired(store, { key: freshKey() })));
  expect(authentications()).toBe(1);
  // It is the same password: what changes is that etcd forgets the user's tokens.
  await askAsRoot(port, "user/changepw", { name: "root", password: PASSWORD });
  const renewed = await Promise.all(grants.map((grant) => store.renew(grant, 60_000, NEVER)));
  expect(renewed).toEqual([true, true, true, true]);
  expect(authentications()).toBe(2);
});

test("holders with a password outlast a restart of etcd", async (context) => {
  const { port, kill, restart } = await engine(context);
  const { store, authentications } = counting(port);
  const grants = await Promise.all([1, 2, 3, 4].map(() => acquired(store, { key: freshKey() })));
  await kill();
  await restart();
  const renewed = await Promise.all(grants.map((grant) => store.renew(grant, 60_000, NEVER)));
  expect(renewed).toEqual([true, true, true, true]);
  // etcd keeps its tokens in memory, and makes some of them again from its log.
  expect(authentications()).toBeLessThanOrEqual(2);
});

test("a wrong password, an unknown user and none are refused for good", async (context) => {
  const { port } = await engine(context);
  const endpoints = [`http://127.0.0.1:${port}`];
  for (const store of [
    etcdLeases({ endpoints, username: "root", password: "wrong" }),
    etcdLeases({ endpoints, username: "not a user", password: PASSWORD }),
    etcdLeases({ endpoints }),
  ]) {
    const failed = await attempt(store).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: "LEASE_STORE", operation: "acquire", retryable: false });
    expect(String(failed)).not.toContain("wrong");
  }
});

test("a user who may use the prefix only can lease there, and not elsewhere", async (context) => {
  const { port } = await engine(context);
  const user = { username: "limited", password: "limited" };
  const endpoints = [`http://127.0.0.1:${port}`];
  const store = etcdLeases({ endpoints, ...user, prefix: "allowed/" });
  const grant = await acquired(store, { key: freshKey() });
  expect(await store.renew(grant, 60_000, NEVER)).toBe(true);
  await store.release(grant, NEVER);
  const elsewhere = etcdLeases({ endpoints, ...user });
  await expect(attempt(elsewhere)).rejects.toMatchObject({ retryable: false });
});

test("a password is no hindrance where etcd asks for none, and serves once etcd does", async (context) => {
  const { port } = await open(context);
  const store = etcdLeases({
    endpoints: [`http://127.0.0.1:${port}`],
    username: "root",
    password: PASSWORD,
  });
  const grant = await acquired(store, { key: freshKey() });
  await etcd.requirePasswords(port, PASSWORD);
  expect(await store.renew(grant, 60_000, NEVER)).toBe(true);
  await acquired(store, { key: freshKey() });
});
