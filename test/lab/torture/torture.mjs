// Eight processes fight for one lock in every way that has ever broken one: `npm run torture`.
//
//   node test/lab/torture/torture.mjs [--mode NAME]... [--acquisitions N] [--processes N] [--directory DIR] [--json]
//
// Modes: plain, abandon (holders die without releasing), overdue (holders outlive their limit), killed
// (SIGKILL at random instants), stopped (SIGSTOP at random instants, then SIGCONT or SIGKILL),
// stopped-inside (SIGSTOP inside the guard: in the middle of a reclaim, of a release or of a fenced write).
// --acquisitions is for each mode. Ends with one line per mode, or one JSON document, and exit code 1 when
// anything illegal happened. A reclaim is an acquisition that removed another's lock.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { fileSystemOf } from "../../../build/modules/lock/protocol/file-system-kind.js";
import { guardsOf, hasInodeGuards } from "../../../build/modules/lock/protocol/guard.js";
import { tryEnterGuardFile } from "../../../build/modules/lock/protocol/guard-file.js";
import { tryEnterInode } from "../../../build/modules/lock/protocol/guard-inode.js";
import { parsePayload } from "../../../build/modules/lock/protocol/payload.js";
import { cleanStaleLockFiles } from "../../../build/modules/session-lock/index.js";
import { realLockFs } from "../../../build/modules/lock/protocol/lock-fs.js";

const SIGNAL_MODES = ["abandon", "killed", "stopped", "stopped-inside"];
const MODES = ["plain", "overdue", ...(process.platform === "win32" ? [] : SIGNAL_MODES)];
const CONTENDER = fileURLToPath(new URL("contender.mjs", import.meta.url));

