// The built package on whatever Node runs this, without any test framework: `node test/lab/windows/smoke.mjs`.
// Closes with "N passed, N failed".
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import * as pidentity from "../../../dist/index.js";
import { cleanStaleLockFiles } from "../../../dist/session-lock/index.js";

const MAIN = fileURLToPath(new URL("../../../dist/cli/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "pidentity-smoke-"));
const children = [];
let passed = 0;
let failed = 0;

async function check(name, body) {
  try {
    await body();
    passed += 1;
    console.log(`ok     ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${name}: ${error.stack}`);
  }
}

/** A child that runs until its input ends. */
async function startIdle() {
  const child = spawn(process.execPath, ["-e", "console.log(1); process.stdin.resume()", "", "ü"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  children.push(child);
  await once(child.stdout, "data");
  return child;
}

async function end(child) {
  child.kill("SIGKILL");
  await once(child, "close");
}

function writeLock(name, fields) {
  const createdAt = new Date().toISOString();
  const payload = { createdAt, maxHoldMs: 300_000, ...fields };
  writeFileSync(join(folder, `${name}.jsonl.lock`), JSON.stringify(payload));
}

function command(...args) {
  const { status, stdout } = spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8" });
  return { status, stdout };
}

const live = await startIdle();
const dead = await startIdle();
const deadToken = pidentity.identifyProcess(dead.pid);
await end(dead);

await check("the addon answers", () => {
  const { backend, error } = pidentity.nativeStatus();
  assert.equal(backend, "native", error?.message);
});
await check("a live child is alive, with its start time and arguments", () => {
  const info = pidentity.inspectProcess(live.pid);
  assert.equal(info.state, "alive");
  assert.deepEqual(info.args.slice(-2), ["", "ü"]);
  assert.equal(info.parentPid, process.pid);
  assert.ok(Math.abs(info.startedAtMs - Date.now()) < 60_000);
  assert.equal(pidentity.getProcessStartTime(live.pid), info.startTime);
});
await check("an ended child is gone", () => {
  assert.equal(pidentity.isPidAlive(dead.pid), false);
  assert.equal(pidentity.verifyProcess(deadToken).state, "gone");
});
await check("waiting for a child ends with it", async () => {
  const child = await startIdle();
  const exit = pidentity.waitForProcessExit(pidentity.identifyProcess(child.pid));
  await end(child);
  assert.equal(await exit, "exited");
});
writeLock("dead", { pid: dead.pid });
writeLock("live", { pid: live.pid, starttime: pidentity.getProcessStartTime(live.pid) });
writeLock("recycled", { pid: live.pid, starttime: pidentity.getProcessStartTime(live.pid) - 5e6 });
await check(
  "the command locks reports, and says by its exit code that stale ones are there",
  () => {
    const { status, stdout } = command("locks", folder);
    assert.match(stdout, /^Found 3 session lock files\.\n/u);
    assert.match(stdout, /\(dead-pid\)[\s\S]*stale=no[\s\S]*\(recycled-pid\)/u);
    assert.equal(status, 1);
  },
);
await check("a sweep removes what is proven abandoned and nothing else", async () => {
  const { counts } = await cleanStaleLockFiles({ sessionsDir: folder, env: {} });
  assert.deepEqual(counts, { total: 3, stale: 2, removed: 2, kept: 1 });
  assert.deepEqual(readdirSync(folder), ["live.jsonl.lock"]);
  assert.equal(command("locks", folder).status, 0);
});
await check("the command native names the addon's file", () => {
  const { status, stdout } = command("native");
  assert.match(stdout, /^backend: native\r?\npath: .*\.node\r?\n/u);
  assert.equal(status, 0);
});
await check("the command ps shows a live process", () => {
  const { status, stdout } = command("ps", String(live.pid));
  assert.match(stdout, new RegExp(`^${live.pid} +alive `, "mu"));
  assert.equal(status, 0);
});

for (const child of children) child.kill("SIGKILL");
rmSync(folder, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
