// Wrong inputs of every entry point, with the answer that each gets: wrong-inputs.txt, which is compared as a whole.
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { inspect } from "node:util";

import { expect, test } from "vitest";

import {
  acquireFileLock,
  acquirePidFile,
  breakLock,
  checkFileLock,
  readPidFile,
} from "../../lib/file-lock/index.js";
import {
  endProcess,
  getProcessAncestors,
  getProcessChildren,
  identifyProcess,
  inspectProcess,
  inspectProcesses,
  listProcesses,
  signalProcess,
  waitForProcessExit,
} from "../../lib/index.js";
import {
  acquireLease,
  etcdLeases,
  memoryLeases,
  postgresLeases,
  postgresLeaseTable,
} from "../../lib/lease/index.js";
import {
  classifySessionAttention,
  createSessionAttentionMonitor,
} from "../../lib/session-attention/index.js";
import {
  acquireSessionFileOwner,
  createSessionController,
  withPromptReleased,
} from "../../lib/session-controller/index.js";
import {
  acquireSessionWriteLock,
  cleanStaleLockFiles,
  inspectSessionLock,
  resolveSessionLockMaxHoldFromTimeout,
  resolveSessionWriteLockOptions,
  sweepSessionLocks,
  withSessionWriteLock,
} from "../../lib/session-lock/index.js";

/** Takes what no compiler would let pass. */
type Call = (input: never) => unknown;

const folder = mkdtempSync(join(tmpdir(), "pidentity-inputs-"));
const sessionFile = join(folder, "s.jsonl");
const token = identifyProcess() ?? "";

const acquire: Call = (wrong) => acquireSessionWriteLock({ sessionFile, ...(wrong as object) });
const sweep: Call = (wrong) => cleanStaleLockFiles({ sessionsDir: folder, ...(wrong as object) });
const sweepAll: Call = (wrong) => sweepSessionLocks({ stateDir: folder, ...(wrong as object) });
const fileLock: Call = (wrong) => acquireFileLock({ path: sessionFile, ...(wrong as object) });
const pidFile: Call = (wrong) => acquirePidFile({ path: sessionFile, ...(wrong as object) });
const breakIt: Call = (wrong) =>
  breakLock(`${sessionFile}.lock`, { reason: "test", expectedNonce: "0", ...(wrong as object) });
const lease: Call = (wrong) =>
  acquireLease({ store: memoryLeases(), key: "a", ...(wrong as object) });
const postgres: Call = (wrong) =>
  postgresLeases({ query: () => Promise.resolve([]), ...(wrong as object) });
const etcd: Call = (wrong) =>
  etcdLeases({ endpoints: ["http://127.0.0.1:2379"], ...(wrong as object) });
const controller: Call = (wrong) =>
  createSessionController({
    acquire: acquireSessionWriteLock,
    sessionFile,
    ...(wrong as object),
  });
const monitor: Call = (wrong) => createSessionAttentionMonitor(wrong);
const register: Call = (wrong) =>
  createSessionAttentionMonitor().register({ sessionKey: "a", ...(wrong as object) });
const classify: Call = (wrong) =>
  classifySessionAttention({ queueDepth: 0, staleMs: 1, activity: {}, ...(wrong as object) });

const UNUSED = {
  releaseForPrompt: () => Promise.reject(new Error("used")),
  reacquireAfterPrompt: () => Promise.reject(new Error("used")),
};

