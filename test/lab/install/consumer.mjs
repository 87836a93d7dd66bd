import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));

/** Runs a program to its end and returns its whole output; throws with it when it fails. */
export function run([file, ...args], { exitCode = 0, ...options } = {}) {
  const { status, signal, error, stdout, stderr } = spawnSync(file, args, {
    encoding: "utf8",
    timeout: 300_000,
    maxBuffer: 64 * 1024 * 1024,
    ...options,
  });
  if (error !== undefined) throw error;
  const output = `${stdout}${stderr}`;
  const words = [basename(file), ...args].join(" ");
  if (status !== exitCode) throw new Error(`${words} ended with ${status ?? signal}: ${output}`);
  return output;
}

/** A pid that nobody has: that of a process which has just ended. */
function pidOfNobody() {
  return spawnSync(process.execPath, ["--version"]).pid;
}

/**
 * What consumer/consume.mjs answers in some runtime; started in `folder`, where the package is installed.
 *
 * @param {(script: string, args: string[]) => string} start starts it and returns its output
 * @param {{ folder: string, manifest: Record<string, unknown>, seenAs?: (path: string) => string }} options
 *   `seenAs`: a path of this machine as the runtime names it
 */
export function consume(start, { folder, manifest, seenAs = (path) => path }) {
  const script = join(folder, "consume.mjs");
  copyFileSync(join(HERE, "consumer", "consume.mjs"), script);
  const sessions = mkdtempSync(join(folder, "sessions-"));
  const nobody = pidOfNobody();
  const createdAt = new Date().toISOString();
  writeFileSync(join(sessions, "dead.jsonl.lock"), JSON.stringify({ pid: nobody, createdAt }));
  const output = start(seenAs(script), [seenAs(sessions), String(nobody), ...entriesOf(manifest)]);
  return answerIn(output);
}

const TRIALS = join(HERE, "../trial");
/** What the trial of a new user consists of; see trial.mjs there. */
const TRIAL = ["trial.mjs", "every-lock.mjs", "example.mjs"];

/**
 * A new user's first day with the package that is installed in `folder`: its transcript must be the one that is
 * stored.
 *
 * @param {(script: string, args: string[]) => string} start see {@link consume}; in `folder`
 * @param {{ folder: string, seenAs?: (path: string) => string }} options see {@link consume}
 */
export function holdTrial(start, { folder, seenAs = (path) => path }) {
  for (const name of TRIAL) copyFileSync(join(TRIALS, name), join(folder, name));
  compareTranscript(start(seenAs(join(folder, "trial.mjs")), []), "transcript.txt");
  rmSync(join(folder, "sessions"), { recursive: true });
}

/** The same of a build agent on Windows, test/lab/trial/ci-agent.mjs. */
export function holdAgentTrial(start, { folder, seenAs }) {
  const script = join(folder, "ci-agent.mjs");
  copyFileSync(join(TRIALS, "ci-agent.mjs"), script);
  compareTranscript(start(seenAs(script), []), "ci-agent.txt");
}

function compareTranscript(transcript, name) {
  const expected = readFileSync(join(TRIALS, name), "utf8");
  assert.equal(transcript.replaceAll("\r", ""), expected.replaceAll("\r", ""));
}

/** The line of JSON in a program's output; runtimes add warnings of their own. */
export function answerIn(output) {
  const line = output.split(/\r?\n/u).find((text) => text.startsWith("{"));
  if (line === undefined) throw new Error(`no answer: ${output}`);
  return JSON.parse(line);
}

/** The entry points of the package that are modules. */
function entriesOf({ name, exports: exported }) {
  return Object.keys(exported)
    .filter((entry) => !entry.endsWith(".json"))
    .map((entry) => name + entry.slice(1));
}

/** Everything works, and through the addon that lies in the package. */
export function assertNative(answer, manifest) {
  const { backend, path, error, alive, dead, same, locks, exported } = answer;
  assert.deepEqual({ backend, error }, { backend: "native", error: undefined });
  assert.match(path, /[/\\]pidentity[/\\]prebuilds[/\\][\w-]+[/\\]pidentity(?:\.\w+)?\.node$/u);
  assert.deepEqual({ alive, dead, same }, { alive: true, dead: false, same: "same" });
  assert.deepEqual(locks, { "dead.jsonl.lock": "removed", "live.jsonl.lock": "valid" });
  assert.deepEqual(Object.keys(exported), entriesOf(manifest));
  for (const [entry, count] of Object.entries(exported)) {
    assert.ok(count > 0, `nothing is exported by ${entry}`);
  }
}

/** The addon was refused: the reason is told, the processes are right, and no lock is touched. */
export function assertProcfs(answer, reason) {
  const { backend, path, error, alive, dead, same, locks } = answer;
  assert.deepEqual({ backend, path }, { backend: "procfs", path: undefined });
  assert.match(error, reason);
  assert.deepEqual({ alive, dead, same }, { alive: true, dead: false, same: "same" });
  assert.deepEqual(locks, { "dead.jsonl.lock": "no-guard", "live.jsonl.lock": "valid" });
}

/** An empty project. */
export function emptyProject(folder, extra = {}) {
  mkdirSync(folder, { recursive: true });
  const manifest = { name: "consumer", version: "1.0.0", private: true, type: "module", ...extra };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  return folder;
}
