// Fills a sessions directory with every kind of lock there is, made by real processes that end as real ones
// do. Uses nothing but the installed package.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

import { getProcessStartTime, identifyProcess } from "pidentity";

const SELF = fileURLToPath(import.meta.url);
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/**
 * Makes them.
 *
 * @param {string} folder - An empty directory.
 * @param {import("node:child_process").ChildProcess[]} children - Gets the processes that it starts, also when
 *   it fails; see {@link endAll}.
 */
export async function makeEveryLock(folder, children) {
  const startChild = async (...args) => {
    const child = spawn(process.execPath, [SELF, ...args], { stdio: ["pipe", "pipe", "inherit"] });
    children.push(child);
    // Its first line says that it is what it shall be.
    const ready = await new Promise((resolve) => {
      child.stdout.once("data", () => resolve(true));
      child.once("close", () => resolve(false));
    });
    if (!ready) throw new Error(`ended before it was ready: ${args.join(" ")}`);
    return child;
  };
  const sessionFile = (session) => join(folder, `${session}.jsonl`);
  const lockOf = (session) => `${sessionFile(session)}.lock`;
  const date = (path, ageMs) => {
    const then = new Date(Date.now() - ageMs);
    utimesSync(path, then, then);
  };
  /** A lock as other programs write it; `starttime` in the unit that all writers share. */
  const writePlain = (session, { pid, ageMs = 0, ...fields }) => {
    const createdAt = new Date(Date.now() - ageMs).toISOString();
    writeFileSync(
      lockOf(session),
      JSON.stringify({ pid, createdAt, maxHoldMs: 300_000, ...fields }),
    );
    date(lockOf(session), ageMs);
  };

  await startChild("hold", sessionFile("held"));
  const { pid: owner } = await startChild("idle");
  const starttime = getProcessStartTime(owner);

  const ended = await startChild("idle");
  await end(ended);
  const crashed = await startChild("hold", sessionFile("crashed"));
  await end(crashed);
  // The process lives on, the thread that held the lock does not.
  await startChild("let-go", sessionFile("let-go"));

  writePlain("plain-alive", { pid: owner, starttime });
  writePlain("plain-dead", { pid: ended.pid, ageMs: 2 * HOUR_MS });
  writePlain("old-but-alive", { pid: owner, starttime, ageMs: 3 * DAY_MS + HOUR_MS });
  writePlain("recycled", { pid: owner, starttime: earlier(starttime), ageMs: 20 * MINUTE_MS });
  writePlain("foreign", { pid: owner, ageMs: 10 * MINUTE_MS });
  writePlain("undated", { pid: owner, starttime, createdAt: "yesterday" });

  // The token of a process of another machine. On a disk of this one such a lock's owner is gone, unless it is
  // not even known that it was of another boot.
  const [version, platform, , , , ...process_] = identifyProcess(owner).split(".");
  const elsewhere = [version, platform, "0".repeat(16), "0".repeat(8), "-", ...process_];
  const token = elsewhere.join(".");
  writePlain("elsewhere", { pid: owner, ageMs: 5 * MINUTE_MS, owner: token, nonce: "1" });
  writePlain("elsewhere-old", { pid: owner, ageMs: 2 * HOUR_MS, owner: token, nonce: "2" });
  writePlain("from-the-future", { pid: owner, ageMs: MINUTE_MS, owner: "pi9.new", nonce: "3" });

  writeFileSync(lockOf("half-written"), '{"pid":');
  writeFileSync(lockOf("torn"), '{"pid":');
  date(lockOf("torn"), HOUR_MS);
  writeFileSync(lockOf("too-large"), "x".repeat(70_000));
  mkdirSync(lockOf("no-file"));

  // What crashes in the middle of taking and removing a lock leave behind.
  for (const leftover of [`${"0".repeat(32)}.tmp`, `${"1".repeat(32)}.gone`, "guard"]) {
    const path = `${lockOf("leftover")}.${leftover}`;
    writeFileSync(path, "");
    date(path, HOUR_MS);
  }
}

/** Ends the processes that hold locks. */
export async function endAll(children) {
  await Promise.all(children.map(end));
}

/** A start time that is not this one, in any platform's unit. */
function earlier(starttime) {
  return Math.max(1, Math.floor(starttime * 0.9));
}

async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, "close");
  child.kill("SIGKILL");
  await closed;
}

/** What a child process of {@link makeEveryLock} does. */
async function beChild(task, file) {
  if (task === "hold") {
    await hold(file);
  } else if (task === "let-go") {
    await letGo(file);
  }
  console.log("ready");
  process.stdin.resume();
}

/** A worker takes the lock and is terminated. */
async function letGo(file) {
  const worker = new Worker(new URL(import.meta.url), { workerData: file });
  await once(worker, "message");
  await worker.terminate();
  const { pid } = JSON.parse(readFileSync(`${file}.lock`, "utf8"));
  if (pid !== process.pid) throw new Error(`the worker did not hold it: ${pid}`);
}

async function beWorker() {
  await hold(workerData);
  // A port has no origin, other than a window.
  // eslint-disable-next-line unicorn/require-post-message-target-origin
  parentPort.postMessage("held");
  // A worker with nothing left to do would end by itself, and release the lock.
  setInterval(() => {}, 1000);
}

async function hold(sessionFile) {
  const { acquireSessionWriteLock } = await import("pidentity/session-lock");
  await acquireSessionWriteLock({ sessionFile });
}

if (!isMainThread) await beWorker();
else if (process.argv[1] === SELF) await beChild(...process.argv.slice(2));