/** Whose answer; the call; one wrong input after the other. */
const TABLE: readonly (readonly [string, Call, ...unknown[]])[] = [
  [
    "inspectProcess(1, …)",
    (options) => inspectProcess(1, options),
    7,
    { args: "no" },
    { arg: false },
  ],
  ["inspectProcesses(…)", (pids) => inspectProcesses(pids), 1, "123", null],
  [
    "inspectProcesses([], …)",
    (options) => inspectProcesses([], options),
    { signal: {} },
    { sliceMs: "4" },
    { sliceMs: Number.NaN },
    { slice: 4 },
  ],
  [
    "getProcessAncestors(1, …)",
    (options) => getProcessAncestors(1, options),
    7,
    { args: 1 },
    { recursive: true },
  ],
  [
    "getProcessChildren(1, …)",
    (options) => getProcessChildren(1, options),
    { recursive: "yes" },
    { deep: true },
  ],
  ["endProcess(…)", (wrong) => endProcess(wrong), undefined, 7],
  [
    "endProcess(token, …)",
    (options) => endProcess(token, options),
    null,
    { graceMs: -1 },
    { graceMs: 1.5 },
    { graceMs: "5s" },
    { tree: 1 },
    { signal: "SIGKILL" },
    { grace: 5 },
  ],
  [
    "listProcesses(…)",
    (options) => listProcesses(options),
    null,
    { args: 1 },
    { sliceMs: -1 },
    { slice: 4 },
  ],
  ["signalProcess(…)", (given) => signalProcess(given), undefined, null, 7],
  [
    "signalProcess(token, …)",
    (signal) => signalProcess(token, signal),
    "SIGNONE",
    "",
    null,
    15,
    -1,
    "toString",
  ],
  [
    "waitForProcessExit(token, …)",
    (options) => waitForProcessExit(token, options),
    "soon",
    { timeoutMs: -1 },
    { timeoutMs: 1.5 },
    { timeout: 5 },
    { signal: "stop" },
  ],
  [
    "waitForProcessExit([token], …)",
    (options) => waitForProcessExit([token], options),
    7,
    { timeoutMs: -1 },
    { timeouts: 5 },
  ],
  [
    "breakLock(lockPath, { reason, expectedNonce, … })",
    breakIt,
    { reason: "" },
    { reason: undefined },
    { expectedNonce: undefined },
    { expectedNonce: 7 },
    { expectedNonce: "" },
    { expectedBytes: [1, 2] },
    { force: "yes" },
    { because: "test" },
  ],
  [
    "breakLock(lockPath)",
    (path) => breakLock(path, { reason: "test", expectedNonce: "0" }),
    "",
    7,
    new URL("https://example.org/s.lock"),
  ],
  [
    "acquireSessionWriteLock(…)",
    (options) => acquireSessionWriteLock(options),
    undefined,
    null,
    {},
  ],
  [
    "acquireSessionWriteLock({ sessionFile, … })",
    acquire,
    { sessionFile: "" },
    { sessionFile: "a\0b" },
    { sessionFile: new URL("https://example.org/s.jsonl") },
    { sessionFile: ["s.jsonl"] },
    { timeoutMs: -1 },
    { timeoutMs: "60s" },
    { timeoutMs: Number.NaN },
    { timeoutMS: 5 },
    { staleMs: 0 },
    { staleMs: Infinity },
    { maxHoldMs: 0.5 },
    { maxHoldMs: 2 ** 60 },
    { allowReentrant: "yes" },
    { reentrant: true },
    { signal: null },
    { label: 7 },
    { label: "é".repeat(600) },
    { onWait: "tell me" },
    { plainLocks: "remove" },
    { isOwnerArgv: /gateway/u },
    { readOwnerProcessArgs: [] },
    { env: "HOME=/" },
    { envPrefix: 1 },
    { retries: 3 },
    { dryRun: true },
  ],
  [
    "withSessionWriteLock({ sessionFile }, …)",
    (run) => withSessionWriteLock({ sessionFile }, run),
    undefined,
    "write",
  ],
  [
    "lock.withFence(…)",
    async (write) => {
      await using lock = await acquireSessionWriteLock({ sessionFile });
      lock.withFence(write);
    },
    undefined,
    "text",
    async () => {},
  ],
  [
    "resolveSessionWriteLockOptions({}, …)",
    (options) => resolveSessionWriteLockOptions({}, options),
    null,
    { timeoutMs: -5 },
    { maxHoldMsFallback: 0 },
    { maxHold: 1 },
  ],
  [
    "resolveSessionLockMaxHoldFromTimeout(…)",
    (options) => resolveSessionLockMaxHoldFromTimeout(options),
    undefined,
    {},
    { timeoutMs: Number.NaN },
    { timeoutMs: 1, grace: 2 },
  ],
  [
    "inspectSessionLock(…)",
    (path) => inspectSessionLock(path),
    undefined,
    "",
    new URL("file://server/share%2fa"),
  ],
  [
    "inspectSessionLock(path, …)",
    (options) => inspectSessionLock("a.lock", options),
    "now",
    { nowMs: Infinity },
    { nowMs: new Date(0) },
    { respectMaxHold: 1 },
    { maxHold: true },
  ],
  ["cleanStaleLockFiles(…)", (options) => cleanStaleLockFiles(options), undefined, "sessions"],
  [
    "cleanStaleLockFiles({ sessionsDir, … })",
    sweep,
    { sessionsDir: undefined },
    { dryrun: true },
    { dryRun: "yes" },
    { dryRun: true, removeStale: true },
    { dryRun: false, removeStale: false },
    { removeStal: false },
    { staleMs: -1 },
    { log: "x" },
    { log: { warn: true } },
    { log: null },
    { report: "none" },
    { onProgress: {} },
    { sliceMs: -1 },
    { nowMs: Number.NaN },
  ],
  [
    "sweepSessionLocks({ stateDir, … })",
    sweepAll,
    { stateDir: undefined },
    { sessionsDirs: ["a"] },
    { stateDir: undefined, sessionsDirs: "a" },
    { stateDir: undefined, sessionsDirs: ["a", ""] },
    { concurrency: 0 },
    { concurrency: Infinity },
    { onDirectory: 1 },
    { sessionsDir: "sessions" },
  ],
  ["acquireFileLock(…)", (options) => acquireFileLock(options), undefined, { path: undefined }],
  [
    "acquireFileLock({ path, … })",
    fileLock,
    { maxHoldMs: 0 },
    { timeoutMs: "1" },
    { stale: 10_000 },
    { resolveLinks: 0 },
    { lockfilePath: "a" },
    { lockPath: 7 },
    { lockPath: "locks/" },
    { onReclaimed: "tell me" },
    { format: "pid" },
  ],
  [
    "checkFileLock(…)",
    (options) => checkFileLock(options),
    undefined,
    {},
    { path: "a", timeoutMs: 5 },
  ],
  [
    "acquirePidFile({ path, … })",
    pidFile,
    { path: 7 },
    { allowReentrant: true },
    { timeoutMs: -0.5 },
    { format: "text" },
  ],
  ["readPidFile(…)", (path) => readPidFile(path), undefined, 7, "", "\u202e\n\0"],
  [
    "createSessionController({ acquire, sessionFile, … })",
    controller,
    { acquire: undefined },
    { sessionFile: 7 },
    { settleTimeoutMs: 0 },
    { staleMs: null },
    { isBenignChange: true },
    { log: 1 },
    { settleTimeout: 5 },
  ],
  [
    "acquireSessionFileOwner({ sessionFile, … })",
    (wrong) => acquireSessionFileOwner({ sessionFile, ...(wrong as object) }),
    { timeoutMs: Number.NaN },
    { signal: true },
    { timeOut: 1 },
  ],
  ["withPromptReleased(controller, …)", (run) => withPromptReleased(UNUSED, run), undefined, "ask"],
  [
    "createSessionAttentionMonitor(…)",
    monitor,
    null,
    { recover: "x" },
    { warnMs: -1 },
    { heartbeatMs: 2 ** 31 },
    { heartBeat: 5 },
    { log: { warn: 1 } },
  ],
  [
    "monitor.register({ sessionKey, … })",
    register,
    { sessionKey: "" },
    { state: "done" },
    { queueDepth: -1 },
    { depth: 1 },
  ],
  [
    "classifySessionAttention({ queueDepth, staleMs, activity, … })",
    classify,
    { state: "busy" },
    { queueDepth: undefined },
    { activity: null },
    { activity: { activeWorkKind: "thinking" } },
  ],
];

