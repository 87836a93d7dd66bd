// The long forms of every proof, together, without a person. What the CI does shortly stays there.
//
//   npm run trust                        everything that has not passed yet
//   npm run trust -- fuzz mutation ...   some steps; --list names them
//   npm run trust -- --fresh             as if none had passed
//   npm run trust -- --scale 0.01        with a hundredth of the cases, to see that it works; kept apart from the rest
//   npm run trust -- --report            runs nothing: writes the report of what there is, and what is missing
//
// Goes on where a former run has ended, here or, by its report, elsewhere: a step that has passed is not run again, unless
// what it tries or what it does that with has changed. Guides and figures are neither. Interrupted (SIGINT, SIGTERM) it ends
// what runs, which then counts for nothing. Two steps run at a time where they do not disturb each other (schedule.mjs). A
// step that this machine cannot do is skipped, with the reason.
//
// build/trust/<step>.log has the output of a step, build/trust/results/<step>.json what it came to. When every step has
// passed, or is skipped, report.json and report.md beside this file say so; the guides quote them. Of another scale all of
// that is in build/trust/scale-<scale>. Closes with the line "N passed, N failed".
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { runSteps, secondsOf } from "../../../.ci/schedule.mjs";
import { execute } from "./execute.mjs";
import { CannotMount, onFileSystem } from "./file-systems.mjs";
import { makeReport, showReport } from "./report.mjs";
import {
  describeCode,
  describeCommit,
  describeForm,
  describeMachine,
  folderOf,
  forgetResult,
  readResults,
  takeOver,
  writeResult,
} from "./results.mjs";
import { casesOf, PREPARATIONS, stepsAt } from "./steps.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../../..");

/** npm passes a signal to its shell, which ends by it and says nothing to this process. */
const PARENT_LOOK_MS = 1000;

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    fresh: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    report: { type: "boolean", default: false },
    scale: { type: "string", default: "1" },
  },
});
const scale = Number(options.scale);
if (!(scale > 0)) throw new RangeError(`--scale must be a number above 0: ${options.scale}`);
const steps = stepsAt(scale);
const unknown = names.find((name) => !steps.some((step) => step.name === name));
if (unknown !== undefined) {
  const all = steps.map(({ name }) => name).join(", ");
  throw new RangeError(`step must be one of ${all}: ${unknown}`);
}
const folder = folderOf(scale);
const reportFolder = scale === 1 ? here : folder;
const interrupt = new AbortController();

if (options.list) {
  for (const { name, kind, seconds, method } of steps) {
    console.log(`${name} (${kind}, ${Math.ceil(seconds / 60)} min): ${method}`);
  }
  console.log(`${minutes(secondsOf(steps))} in all`);
} else if (options.report) {
  writeReport();
} else {
  await runAll();
}

async function runAll() {
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => stop(signal));
  const parent = process.ppid;
  if (process.env.npm_lifecycle_event === "trust") {
    const look = () => process.ppid === parent || stop("npm has ended");
    setInterval(look, PARENT_LOOK_MS).unref();
  }
  const commit = describeCommit();
  const isCurrent = whetherCurrent();
  const selected = steps.filter(({ name }) => names.length === 0 || names.includes(name));
  takeOver(folder, reported());
  if (options.fresh) for (const { name } of selected) forgetResult(folder, name);
  const ownResults = () =>
    resultsOfAll().filter((result) => result.scale === scale && isCurrent(result));
  const passed = ownResults().filter(({ result }) => result === "passed");
  const hasPassed = (step) => passed.some(({ name }) => name === step.name);
  const left = selected.filter((step) => !hasPassed(step));
  const duration = scale === 1 ? `: about ${minutes(secondsOf(left))}` : "";
  console.log(`${left.length} of ${selected.length} steps to do, of ${commit}${duration}`);
  try {
    if (left.length > 0) await prepare();
    await runSteps(left, (step) => run(step, commit), interrupt.signal);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
  }
  finish(selected, ownResults());
}

function stop(why) {
  if (interrupt.signal.aborted) return;
  console.log(`${why}: ending what runs`);
  interrupt.abort(new Error(why));
}

/** @returns tells whether a result is of a step as it is now, and of what it is to try as that is now */
function whetherCurrent() {
  const now = new Map(
    steps.map((step) => [step.name, { code: describeCode(step), form: describeForm(step) }]),
  );
  return ({ name, code, form }) => now.get(name)?.code === code && now.get(name)?.form === form;
}

