/** What the channel `pidentity:lease` tells: enough to answer "why did this pod stop writing?" from a log line. */
import { channel, subscribe, unsubscribe } from "node:diagnostics_channel";
import { join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

import { acquireFileLock } from "../../lib/file-lock/acquire-file-lock.js";
import { acquireLease, type LeaseTrace, memoryLeases } from "../../lib/lease/index.js";
import { acquireSessionWriteLock } from "../../lib/session-lock/acquire.js";
import { listenToLeases } from "../support/lease-messages.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { waitFor } from "../support/wait-for.js";
import { gate, troubledStore } from "./troubled-store.js";

const ms: unknown = expect.any(Number);

test("a lease's acquisition, renewals and release are told with store, key, holder, epoch and times", async () => {
  const told = listenToLeases("told");
  const store = memoryLeases();
  const terms = { ttlMs: 300, marginMs: 100 };
  const lease = await acquireLease({ store, key: "told", holder: "pod-1", ...terms });
  await waitFor("a renewal", () => told.of("renew").length > 0);
  await lease.release();
  const { storeId } = lease;
  const whose = { store: store.name, storeId, key: "told", holder: "pod-1", epoch: "1", ...terms };
  expect(told.of("acquire")).toEqual([
    { action: "acquire", ...whose, result: { outcome: "acquired", leftMs: ms, tookMs: ms } },
  ]);
  expect(told.of("acquire")[0]?.result?.leftMs).toBeGreaterThan(0);
  expect(told.of("renew")[0]).toEqual({
    action: "renew",
    ...whose,
    result: { outcome: "renewed", leftMs: ms, tookMs: ms },
  });
  expect(told.of("release")).toEqual([
    { action: "release", ...whose, result: { outcome: "released", leftMs: 0, tookMs: ms } },
  ]);
  expect(told.of("lost")).toEqual([]);
});

test("messages of leases can be written as JSON", async () => {
  const told = listenToLeases("json");
  const lease = await acquireLease({ store: memoryLeases(), key: "json" });
  await lease.release();
  const messages = [...told.of("acquire"), ...told.of("release")];
  expect(JSON.parse(JSON.stringify(messages))).toEqual(messages);
});

test("a refused acquisition is told with the error that names the lease's holder", async () => {
  const told = listenToLeases("held");
  const store = memoryLeases();
  const other = await acquireLease({ store, key: "held", holder: "pod-1" });
  onTestFinished(() => other.release());
  await expect(acquireLease({ store, key: "held", holder: "pod-2", timeoutMs: 0 })).rejects.toThrow(
    "lease held",
  );
  expect(told.of("acquire")[1]).toMatchObject({
    holder: "pod-2",
    storeId: null,
    epoch: null,
    error: { code: "LEASE_TIMEOUT", holder: "pod-1", epoch: 1n },
  });
});

test("failed renewals are told with their errors, and then the loss by the deadline, once", async () => {
  const told = listenToLeases("unreachable");
  const store = troubledStore();
  const lease = await acquireLease({ store, key: "unreachable", ttlMs: 300 });
  store.trouble = { renew: "unreachable" };
  await waitFor("the loss", () => lease.lost.aborted);
  expect(told.of("renew")[0]).toMatchObject({
    error: { code: "LEASE_STORE", operation: "renew", retryable: true },
  });
  await lease.release();
  expect(() => lease.assertHeld()).toThrow(/lost/u);
  expect(told.of("lost")).toMatchObject([
    { store: "troubled", epoch: "1", result: { outcome: "deadline", leftMs: 0, tookMs: ms } },
  ]);
  expect(told.of("release")).toMatchObject([{ result: { outcome: "lost", leftMs: 0 } }]);
});

test("a loss that the store tells is told by the renewal and as a loss", async () => {
  const told = listenToLeases("taken");
  const store = troubledStore();
  const lease = await acquireLease({ store, key: "taken", ttlMs: 600 });
  const grant = { key: "taken", holder: lease.holder, epoch: lease.epoch, storeId: lease.storeId };
  await store.clear.release(grant, new AbortController().signal);
  await waitFor("the loss", () => lease.lost.aborted);
  await waitFor("the renewal's end", () => told.of("renew").length > 0);
  expect(told.of("renew")).toMatchObject([{ result: { outcome: "taken", leftMs: 0 } }]);
  expect(told.of("lost")).toMatchObject([{ result: { outcome: "taken", leftMs: 0 } }]);
});

test("a renewal that a release overtakes is told as ended, not as failed", async () => {
  const told = listenToLeases("overtaken");
  const store = troubledStore();
  const answers = gate();
  const lease = await acquireLease({ store, key: "overtaken", ttlMs: 300 });
  store.trouble = { renew: { answered: answers.opened } };
  await waitFor("a renewal", () => store.asked.renew > 0);
  await lease.release();
  await waitFor("the renewal's end", () => told.of("renew").length > 0);
  answers.open();
  expect(told.of("renew")[0]).toMatchObject({ result: { outcome: "ended", leftMs: 0 } });
  expect(told.of("renew")[0]).not.toHaveProperty("error");
});

test("a release that its store refuses is told with its error", async () => {
  const told = listenToLeases("refused");
  const store = troubledStore();
  const lease = await acquireLease({ store, key: "refused" });
  store.trouble = { release: "refused" };
  await expect(lease.release()).rejects.toThrow("permission denied");
  expect(told.of("release")).toMatchObject([{ error: { operation: "release" } }]);
});

test("a grant that came after its acquisition was given up is told when it is given back", async () => {
  const told = listenToLeases("late");
  const store = troubledStore();
  const answers = gate();
  store.trouble = { acquire: { answered: answers.opened } };
  const controller = new AbortController();
  const acquiring = acquireLease({ store, key: "late", signal: controller.signal });
  await waitFor("the attempt", () => store.asked.acquire === 1);
  controller.abort();
  await expect(acquiring).rejects.toThrow("aborted");
  answers.open();
  await waitFor("the release", () => told.of("release").length > 0);
  expect(told.of("acquire")).toMatchObject([{ error: { name: "AbortError" }, epoch: null }]);
  expect(told.of("release")).toMatchObject([{ epoch: "1", result: { outcome: "unused" } }]);
});

test("a lease's start is told before its store is asked, and nothing after the last unsubscription", async () => {
  const started: LeaseTrace[] = [];
  const record = (message: unknown): void => void started.push({ ...(message as LeaseTrace) });
  const name = "tracing:pidentity:lease:start";
  subscribe(name, record);
  const store = troubledStore();
  store.trouble = { acquire: "refused" };
  await expect(acquireLease({ store, key: "start" })).rejects.toThrow("permission denied");
  unsubscribe(name, record);
  expect(channel(name).hasSubscribers).toBe(false);
  expect(started).toMatchObject([{ action: "acquire", key: "start", storeId: null, epoch: null }]);
  await expect(acquireLease({ store, key: "start" })).rejects.toThrow("permission denied");
  expect(started).toHaveLength(1);
});

test.for(["session", "file"] as const)(
  "the acquisition and the release of a %s lock beneath a lease name the lease",
  async (kind) => {
    const path = join(temporaryFolder(), "s.jsonl");
    const told = listenToLeases("beneath");
    const ended: unknown[] = [];
    const record = (message: unknown): void => void ended.push({ ...(message as object) });
    const names = ["tracing:pidentity:acquire:asyncEnd", "tracing:pidentity:release:asyncEnd"];
    for (const name of names) subscribe(name, record);
    onTestFinished(() => {
      for (const name of names) unsubscribe(name, record);
    });
    const above = { store: memoryLeases(), key: "beneath" };
    const lock =
      kind === "session"
        ? await acquireSessionWriteLock({ sessionFile: path, lease: above, env: {} })
        : await acquireFileLock({ path, lease: above });
    const storeId = lock.lease?.storeId;
    await lock.release();
    const lease = { store: storeId, key: "beneath", epoch: "1" };
    expect(ended).toMatchObject([
      { lockPath: lock.lockPath, result: { lease } },
      { lockPath: lock.lockPath, cause: "released", lease },
    ]);
    expect(told.of("acquire")).toMatchObject([{ storeId, epoch: "1" }]);
    expect(told.of("release")).toMatchObject([{ result: { outcome: "released" } }]);
  },
);