const LEASES: typeof TABLE = [
  ["acquireLease(…)", (options) => acquireLease(options), undefined, {}, { store: {}, key: "a" }],
  [
    "acquireLease({ store, key, … })",
    lease,
    { store: { ...memoryLeases(), name: "own" } },
    { key: "" },
    { key: 7 },
    { key: "a\0b" },
    { key: "\ud800" },
    { key: "é".repeat(513) },
    { holder: "" },
    { holder: "b\0" },
    { ttlMs: 99 },
    { ttlMs: 1000.5 },
    { ttlMs: Infinity },
    { ttlMs: "10s" },
    { ttl: 10_000 },
    { timeoutMs: -1 },
    { marginMs: -1 },
    { marginMs: 10_000 },
    { ttlMs: 1000, marginMs: 1000 },
    { marginMs: Number.NaN },
    { signal: {} },
    { onWait: "tell me" },
  ],
  [
    "lease.assertHeld(…)",
    async (options) => {
      await using held = await acquireLease({ store: memoryLeases(), key: "a" });
      held.assertHeld(options);
    },
    5,
    { marginMs: "5" },
    { marginMs: -1 },
    { margin: 5 },
  ],
  ["postgresLeases(…)", (options) => postgresLeases(options), undefined, {}, { query: "SELECT 1" }],
  [
    "postgresLeases({ query, … })",
    postgres,
    { table: "" },
    { table: 7 },
    { table: "a.b.c" },
    { table: ".a" },
    { table: "a\0" },
    { table: "t".repeat(58) },
    { listen: true },
    { channel: "a" },
  ],
  ["postgresLeaseTable(…)", (table) => postgresLeaseTable(table), "", null, "\udc00"],
  [
    "etcdLeases({ endpoints, … })",
    etcd,
    { endpoints: undefined },
    { endpoints: [] },
    { endpoints: ["localhost:2379"] },
    { fetch: true },
    { username: 7 },
    { prefix: 1 },
    { endpoint: "http://127.0.0.1:2379" },
  ],
];

