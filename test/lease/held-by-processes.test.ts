/** Leases of real processes: stopped, ended, and left by themselves. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { expect, test } from "vitest";

import {
  DIST,
  nodeArguments,
  type RunningChild,
  runNode,
  start,
} from "../support/processes/child.js";
import { requirePosix, requireProgram, requireRuntime, RUNTIMES } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const IMPORT = `import { acquireLease, memoryLeases } from ${JSON.stringify(`${DIST}lease/index.js`)};`;

/** Says what its lease is at every line that it is told: lost or held, then whether \`lost\` has aborted. */
const HOLDER = `${IMPORT}
  import { createInterface } from "node:readline";
  const store = memoryLeases();
  const lease = await acquireLease({ store, key: "a", ttlMs: Number(process.env.TTL_MS) });
  // The first thing that the holder does when it goes on.
  createInterface({ input: process.stdin }).on("line", () => {
    let said = "held";
    try {
      lease.assertHeld();
    } catch (error) {
      said = error.reason;
    }
    console.log(said, lease.lost.aborted, lease.deadline() > 0);
  });
  console.log("holding");`;

async function startHolder(ttlMs: number, prefix: readonly string[] = []): Promise<RunningChild> {
  const [file = "", ...args] = [...prefix, process.execPath, ...nodeArguments(HOLDER)];
  const env = { ...process.env, TTL_MS: String(ttlMs) };
  const child = await start(file, args, { env });
  expect(await child.line()).toBe("holding");
  return child;
}

test("a holder that was stopped for longer than its lease finds itself lost when it goes on", async (context) => {
  requirePosix(context, "SIGSTOP");
  const holder = await startHolder(2000);
  holder.process.kill("SIGSTOP");
  holder.say("?");
  await delay(2100);
  holder.process.kill("SIGCONT");
  expect(await holder.line()).toBe("deadline true false");
});

test("a holder that was stopped for less than its lease holds it", async (context) => {
  requirePosix(context, "SIGSTOP");
  const holder = await startHolder(60_000);
  holder.process.kill("SIGSTOP");
  holder.say("?");
  await delay(200);
  holder.process.kill("SIGCONT");
  expect(await holder.line()).toBe("held false true");
});

test.for(["-1h", "+1h"])(
  "a holder whose wall clock is set by %s holds its lease",
  async (offset, context) => {
    requireProgram(context, "faketime");
    const holder = await startHolder(60_000, ["faketime", "-f", offset]);
    holder.say("?");
    expect(await holder.line()).toBe("held false true");
  },
);

test.for(RUNTIMES)(
  "a lease is renewed, lost by a blocked loop and had again under %s",
  async (runtime, context) => {
    const [file = "", ...args] = requireRuntime(context, runtime);
    const script = join(temporaryFolder(), "lease.mjs");
    writeFileSync(
      script,
      `${IMPORT}
    const options = { store: memoryLeases(), key: "a", ttlMs: 3000 };
    const first = await acquireLease(options);
    const until = performance.now() + 3500;
    while (performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 50));
    console.log(first.lost.aborted);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3100);
    try {
      first.assertHeld();
    } catch (error) {
      console.log(error.code, error.reason, first.lost.aborted);
    }
    const second = await acquireLease(options);
    await first.release();
    second.assertHeld();
    console.log(String(second.epoch));
    await second.release();`,
    );
    const child = await start(file, [...args, script]);
    expect([await child.line(), await child.line(), await child.line()]).toEqual([
      "false",
      "LEASE_LOST deadline true",
      "2",
    ]);
    expect(await child.exited()).toBe(0);
  },
);

test("a process that holds a lease ends when it has nothing else to do", async () => {
  const script = `${IMPORT}
    const lease = await acquireLease({ store: memoryLeases(), key: "a" });
    console.log(JSON.stringify(lease.deadline() > 0));`;
  expect(await runNode(script)).toBe(true);
});

test("a process that waits for a lease does not end before it has it", async () => {
  const script = `${IMPORT}
    const store = memoryLeases();
    const options = { store, key: "a", ttlMs: 300 };
    const stuck = { ...store, renew: async () => { throw new Error("no"); } };
    for (const name of ["tryAcquire", "release", "watch"]) stuck[name] = store[name].bind(store);
    stuck.name = "stuck";
    await acquireLease({ ...options, store: stuck });
    const second = await acquireLease(options);
    console.log(JSON.stringify(String(second.epoch)));`;
  expect(await runNode(script)).toBe("2");
});

test("a process that has given up waiting for an answer ends, though none has come", async () => {
  const script = `${IMPORT}
    const store = memoryLeases();
    const deaf = { ...store, name: "deaf", tryAcquire: () => new Promise(() => {}) };
    for (const name of ["renew", "release", "watch"]) deaf[name] = store[name].bind(store);
    const controller = new AbortController();
    const options = { store: deaf, key: "a", ttlMs: 2_000_000_000, signal: controller.signal };
    const acquiring = acquireLease({ ...options, timeoutMs: Infinity }).catch((error) => error.name);
    controller.abort();
    console.log(JSON.stringify(await acquiring));`;
  expect(await runNode(script)).toBe("AbortError");
});
