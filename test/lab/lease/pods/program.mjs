// What runs in a pod: a gateway that takes its sessions, writes numbered lines into them, and ends when it loses one.
//
// It is what a real one has to be:
// - It asks before each line (assertHeld) and writes inside the fence (withFence).
// - It believes a line to be stored, and says so (`ack`), when the write has returned.
// - A predecessor that was killed in the middle of a line has left half of it at the file's end, which no process was
//   told of: it is cut off, inside the fence, before the first line is written.
// - Once a session is lost it ends, as a whole, and lets its orchestrator start another.
//
// Its log, in a folder that outlives it, each line one write, which a SIGKILL does not tear; times by CLOCK_MONOTONIC:
//   begin <session> <epoch> <ns>      it has the session
//   cut <session> <epoch> <bytes>     of half a line
//   ack <session> <epoch> <count>
// On its standard output: `ready`, `begin <session>`, and why it ends: `lost <session> …`, `failed …`; `state …` when it is
// asked by SIGUSR2 what it is doing.
import { Buffer } from "node:buffer";
import { fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import {
  acquireSessionWriteLock,
  cleanStaleLockFiles,
} from "../../../../dist/session-lock/index.js";

const task = JSON.parse(process.argv[2]);
const { name, directory, sessions, ttlMs, arm, generation } = task;
const { open } = await import(`../open-${task.engine}.mjs`);
const opened = await open({ host: task.host, port: task.port });
const lastOf = new Map();
const store = told(opened.store);
process.on("SIGUSR2", tellState);
const log = openSync(join(task.logs, name), "a");

const clock = () => process.hrtime.bigint();
const note = (...words) => writeSync(log, `${words.join(" ")}\n`);
const tell = (...words) => writeSync(1, `${words.join(" ").replaceAll("\n", " | ")}\n`);

/** More than a line's length. */
const TAIL_BYTES = 4096;
const rest = new Int32Array(new SharedArrayBuffer(4));

const NO_LOCK = {
  lost: new EventTarget(),
  assertHeld: () => {},
  withFence: (write) => write(),
  release: async () => {},
};

let isEnding = false;
const held = [];
process.on("SIGTERM", async () => {
  isEnding = true;
  await Promise.all(held.map((lock) => lock.release()));
  process.exit(0);
});

// As every gateway does at its start; the locks of living ones are none of its business.
if (arm !== "no-lock") await cleanStaleLockFiles({ sessionsDir: directory, env: {} });
tell("ready");
await Promise.all(
  sessions.map(async (session) => {
    try {
      await serve(session);
    } catch (error) {
      if (isEnding) return;
      tell(isLoss(error) ? "lost" : "failed", session, error.stack);
      process.exit(1);
    }
  }),
);

/** The store, and of each session what was asked or answered last, for the question what a pod waits for. */
function told(real) {
  const asked =
    (question) =>
    async (subject, ...others) => {
      const session = basename(subject.key);
      const remember = (what) => lastOf.set(session, { what, at: performance.now() });
      remember(`${question} is asked`);
      try {
        const answer = await real[question](subject, ...others);
        remember(`${question} answered ${JSON.stringify(answer, plain)}`);
        return answer;
      } catch (error) {
        remember(`${question} failed: ${error.message}`);
        throw error;
      }
    };
  return {
    name: real.name,
    tryAcquire: asked("tryAcquire"),
    renew: asked("renew"),
    release: asked("release"),
    watch: (...args) => real.watch(...args),
  };
}

function tellState() {
  const states = Array.from(lastOf, ([session, { what, at }]) => {
    return `${session}: ${what}, ${Math.round(performance.now() - at)} ms ago`;
  });
  tell("state", states.join("; "));
}

function plain(_key, value) {
  return typeof value === "bigint" ? String(value) : value;
}

function isLoss({ code }) {
  return code === "SESSION_WRITE_LOCK_LOST";
}

async function serve(session) {
  const file = join(directory, session);
  const lock = await take(file);
  if (isEnding) return lock.release();
  held.push(lock);
  lock.lost.addEventListener("abort", () => {
    if (isEnding) return;
    tell("lost", session, String(lock.lost.reason));
    process.exit(1);
  });
  const epoch = String(lock.lease?.epoch ?? generation);
  const fd = openSync(file, "a+");
  let line = fenced(lock, () => {
    const { bytes, last } = cutHalfLine(fd);
    if (bytes > 0) note("cut", session, epoch, bytes);
    return last;
  });
  note("begin", session, epoch, clock());
  tell("begin", session);
  for (let count = 1; !isEnding; count++) {
    line++;
    fenced(lock, () => {
      const asked = clock();
      lock.assertHeld();
      append(fd, `${JSON.stringify({ line, epoch, count, pod: name, asked: String(asked) })}\n`);
    });
    note("ack", session, epoch, count);
    await delay(5 + Math.random() * 50);
  }
}

/** The lock with its lease; for the harness's own proof less of it. */
function take(sessionFile) {
  // What is waited for is an end that may never be seen: the mover has its own limit.
  const options = { sessionFile, env: {}, timeoutMs: 600_000 };
  if (arm === "no-lock") return NO_LOCK;
  if (arm === "no-lease") return acquireSessionWriteLock(options);
  return acquireSessionWriteLock({ ...options, lease: { store, ttlMs } });
}

/** Another process looks at the lock just now: it is in the guard for microseconds, or stopped in there. */
function fenced(lock, write) {
  for (;;) {
    try {
      return lock.withFence(write);
    } catch (error) {
      if (error.code !== "SESSION_WRITE_LOCK_TIMEOUT") throw error;
    }
  }
}

/**
 * Where the volume passes the fence's guard on, some lines in several writes with time between them, as a slow disk
 * takes it: so that kills and stops find half a line. Where it does not, a line is one write, which is there or not.
 */
function append(fd, text) {
  const bytes = Buffer.from(text);
  if (!task.isFenceShared || Math.random() < 0.7) {
    writeAll(fd, bytes);
    return;
  }
  const middle = 1 + Math.floor(Math.random() * (bytes.length - 1));
  writeAll(fd, bytes.subarray(0, middle));
  Atomics.wait(rest, 0, 0, 1 + Math.random() * 3);
  writeAll(fd, bytes.subarray(middle));
}

function writeAll(fd, bytes) {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
}

/** @returns how many bytes were cut off, and the number of the last line that is left */
function cutHalfLine(fd) {
  const { size } = fstatSync(fd);
  const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
  for (let done = 0; done < tail.length;) {
    const read = readSync(fd, tail, done, tail.length - done, size - tail.length + done);
    if (read === 0) throw new Error("the file was shortened while it was read");
    done += read;
  }
  const end = tail.lastIndexOf("\n") + 1;
  const bytes = tail.length - end;
  if (bytes > 0) ftruncateSync(fd, size - bytes);
  if (end === 0) return { bytes, last: 0 };
  const start = tail.lastIndexOf("\n", end - 2) + 1;
  return { bytes, last: JSON.parse(tail.toString("utf8", start, end)).line };
}
