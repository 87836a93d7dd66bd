/**
 * A sessions directory as real life leaves it, and one sweep over it. Needs no root; `npm run demo`.
 *
 * Every lock is written by a real child process, which then lives on, or is killed as a crash would. Then
 * cleanStaleLockFiles judges them. Each verdict is compared with what it has to be: exit code 1 when
 * one is different, or when the sweep held the event loop.
 */
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";

import { processIo } from "../../../build/modules/cli/terminal/io.js";
import { whyKept, whyRemoved } from "../../../build/modules/cli/locks/describe.js";
import { formatTable } from "../../../build/modules/cli/terminal/table.js";
import { nativeStatus } from "../../../build/modules/index.js";
import { cleanStaleLockFiles } from "../../../build/modules/session-lock/index.js";
import { kill, killAll, startProgram, startWriter } from "./children.mjs";

const CROWD = 1000;
const HOUR_MS = 3_600_000;

const sessionsDir = realpathSync(mkdtempSync(join(tmpdir(), "pidentity-demo-")));
async function tidyUp() {
  await killAll();
  rmSync(sessionsDir, { recursive: true, force: true, maxRetries: 5 });
}

async function demonstrate() {
  const { backend, error } = nativeStatus();
  if (backend !== "native") {
    console.error(`the demo needs the addon, run npm run build first: ${error?.message}`);
    return 1;
  }
  const cases = [];
  for (const arrange of ARRANGEMENTS) cases.push(await arrange());
  const crowd = await arrangeCrowd();
  for (const { justBefore } of cases) justBefore?.();

  const { result, sweepMs, cpuMs, worstDelayMs, turns } = await sweepWatched();

  const { stdout } = processIo();
  stdout.write(
    formatTable(
      [
        { title: "SESSION" },
        { title: "WHAT WE DID" },
        { title: "VERDICT" },
        { title: "LOCK" },
        { title: "WHY", shrinkTo: 8 },
      ],
      cases.map(({ session, story }) => row(session, story, judged(result, session))),
      stdout,
    ),
  );
  const crowdLocks = result.locks.filter(({ lockPath }) => basename(lockPath).startsWith(crowd));
  console.log(
    `\nand ${crowdLocks.length} more locks of one killed process: ` +
      `${crowdLocks.filter(({ removed }) => removed).length} removed`,
  );
  const { total, stale, removed, kept } = result.counts;
  console.log(`${total} locks, ${stale} stale, ${removed} removed, ${kept} kept`);
  console.log(
    `sweep: ${sweepMs.toFixed(0)} ms, ${turns} turns of the event loop, its worst delay ` +
      `${worstDelayMs.toFixed(1)} ms`,
  );

  const faults = [
    ...cases.flatMap((each) => compare(each, judged(result, each.session))),
    ...compareCrowd(crowdLocks),
    ...findLitter(cases),
    ...compareTurns(cpuMs, turns),
  ];
  for (const fault of faults) console.error(`not as expected: ${fault}`);
  if (faults.length === 0) console.log("every verdict is as it has to be");
  return faults.length === 0 ? 0 : 1;
}

/** Runs the sweep while a timer keeps asking how late it is, and counts the event loop's turns. */
async function sweepWatched() {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  let turns = 0;
  let isOver = false;
  const countTurn = () => {
    turns++;
    if (!isOver) setImmediate(countTurn);
  };
  delay.enable();
  setImmediate(countTurn);
  const start = performance.now();
  const cpuStart = process.cpuUsage();
  const result = await cleanStaleLockFiles({ sessionsDir, env: {} });
  const { user, system } = process.cpuUsage(cpuStart);
  const sweepMs = performance.now() - start;
  isOver = true;
  delay.disable();
  return { result, sweepMs, cpuMs: (user + system) / 1e3, worstDelayMs: delay.max / 1e6, turns };
}

function lockOf(session) {
  return join(sessionsDir, `${session}.jsonl.lock`);
}

/** So that nobody may still be writing it: the grace is 30 seconds. */
function makeOld(session) {
  const then = new Date(Date.now() - HOUR_MS);
  utimesSync(lockOf(session), then, then);
}

