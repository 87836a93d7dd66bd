// Eight processes fight for one lock in every way that has ever broken one: `npm run torture`.
//
//   node test/torture/torture.mjs [--mode NAME] [--acquisitions N] [--directory DIR] [--processes N]
//
// Modes: plain, abandon (holders die without releasing), overdue (holders outlive their limit), killed
// (SIGKILL at random instants), stopped (SIGSTOP at random instants, then SIGCONT or SIGKILL). Ends with
// one line per mode and exit code 1 when anything illegal happened.
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { cleanStaleLockFiles } from "../../dist/session-lock/index.js";

const MODES = ["plain", "abandon", "overdue", "killed", "stopped"];
const CONTENDER = fileURLToPath(new URL("contender.mjs", import.meta.url));

const { values } = parseArgs({
  options: {
    mode: { type: "string", multiple: true, default: MODES },
    acquisitions: { type: "string", default: "10000" },
    processes: { type: "string", default: "8" },
    directory: { type: "string", default: tmpdir() },
  },
});
const processes = Number(values.processes);
let failures = 0;
for (const mode of values.mode) {
  if (!MODES.includes(mode)) throw new RangeError(`no such mode: ${mode}`);
  const folder = mkdtempSync(join(values.directory, "pidentity-torture-"));
  try {
    const result = await torture(mode, folder, Number(values.acquisitions));
    failures += result.illegal.length === 0 ? 0 : 1;
    console.log(`${mode}: ${result.summary}`);
    for (const complaint of result.illegal) console.log(`  ILLEGAL ${complaint}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
console.log(`${values.mode.length - failures} passed, ${failures} failed`);
process.exitCode = failures === 0 ? 0 : 1;

async function torture(mode, folder, acquisitions) {
  const started = performance.now();
  const task = {
    mode,
    sessionFile: join(folder, "sessions", "s.jsonl"),
    counter: join(folder, "counter"),
    oracle: join(folder, "oracle"),
    timeoutMs: 60_000,
    maxHoldMs: mode === "overdue" ? 40 : 300_000,
    pauseMs: 2,
    abandonShare: 0.1,
    rounds: 0,
  };
  writeFileSync(task.counter, "0");
  writeFileSync(task.oracle, "");

  const total = { acquired: 0, overlaps: 0, written: 0, refused: 0, deaths: 0, errors: [] };
  let left = acquisitions;
  const slots = Array.from({ length: processes }, () => ({ child: null }));
  const runSlot = async (slot) => {
    while (left > 0) {
      const rounds = Math.min(left, Math.ceil(acquisitions / processes));
      const { report, attempts } = await runContender({ ...task, rounds }, slot);
      left -= Math.max(1, attempts);
      total.acquired += report.acquired;
      total.overlaps += report.overlaps;
      total.written += report.written;
      total.refused += report.refused;
      total.errors.push(...report.errors);
      if (report.died) total.deaths++;
    }
  };
  const tormentor = { over: false };
  const tormenting = torment(mode, slots, tormentor);
  await Promise.all(slots.map(runSlot));
  tormentor.over = true;
  await tormenting;

  const counter = Number(readFileSync(task.counter, "utf8"));
  // A last contender shows that nothing is wedged; a sweep clears what the dead left.
  const last = await runContender({ ...task, mode: "plain", rounds: 1, timeoutMs: 5000 }, {});
  const sessionsDir = join(folder, "sessions");
  await cleanStaleLockFiles({ sessionsDir, nowMs: Date.now() + 3_600_000 });
  const illegal = [];
  if (total.overlaps > 0) illegal.push(`${total.overlaps} overlapping holds`);
  // A process killed between its write and its report has written one more than it said.
  const unreported = mode === "killed" || mode === "stopped" ? total.deaths : 0;
  if (counter < total.written || counter > total.written + unreported) {
    illegal.push(`${total.written} updates written, ${counter} found`);
  }
  if (last.report.acquired !== 1) illegal.push(`wedged: ${last.report.errors.join()}`);
  const leftover = readdirSync(sessionsDir);
  if (leftover.length > 0) illegal.push(`left over after a sweep: ${leftover.join(", ")}`);
  for (const error of total.errors.slice(0, 5)) illegal.push(error);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const summary =
    `${total.acquired} acquisitions, ${total.deaths} holders or waiters died, ` +
    `${total.written} written, ${total.refused} late writes refused, ${seconds} s`;
  return { summary, illegal };
}

/** Runs one contender to its end; what it did before it died is counted from its output. */
async function runContender(task, slot) {
  const child = spawn(process.execPath, [CONTENDER, JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  slot.child = child;
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (output += text));
  const code = await new Promise((resolve) => child.once("close", resolve));
  slot.child = null;
  const text = output.replace(/^ready\n/u, "");
  const line = text.replaceAll("+", "").trim();
  const said = line === "" ? {} : JSON.parse(line);
  const pluses = text.split("+").length - 1;
  const report = {
    acquired: said.acquired ?? pluses,
    overlaps: said.overlaps ?? 0,
    written: said.written ?? pluses,
    refused: said.refused ?? 0,
    errors: said.errors ?? [],
    died: code !== 0,
  };
  return { report, attempts: report.acquired + report.errors.length };
}

async function torment(mode, slots, tormentor) {
  if (mode !== "killed" && mode !== "stopped") return;
  while (!tormentor.over) {
    await delay(40 + Math.random() * 40);
    const victim = slots[Math.floor(Math.random() * slots.length)].child;
    if (victim === null || victim.exitCode !== null) continue;
    if (mode === "killed") {
      victim.kill("SIGKILL");
      continue;
    }
    victim.kill("SIGSTOP");
    await delay(Math.random() * 120);
    victim.kill(Math.random() < 0.3 ? "SIGKILL" : "SIGCONT");
  }
}