/** Of one wrong input: what was thrown, on one line. */
async function answerTo(call: Call, input: unknown): Promise<string> {
  try {
    await call(input as never);
  } catch (error) {
    const { name, code, message } = error as Error & { readonly code?: unknown };
    return `${name} ${String(code)}: ${message}`;
  }
  return "no error";
}

function shown(input: unknown): string {
  return inspect(input, { depth: 0, breakLength: Infinity, maxStringLength: 20 });
}

test("every wrong input is refused with a code, by name, with what was expected and what came", async () => {
  try {
    const lines: string[] = [];
    let count = 0;
    for (const [title, call, ...inputs] of [...TABLE, ...LEASES]) {
      lines.push(title);
      for (const input of inputs) {
        const answer = await answerTo(call, input);
        expect(answer).toMatch(/^(?:TypeError|RangeError) ERR_[A-Z_]+: /u);
        lines.push(`  ${shown(input)}`, `    ${answer.replaceAll(folder, "<folder>")}`);
        count++;
      }
      lines.push("");
    }
    // Nothing was made before it was refused, and nothing is left.
    expect(readdirSync(folder)).toEqual([]);
    await expect(`${String(count)} wrong inputs\n\n${lines.join("\n")}`).toMatchFileSnapshot(
      "wrong-inputs.txt",
    );
    expect(count).toBeGreaterThanOrEqual(60);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a path may be a file: URL wherever a path may be given", async () => {
  const here = mkdtempSync(join(tmpdir(), "pidentity-inputs-"));
  try {
    const url = pathToFileURL(join(here, "a b.jsonl"));
    const lock = await acquireSessionWriteLock({ sessionFile: url });
    expect(lock.sessionFile).toBe(join(here, "a b.jsonl"));
    const [directory] = (await sweepSessionLocks({ sessionsDirs: [pathToFileURL(here)] }))
      .directories;
    expect(directory?.result?.counts.total).toBe(1);
    const swept = await cleanStaleLockFiles({ sessionsDir: pathToFileURL(here), dryRun: true });
    expect(swept.locks.map(({ lockPath }) => lockPath)).toEqual([lock.lockPath]);
    expect(await inspectSessionLock(pathToFileURL(lock.lockPath))).toMatchObject({ stale: false });
    await lock.release();
    await (await acquireFileLock({ path: url })).release();
    const running = await createSessionController({
      acquire: acquireSessionWriteLock,
      sessionFile: url,
    });
    await running.withWriteLock(({ appendFenced }) => appendFenced("{}"));
    await running.dispose();
    (await acquireSessionFileOwner({ sessionFile: url })).release();
    await (await acquirePidFile({ path: pathToFileURL(join(here, "daemon.pid")) })).release();
    expect(existsSync(join(here, "daemon.pid"))).toBe(false);
  } finally {
    rmSync(here, { recursive: true });
  }
});
