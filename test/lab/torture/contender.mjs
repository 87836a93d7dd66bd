// One of the processes that fight for a lock. Arguments: a JSON task. Tells what happens the moment it
// happens, one word per line, so that nothing is lost when it is killed: "acquired", "reclaimed" (it
// removed another's lock on the way), "written", "refused" (a late write), "overlap <with whom>", "stopping <where>",
// "error <message>". The oracle is outside of the lock code: a kernel lock of its own, held from right after
// the acquisition until right before the release, and a counter that is read and written back, so that two
// writers at once lose an update.
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { loadNative } from "../../../build/modules/native/load.js";
import { acquireLock, acquireLockAtOnce } from "../../../build/modules/lock/acquire.js";
import { resolveAcquireOptions } from "../../../build/modules/session-lock/acquire-options.js";
import { describeSessionLockFailure } from "../../../build/modules/session-lock/index.js";
import { realLockFs } from "../../../build/modules/lock/protocol/lock-fs.js";

const task = JSON.parse(process.argv[2]);
const lockName = `${basename(task.sessionFile)}.lock`;
const { binding } = loadNative();
let oracle = openSync(task.oracle, "r+");
const ownName = join(task.holders, String(process.pid));
const counter = openSync(task.counter, "r+");
// Whose lock it is that is being removed: another's while acquiring, one's own afterwards.
let doing = "reclaim";
let hasReclaimed = false;

/** The real calls, with an eye on the one by which a lock's name goes; it is made inside the guard. */
const fs = {
  ...realLockFs,
  unlink: (path) => remove(path, () => realLockFs.unlink(path)),
  rename: (path, aside) => remove(path, () => realLockFs.rename(path, aside)),
};

const HOLDS = {
  plain: hold,
  abandon: hold,
  killed: hold,
  stopped: hold,
  overdue: holdTooLong,
  "stopped-inside": holdFenced,
};

for (let round = 0; round < task.rounds; round++) {
  // Both forms of the protocol fight for the same lock.
  const isAtOnce = Math.random() < 0.4;
  let lock;
  try {
    doing = "reclaim";
    hasReclaimed = false;
    const plan = resolveAcquireOptions({
      sessionFile: task.sessionFile,
      timeoutMs: task.timeoutMs,
      maxHoldMs: task.maxHoldMs,
      isOwnerArgv: () => true,
    });
    lock = isAtOnce ? acquireLockAtOnce(plan, fs) : await acquireLock(plan, fs);
  } catch (error) {
    tell(`error ${String(error).replaceAll("\n", " ")}`);
    continue;
  }
  doing = "release";
  tell("acquired");
  // Not where it happens, inside the guard, where every moment more makes others wait.
  if (hasReclaimed) tell("reclaimed");
  await HOLDS[task.mode](lock);
  if (isAtOnce) lock.releaseSync();
  else await lock.release();
  await delay(Math.random() * task.pauseMs);
}

function tell(what) {
  writeSync(1, `${what}\n`);
}

function remove(path, call) {
  const isLock = basename(path) === lockName;
  if (isLock) maybeStop(doing);
  call();
  if (isLock && doing === "reclaim") hasReclaimed = true;
}

/** Inside the guard, where nobody else can do anything until somebody continues or kills us. */
function maybeStop(where) {
  if (task.mode !== "stopped-inside" || Math.random() >= task.stopShare[where]) return;
  tell(`stopping ${where}`);
  process.kill(process.pid, "SIGSTOP");
}

function readCounter() {
  return Number(readFileSync(task.counter, "utf8"));
}

/** In place and in one call: a process killed between truncating and writing would lose them all. */
function writeCounter(value) {
  writeSync(counter, String(value).padEnd(12), 0);
  tell("written");
}

/**
 * Enters the oracle. A process that is being killed lets go of its descriptors in an order that the kernel does not
 * promise, the lock's perhaps before the oracle's: only a holder that goes on living is an overlap. So each gives its name
 * before it takes the oracle, and until it has let go of it: a name that were written afterwards would be missing, and
 * another one there, if its process was killed in between.
 */
async function enterOracle() {
  writeFileSync(ownName, "");
  maybeDie();
  for (let patience = 0; binding.lockTryExclusive(oracle) !== 0; patience++) {
    const living = otherHolders().filter((pid) => !isDying(pid));
    if (patience === 100 || living.length > 0) {
      tell(`overlap with ${living.map(describe).join(", ") || "one that has no name"}`);
      return;
    }
    await delay(1);
  }
  maybeDie();
}

/** The kernel lock goes with its descriptor. */
function leaveOracle() {
  closeSync(oracle);
  unlinkSync(ownName);
  oracle = openSync(task.oracle, "r+");
}

function otherHolders() {
  return readdirSync(task.holders)
    .map(Number)
    .filter((pid) => pid !== process.pid);
}

function describe(pid) {
  const facts = readIfThere(`/proc/${pid}/status`).match(/^(?:State|SigPnd|ShdPnd):.*$/gmu) ?? [];
  return `${pid} (${facts.join(", ").replaceAll("\t", " ")})`;
}

/** Not even a chance to tidy up. An update that was not written is not missed. */
function maybeDie() {
  if (Math.random() < task.abandonShare / 3) process.kill(process.pid, "SIGKILL");
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

async function hold() {
  await enterOracle();
  const before = readCounter();
  if (Math.random() < 0.3) await delay(Math.random() * task.pauseMs);
  maybeDie();
  writeCounter(before + 1);
  leaveOracle();
}

/** Stays beyond its own limit now and then; only what passes the fence may be written. */
async function holdTooLong(lock) {
  const isLate = Math.random() < 0.5;
  if (isLate) await delay(task.maxHoldMs * (0.8 + Math.random()));
  try {
    lock.withFence(() => {
      writeFileSync(ownName, "");
      if (binding.lockTryExclusive(oracle) !== 0) tell(`overlap with ${otherHolders().join(", ")}`);
      writeCounter(readCounter() + 1);
      leaveOracle();
    });
  } catch (error) {
    tellRefusal(error, lock);
  }
}

/** The fence may refuse, but only because the lock is lost, or because somebody stays in its guard. */
function tellRefusal(error, lock) {
  const kind = describeSessionLockFailure(error)?.kind;
  if (kind !== "lost" && kind !== "timeout") throw error;
  // After a timeout nothing was written, and the lock may still be ours.
  tell("refused");
  if (kind === "lost" && !lock.lost.aborted) tell("error lost without the signal");
}

/** May be stopped in the middle of its fenced write, and again in the middle of its release. */
async function holdFenced(lock) {
  await enterOracle();
  try {
    lock.withFence(() => {
      const before = readCounter();
      maybeStop("fence");
      writeCounter(before + 1);
    });
  } catch (error) {
    tellRefusal(error, lock);
  }
  leaveOracle();
}
