// One of the processes that fight for a lock. Arguments: a JSON task. Says "ready", works through its rounds
// and ends with one JSON line. The oracle is outside of the lock code: a kernel lock of its own, held
// from right after the acquisition until right before the release, and a counter that is read and written
// back, so that two writers at once lose an update.
import { openSync, readFileSync, writeSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

import { loadNative } from "../../dist/native/load.js";
import {
  acquireSessionWriteLock,
  describeSessionLockFailure,
} from "../../dist/session-lock/index.js";

const task = JSON.parse(process.argv[2]);
const { binding } = loadNative();
const oracle = openSync(task.oracle, "r+");
const counter = openSync(task.counter, "r+");
const report = { acquired: 0, overlaps: 0, written: 0, refused: 0, lost: 0, errors: [] };

process.stdout.write("ready\n");
for (let round = 0; round < task.rounds; round++) {
  let lock;
  try {
    lock = await acquireSessionWriteLock({
      sessionFile: task.sessionFile,
      timeoutMs: task.timeoutMs,
      maxHoldMs: task.maxHoldMs,
      isOwnerArgv: () => true,
    });
  } catch (error) {
    report.errors.push(String(error));
    continue;
  }
  report.acquired++;
  await (task.mode === "overdue" ? holdTooLong(lock) : hold(lock));
  await delay(Math.random() * task.pauseMs);
}
process.stdout.write(`${JSON.stringify(report)}\n`);

function readCounter() {
  return Number(readFileSync(task.counter, "utf8"));
}

/** In place and in one call: a process killed between truncating and writing would lose them all. */
function writeCounter(value) {
  writeSync(counter, String(value).padEnd(12), 0);
}

/**
 * Enters the oracle. A process that is being killed lets go of its descriptors in an order that nobody
 * promises, the lock's perhaps before the oracle's: only an occupant that goes on living is an overlap.
 */
async function enterOracle() {
  for (let patience = 0; binding.lockTryExclusive(oracle) !== 0; patience++) {
    const occupant = Number(readFileSync(task.oracle, "utf8"));
    if (patience === 100 || !isDying(occupant)) {
      report.overlaps++;
      return;
    }
    await delay(1);
  }
  writeSync(oracle, String(process.pid).padEnd(10), 0);
}

/** Killed, but not yet gone: only those who could not answer any more. */
function isDying(pid) {
  const status = readIfThere(`/proc/${pid}/status`);
  if (status === "" || /^State:\s+[ZX]/mu.test(status)) return true;
  // SIGKILL is bit 8 of the pending signals; PF_EXITING is bit 2 of the flags in stat's ninth field.
  const pending = /^(?:ShdPnd|SigPnd):\s+([0-9a-f]+)$/gmu;
  const isKilled = [...status.matchAll(pending)].some(
    ([, mask]) => (BigInt(`0x${mask}`) & 256n) !== 0n,
  );
  const flags = Number(
    readIfThere(`/proc/${pid}/stat`)
      .replace(/^.*\) /u, "")
      .split(" ")[6] ?? 0,
  );
  return isKilled || (flags & 4) !== 0;
}

function readIfThere(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

async function hold(lock) {
  await enterOracle();
  const before = readCounter();
  if (Math.random() < 0.3) await delay(Math.random() * task.pauseMs);
  if (task.mode === "abandon" && Math.random() < task.abandonShare) {
    // Not even a chance to tidy up. The update was not written, so it is not missed.
    process.stdout.write(`${JSON.stringify(report)}\n`);
    process.kill(process.pid, "SIGKILL");
  }
  writeCounter(before + 1);
  report.written++;
  if (task.mode === "killed" || task.mode === "stopped") process.stdout.write("+");
  binding.lockRelease(oracle);
  await lock.release();
}

/** Stays beyond its own limit now and then; only what passes the fence may be written. */
async function holdTooLong(lock) {
  const isLate = Math.random() < 0.5;
  if (isLate) await delay(task.maxHoldMs * (0.8 + Math.random()));
  try {
    lock.withFence(() => {
      if (binding.lockTryExclusive(oracle) !== 0) report.overlaps++;
      writeCounter(readCounter() + 1);
      report.written++;
      binding.lockRelease(oracle);
    });
  } catch (error) {
    const kind = describeSessionLockFailure(error)?.kind;
    if (kind !== "lost" && kind !== "timeout") throw error;
    // A timeout is a guard that stayed busy: nothing was written, and the lock may still be ours.
    report.refused++;
    if (kind === "lost" && !lock.lost.aborted) report.errors.push("lost without the signal");
  }
  await lock.release();
}
