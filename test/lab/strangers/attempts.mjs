// Runs in a pid namespace of its own, see strangers.mjs: signals processes whose pid is being given to others.
//
//   attempts.mjs <way> <how often the pid shall be reused> <recycle program> <file> <module of the package>
//
// Prints one line of JSON.
import { spawn } from "node:child_process";
import { openSync, readFileSync, readSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [way, count, recycle, file, packageUrl] = process.argv.slice(2);
const wanted = Number(count);

const PID = 30_000;
// Each attempt takes a few lives.
const GENERATIONS = way === "tree-kill" ? wanted * 4000 : wanted * 40 + 100_000;
const LONGEST_LIFE_US = 150;
const LONGEST_WAIT_MS = 0.15;
/** Bytes in front of the counts. */
const HEADER = 4;

const { identifyProcess, isPidAlive, signalProcess } = await import(packageUrl);

/** How a process is remembered, and how what is remembered is signalled: true when something may have been sent. */
const WAYS = {
  "signalProcess(token)": {
    remember: () => identifyProcess(PID),
    signal: (token) => signalProcess(token).state,
  },
  "process.kill(pid)": {
    remember: () => isPidAlive(PID),
    signal() {
      if (!isPidAlive(PID)) return "gone";
      try {
        process.kill(PID, "SIGTERM");
        return "sent";
      } catch {
        return "gone";
      }
    },
  },
  "tree-kill": {
    remember: () => isPidAlive(PID),
    signal: () =>
      new Promise((resolve) => {
        const treeKill = createRequire(new URL("../bench/", import.meta.url))("tree-kill");
        treeKill(PID, "SIGTERM", (error) => resolve(error ? "gone" : "sent"));
      }),
  },
};

const { remember, signal } = WAYS[way];
const program = spawn(recycle, [PID, GENERATIONS, file, LONGEST_LIFE_US].map(String), {
  stdio: ["pipe", "pipe", "inherit"],
});
const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
const ended = new Promise((resolve) => {
  program.once("close", resolve);
});
await lines.next();

const shown = openSync(file, "r");
const state = Buffer.alloc(HEADER);
/** The number of the process that has the pid; null while it is being replaced. */
function generation() {
  readSync(shown, state, 0, HEADER, 0);
  const twice = state.readUInt32LE();
  return twice % 2 === 0 ? twice / 2 : null;
}

/** By number: how many signals were sent that meant that process. */
const meant = new Map();
const answers = { sent: 0, gone: 0, unknown: 0 };
/** How often the pid was taken away between the look at the process and the end of the signal. */
let replaced = 0;
let attempts = 0;

/** What happens between the look at a process and its signal, in turn. */
const WAITS = [
  // The signal comes while the process lives, while it is replaced, or later: as it happens.
  () => {
    const until = performance.now() + Math.random() * LONGEST_WAIT_MS;
    while (performance.now() < until);
  },
  // The signal comes while the process is replaced.
  (before) => {
    while (generation() === before);
  },
  // Another process has the pid when the signal comes.
  (before) => {
    for (let now = before; now === null || now === before; now = generation());
  },
];

while (replaced < wanted) {
  // Whatever else waits: the end of the program, for one.
  if (attempts % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  if (program.exitCode !== null) throw new Error(`recycle has ended after ${attempts} signals`);
  const before = generation();
  // Every other process is never meant: each signal to it is a stranger's, beyond doubt.
  if (before === null || before % 2 === 1) continue;
  const remembered = remember();
  if (remembered === null || remembered === false || generation() !== before) continue;
  WAITS[attempts % WAITS.length](before);
  attempts++;
  let answer = signal(remembered);
  if (answer instanceof Promise) answer = await answer;
  if (generation() !== before) replaced++;
  answers[answer]++;
  if (answer === "sent") meant.set(before, (meant.get(before) ?? 0) + 1);
}
program.stdin.end();
const { value: generations } = await lines.next();
await ended;

const signals = readFileSync(file).subarray(HEADER);
let right = 0;
let stranger = 0;
for (const [number, got] of signals.entries()) {
  if (got === 0) continue;
  const own = Math.min(got, meant.get(number) ?? 0);
  right += own;
  stranger += got - own;
}
console.log(
  JSON.stringify({
    way,
    signals: attempts,
    processes: Number(generations),
    replaced,
    ...answers,
    right,
    stranger,
  }),
);