const { values } = parseArgs({
  options: {
    mode: { type: "string", multiple: true, default: MODES },
    acquisitions: { type: "string", default: "10000" },
    processes: { type: "string", default: "8" },
    directory: { type: "string", default: tmpdir() },
    json: { type: "boolean", default: false },
  },
});
const acquisitions = positiveInteger("acquisitions");
const processes = positiveInteger("processes");
const results = [];
for (const mode of values.mode) {
  if (!MODES.includes(mode))
    throw new RangeError(`--mode must be one of ${MODES.join(", ")}: ${mode}`);
  const folder = mkdtempSync(join(values.directory, "pidentity-torture-"));
  try {
    const result = await torture(mode, folder);
    results.push(result);
    if (!values.json) print(result);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
const failed = results.filter(({ illegal }) => illegal.length > 0).length;
const passed = results.length - failed;
const sum = (key) => results.reduce((total, result) => total + result[key], 0);
const total = { acquired: sum("acquired"), reclaimed: sum("reclaimed"), seconds: sum("seconds") };
if (values.json) {
  console.log(JSON.stringify({ modes: results, total, passed, failed }, null, 2));
} else {
  console.log(
    `total: ${total.acquired} acquisitions, ${total.reclaimed} reclaims, ${total.seconds.toFixed(1)} s`,
  );
  console.log(`${passed} passed, ${failed} failed`);
}
process.exitCode = failed === 0 ? 0 : 1;

function positiveInteger(option) {
  const value = Number(values[option]);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new RangeError(`--${option} must be an integer > 0: ${values[option]}`);
}

function print({ mode, acquired, reclaimed, deaths, written, refused, stops, seconds, illegal }) {
  const stopped = Object.entries(stops).map(([where, count]) => `${count} in a ${where}`);
  console.log(
    `${mode}: ${acquired} acquisitions, ${reclaimed} reclaims, ${deaths} holders or waiters died, ` +
      `${written} written, ${refused} late writes refused, ` +
      `${stopped.length === 0 ? "" : `stopped ${stopped.join(", ")}, `}${seconds.toFixed(1)} s`,
  );
  for (const complaint of illegal) console.log(`  ILLEGAL ${complaint}`);
}

/** Lets the contenders fight until so many have acquired; says what happened, and what must not. */
async function torture(mode, folder) {
  const started = performance.now();
  const task = {
    mode,
    sessionFile: join(folder, "sessions", "s.jsonl"),
    counter: join(folder, "counter"),
    oracle: join(folder, "oracle"),
    holders: join(folder, "holders"),
    timeoutMs: 60_000,
    maxHoldMs: mode === "overdue" ? 25 : 300_000,
    pauseMs: 2,
    abandonShare: mode === "abandon" ? 0.15 : 0,
    // Reclaims are rare here: only those who are killed while they are stopped leave a lock behind.
    stopShare: { reclaim: 0.5, release: 0.03, fence: 0.05 },
    rounds: 0,
  };
  writeFileSync(task.counter, "0");
  writeFileSync(task.oracle, "");
  mkdirSync(task.holders);

  const tally = newTally();
  const illegal = [];
  let left = acquisitions;
  const slots = Array.from({ length: processes }, () => ({ child: null }));
  const onStopped = async (child, where) => {
    tally.stops[where] = (tally.stops[where] ?? 0) + 1;
    illegal.push(...(await watchStopped(child, where, task)));
  };
  const runSlot = async (slot) => {
    while (left > 0) {
      const rounds = Math.min(left, Math.ceil(acquisitions / processes));
      left -= rounds;
      const attempts = await runContender({ ...task, rounds }, slot, tally, onStopped);
      // One that died before its first attempt counts as one, or this might never end.
      left += rounds - Math.max(1, attempts);
    }
  };
  const tormentor = { over: false };
  const tormenting = torment(task, slots, tormentor);
  // A slot may end because all the rest is with others, one of which then dies: another round for that.
  while (left > 0) await Promise.all(slots.map(runSlot));
  tormentor.over = true;
  await tormenting;

  const counter = Number(readFileSync(task.counter, "utf8"));
  // A last contender shows that nothing is wedged; a sweep clears what the dead left.
  const last = newTally();
  const unharmed = { ...task, mode: "plain", abandonShare: 0, rounds: 1, timeoutMs: 5000 };
  await runContender(unharmed, {}, last, onStopped);
  const sessionsDir = join(folder, "sessions");
  // Where a lock is its own guard a crash leaves nothing behind: there is nothing to be swept.
  const beside = readdirSync(sessionsDir);
  if (hasInodeGuards(process.platform, kindOf(sessionsDir)) && beside.length > 0) {
    illegal.push(`left behind: ${beside.join(", ")}`);
  }
  await cleanStaleLockFiles({ sessionsDir, nowMs: Date.now() + 3_600_000 });
  if (tally.overlaps > 0) {
    illegal.push(`${tally.overlaps} overlapping holds, the last ${tally.lastOverlap}`);
  }
  // A process killed between its write and its word for it has written one more than it said.
  const unreported = mode === "killed" || mode === "stopped" ? tally.deaths : 0;
  if (counter < tally.written || counter > tally.written + unreported) {
    illegal.push(`${tally.written} updates written, ${counter} found`);
  }
  if (last.acquired !== 1) illegal.push(`wedged: ${last.errors.join()}`);
  const leftover = readdirSync(sessionsDir);
  if (leftover.length > 0) illegal.push(`left over after a sweep: ${leftover.join(", ")}`);
  illegal.push(...tally.errors.slice(0, 5));
  const { errors: _errors, lastOverlap: _last, ...counts } = tally;
  return { mode, ...counts, seconds: (performance.now() - started) / 1000, illegal };
}

function newTally() {
  return {
    acquired: 0,
    reclaimed: 0,
    written: 0,
    refused: 0,
    overlaps: 0,
    lastOverlap: "",
    deaths: 0,
    stops: {},
    errors: [],
  };
}

/** Runs one contender to its end and counts what it tells. Returns how often it tried to acquire. */
async function runContender(task, slot, tally, onStopped) {
  const child = spawn(process.execPath, [CONTENDER, JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  slot.child = child;
  const closed = once(child, "close");
  let attempts = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [word, ...rest] = line.split(" ");
    if (word === "acquired" || word === "error") attempts++;
    if (word === "acquired") tally.acquired++;
    else if (word === "reclaimed") tally.reclaimed++;
    else if (word === "written") tally.written++;
    else if (word === "refused") tally.refused++;
    else if (word === "overlap") {
      tally.overlaps++;
      tally.lastOverlap = rest.join(" ");
    } else if (word === "stopping") await onStopped(child, rest.join(" "));
    else tally.errors.push(rest.join(" "));
  }
  const [code, signal] = await closed;
  slot.child = null;
  // Its pid may be another's soon.
  rmSync(join(task.holders, String(child.pid)), { force: true });
  if (signal === "SIGKILL") tally.deaths++;
  else if (code !== 0) tally.errors.push(`a contender ended with ${code ?? signal}`);
  return attempts;
}

/**
 * One has stopped itself inside the guard. While it stands there the guard is shut, the lock that it is about to
 * remove or to write under stays what it is, and nobody writes. Then it goes on, or dies.
 */
async function watchStopped(child, where, task) {
  const complaints = [];
  const lockPath = `${task.sessionFile}.lock`;
  const look = () => {
    const lock = readFileSync(lockPath, "utf8");
    const guard = lookIntoGuard(lockPath, lock);
    return JSON.stringify([guard, lock, readFileSync(task.counter, "utf8")]);
  };
  const deadline = performance.now() + 10_000;
  while (!isStopped(child.pid)) {
    if (performance.now() > deadline) return [`not stopped in a ${where}`];
    await delay(1);
  }
  try {
    const before = look();
    if (!before.startsWith('["busy"')) complaints.push(`the guard is open during a ${where}`);
    await delay(5 + Math.random() * 100);
    const after = look();
    if (after !== before) {
      complaints.push(`changed while one was stopped in a ${where}: ${before} -> ${after}`);
    }
  } catch (error) {
    complaints.push(`gone while one was stopped in a ${where}: ${String(error)}`);
  }
  child.kill(Math.random() < 0.5 ? "SIGKILL" : "SIGCONT");
  return complaints;
}

/** What a process finds that comes to remove the lock: "busy", or "entered" if none is inside. */
function lookIntoGuard(lockPath, text) {
  const payload = parsePayload(Buffer.from(text));
  if (guardsOf(payload, kindOf(dirname(lockPath)), process.platform) === "file") {
    const guard = tryEnterGuardFile(lockPath, realLockFs);
    if (guard.kind === "entered") guard.leave();
    return guard.kind;
  }
  const fd = realLockFs.openForReading(lockPath);
  try {
    return tryEnterInode(lockPath, fd, realLockFs).kind;
  } finally {
    realLockFs.close(fd);
  }
}

function kindOf(directory) {
  const type = process.platform === "win32" ? 0 : realLockFs.fileSystemType(directory);
  return fileSystemOf(process.platform, type, directory).kind;
}

function isStopped(pid) {
  if (process.platform === "linux") {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.charAt(stat.lastIndexOf(")") + 2) === "T";
  }
  const { stdout } = spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" });
  return stdout.startsWith("T");
}

/** Kills or stops one after the other, at random instants; every other time the one that holds the lock. */
async function torment({ mode, sessionFile }, slots, tormentor) {
  if (mode !== "killed" && mode !== "stopped") return;
  while (!tormentor.over) {
    await delay(40 + Math.random() * 40);
    const isHolder = Math.random() < 0.5;
    const holder = isHolder ? holderOf(sessionFile) : null;
    const child = isHolder
      ? slots.find((slot) => slot.child?.pid === holder)?.child
      : slots[Math.floor(Math.random() * slots.length)].child;
    if (child == null || child.exitCode !== null) continue;
    if (mode === "killed") {
      child.kill("SIGKILL");
      continue;
    }
    child.kill("SIGSTOP");
    await delay(Math.random() * 120);
    child.kill(Math.random() < 0.3 ? "SIGKILL" : "SIGCONT");
  }
}

function holderOf(sessionFile) {
  try {
    return JSON.parse(readFileSync(`${sessionFile}.lock`, "utf8")).pid;
  } catch {
    return null;
  }
}