/** What the committed report says, or that of the same scale. */
function reported() {
  const file = join(reportFolder, "report.json");
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).steps : [];
}

function resultsOfAll() {
  return readResults(
    folder,
    steps.map(({ name }) => name),
  );
}

async function prepare() {
  mkdirSync(folder, { recursive: true });
  for (const command of PREPARATIONS) await executeHere("preparation", { command });
}

async function run(step, commit) {
  const started = performance.now();
  const { name, subject, method, command } = step;
  // Of its beginning: what changes meanwhile voids it.
  const tried = { commit, code: describeCode(step), form: describeForm(step) };
  const about = { scale, ...tried, machine: describeMachine() };
  // Neither a failure nor an interruption may leave an older result standing.
  forgetResult(folder, name);
  const outcome = await attempt(step);
  if (outcome === null) return;
  const seconds = Math.round((performance.now() - started) / 1000);
  const date = new Date().toISOString().slice(0, 16).replace("T", " ");
  const { result, cases = {}, reason, words } = outcome;
  writeResult(folder, {
    name,
    subject,
    method,
    command,
    cases,
    result,
    ...(reason === undefined ? {} : { reason }),
    seconds,
    date,
    ...about,
  });
  if (words !== undefined) console.log(words);
  const counts = Object.entries(cases).map(([what, count]) => `${count} ${what}`);
  const shown = { passed: "ok    ", failed: "FAILED", skipped: `skipped ${reason}:` }[result];
  console.log(`${shown} ${name}: ${counts.join(", ")} (${seconds} s)`);
}

/** What it has come to; null: it was interrupted. */
async function attempt(step) {
  const reason = step.obstacle?.() ?? null;
  if (reason !== null) return { result: "skipped", reason };
  try {
    const text =
      step.fileSystem == null
        ? await executeHere(step.name, step)
        : await onFileSystem(step.fileSystem, (directory) =>
            executeHere(step.name, step, { DIRECTORY: directory }),
          );
    return { result: "passed", cases: casesOf(step, text) };
  } catch (error) {
    if (interrupt.signal.aborted) return null;
    if (error instanceof CannotMount) return { result: "skipped", reason: error.message };
    return { result: "failed", words: error.message };
  }
}

function executeHere(name, { command, environment, kind }, more) {
  return execute(command, {
    mark: `${root}:${name}`,
    cwd: root,
    log: join(folder, `${name}.log`),
    environment: { ...environment, ...more },
    isPolite: kind === "computes",
    signal: interrupt.signal,
  });
}

function finish(selected, results) {
  const rows = selected.map(({ name }) => {
    const found = results.find((result) => result.name === name);
    const { result = "not run", seconds = null } = found ?? {};
    return [name, { result: found?.reason === undefined ? result : found.reason, seconds }];
  });
  console.table(Object.fromEntries(rows));
  const chosen = results.filter(({ name }) => selected.some((step) => step.name === name));
  const count = (wanted) => chosen.filter(({ result }) => result === wanted).length;
  const isComplete = steps.every(({ name }) =>
    results.some((result) => result.name === name && result.result !== "failed"),
  );
  if (isComplete) writeReport();
  const notRun = selected.length - chosen.length;
  if (notRun > 0) console.log(`${notRun} steps are left: the same command goes on with them`);
  console.log(`${count("passed")} passed, ${count("failed")} failed`);
  process.exitCode = count("passed") > 0 && count("failed") === 0 && notRun === 0 ? 0 : 1;
}

function writeReport() {
  mkdirSync(reportFolder, { recursive: true });
  const [json, markdown] = ["report.json", "report.md"].map((name) => join(reportFolder, name));
  takeOver(folder, reported());
  const report = makeReport(resultsOfAll(), steps, whetherCurrent());
  writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(markdown, showReport(report));
  // They are committed, as formatted as everything else is.
  const { status } = spawnSync(join(root, "node_modules/.bin/oxfmt"), [json, markdown], {
    stdio: "inherit",
  });
  if (status !== 0 && scale === 1) throw new Error("cannot format the report");
  console.log(`the report is in ${markdown}`);
}

function minutes(seconds) {
  return `${Math.ceil(seconds / 60)} min`;
}