/** Each makes one lock and tells what was done, and what has to come of it. */
const ARRANGEMENTS = [
  async () => {
    const session = "live-owner";
    await startWriter("own", lockOf(session), 0);
    return { session, story: "its owner runs", reasons: [], keptReason: null };
  },
  async () => {
    const session = "live-plain";
    await startWriter("plain", sessionsDir, session);
    const story = "another program's, it runs";
    return { session, story, reasons: [], keptReason: null };
  },
  async () => {
    const session = "killed-owner";
    await kill(await startWriter("own", lockOf(session), 0));
    return { session, story: "we killed its owner", reasons: ["dead-pid"], removed: true };
  },
  async () => {
    const session = "recycled-pid";
    const first = await startWriter("plain", sessionsDir, session);
    await kill(first);
    // Nobody can order a pid from the kernel without root. So this is the other way round: the lock of
    // the process that has ended gets the pid of one that runs, and keeps the start time.
    const second = await startWriter("plain", sessionsDir, "second-life");
    rmSync(lockOf("second-life"));
    const lock = JSON.parse(readFileSync(lockOf(session), "utf8"));
    writeFileSync(lockOf(session), `${JSON.stringify({ ...lock, pid: second.pid }, null, 2)}\n`);
    const story = "its pid runs, but started later";
    return { session, story, reasons: ["recycled-pid"], removed: true };
  },
  async () => {
    const session = "foreign-program";
    const [file, ...args] =
      process.platform === "win32" ? ["ping", "-n", "60", "127.0.0.1"] : ["sleep", "60"];
    const program = startProgram(file, args);
    // What an older writer leaves, which knows no start times, once its pid has gone to somebody else.
    const lock = { pid: program.pid, createdAt: new Date().toISOString(), maxHoldMs: 300_000 };
    writeFileSync(lockOf(session), `${JSON.stringify(lock, null, 2)}\n`, { flag: "wx" });
    const story = `its pid is a ${file}`;
    return { session, story, reasons: ["non-openclaw-owner"], removed: true };
  },
  async () => {
    const session = "malformed-old";
    await kill(await startWriter("torn", lockOf(session), 20));
    makeOld(session);
    const reasons = ["missing-pid", "invalid-createdAt"];
    return { session, story: "half a lock, an hour old", reasons, removed: true };
  },
  async () => {
    const session = "malformed-new";
    await startWriter("torn", lockOf(session), 20);
    const reasons = ["missing-pid", "invalid-createdAt"];
    const story = "half a lock, just now";
    // Arranging all of them may take a slow machine longer than the grace.
    const justBefore = () => utimesSync(lockOf(session), new Date(), new Date());
    return { session, story, reasons, keptReason: "in-grace", justBefore };
  },
  async () => {
    const session = "empty";
    await kill(await startWriter("torn", lockOf(session), 0));
    makeOld(session);
    const reasons = ["missing-pid", "invalid-createdAt"];
    return { session, story: "no byte of it, an hour old", reasons, removed: true };
  },
  async () => {
    const session = "too-old";
    // The one thing that a demo of a few seconds has to make up: that its owner took it two hours ago.
    await startWriter("own", lockOf(session), 2 * HOUR_MS);
    const story = "two hours old, its owner runs";
    return { session, story, reasons: ["too-old"], keptReason: "owner-alive" };
  },
];

/** Enough locks for the sweep to hold the event loop, if it did. Returns the start of their names. */
async function arrangeCrowd() {
  await kill(await startWriter("plain", sessionsDir, "crowd", CROWD));
  return "crowd-";
}

function judged({ locks }, session) {
  return locks.find(({ lockPath }) => lockPath === lockOf(session)) ?? null;
}

function row(session, story, lock) {
  if (lock === null) return [session, story, "not found", "", ""].map((text) => ({ text }));
  const verdict = lock.stale ? lock.staleReasons.join(", ") : "fresh";
  const why = lock.removed ? whyRemoved(lock) : whyKept(lock);
  return [
    { text: session },
    { text: story },
    { text: verdict, color: lock.stale ? "yellow" : "green" },
    { text: lock.removed ? "removed" : "kept" },
    { text: why },
  ];
}

function compare({ session, reasons, removed = false, keptReason = null }, lock) {
  if (lock === null) return [`${session}: not found by the sweep`];
  const expected = JSON.stringify({ reasons, removed, keptReason });
  const found = JSON.stringify({
    reasons: lock.staleReasons,
    removed: lock.removed,
    keptReason: lock.keptReason,
  });
  const faults = expected === found ? [] : [`${session}: expected ${expected}, found ${found}`];
  // What the report says is one thing, what the disk says another.
  if (existsSync(lockOf(session)) === removed) {
    faults.push(`${session}: the lock file ${removed ? "is still there" : "is gone"}`);
  }
  return faults;
}

function compareCrowd(locks) {
  const wrong = locks.filter((lock) => !lock.removed || lock.staleReasons[0] !== "dead-pid");
  const faults = wrong.slice(0, 3).map(({ lockPath }) => `not removed as dead-pid: ${lockPath}`);
  return locks.length === CROWD ? faults : [...faults, `crowd: found ${locks.length} of ${CROWD}`];
}

/** Nothing but the kept locks may be left: no guard, no temporary file, none of the crowd. */
function findLitter(cases) {
  const kept = new Set(
    cases.filter(({ removed }) => !removed).map(({ session }) => basename(lockOf(session))),
  );
  return readdirSync(sessionsDir)
    .filter((name) => !kept.has(name))
    .slice(0, 3)
    .map((name) => `left over: ${name}`);
}

/**
 * A sweep that yields does so after 4 ms of work; one that does not has no turn but the first. Work is
 * counted in CPU time, because a disk that stalls is no fault of the sweep, and generously, because other
 * threads of this process use some of it.
 */
function compareTurns(cpuMs, turns) {
  const least = Math.floor(cpuMs / 20);
  if (turns >= least && turns > 2) return [];
  return [
    `the event loop had ${turns} turns in ${cpuMs.toFixed(0)} ms of work, expected ${least} or more`,
  ];
}

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    void tidyUp().finally(() => process.exit(1));
  });
}
try {
  process.exitCode = await demonstrate();
} finally {
  await tidyUp();
}
