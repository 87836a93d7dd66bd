// What each step has come to, kept in files from one run to the next.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { run } from "../../../.ci/command.mjs";

const root = fileURLToPath(new URL("../../..", import.meta.url));
/** What is written from a run or about it, and the run itself, is not what is tried. */
const NO_CODE = ["*.md", "test/lab/bench/results.json", "test/lab/trust"];
/** These are tried by the steps that run them alone, which name them. */
const TESTS = ["*.test.ts", "test/api", "test/inputs", "test/lock/protocol", "test/lab/mutation"];

/**
 * @typedef {object} Result
 * @property {string} name
 * @property {string} subject
 * @property {string} method
 * @property {string} command
 * @property {Readonly<Record<string, number>>} cases how often what was tried
 * @property {"passed" | "failed" | "skipped"} result
 * @property {string} [reason] of a skip
 * @property {number} seconds
 * @property {number} scale
 * @property {string} commit the newest one, when it began
 * @property {string} code of what it was a proof, see `describeCode`
 * @property {string} form by what, see `describeForm`
 * @property {string} date when it ended, UTC
 * @property {Machine} machine
 */

/** @typedef {ReturnType<typeof describeMachine>} Machine */

/** Where a run of that scale keeps what it makes: a trial must not overwrite what took hours. */
export function folderOf(scale) {
  return join(root, "build/trust", ...(scale === 1 ? [] : [`scale-${scale}`]));
}

/** @returns {Result[]} of the named steps, as far as there are any */
export function readResults(folder, names) {
  return names
    .map((name) => fileOf(folder, name))
    .filter((file) => existsSync(file))
    .map((file) => JSON.parse(readFileSync(file, "utf8")));
}

/**
 * Takes over what a report says of steps that have no result here: of a run that was interrupted, and goes on elsewhere.
 *
 * @param {readonly Result[]} reported
 */
export function takeOver(folder, reported) {
  for (const result of reported) {
    if (!existsSync(fileOf(folder, result.name))) writeResult(folder, result);
  }
}

/** @param {Result} result */
export function writeResult(folder, result) {
  const file = fileOf(folder, result.name);
  mkdirSync(join(folder, "results"), { recursive: true });
  // At once: a run may end at any time, and half a file is none.
  writeFileSync(`${file}.new`, `${JSON.stringify(result, null, 2)}\n`);
  renameSync(`${file}.new`, file);
}

export function forgetResult(folder, name) {
  rmSync(fileOf(folder, name), { force: true });
}

function fileOf(folder, name) {
  return join(folder, "results", `${name}.json`);
}

/**
 * What is tried: `code` is a digest of every file that any proof can depend on, `commit` the one it was checked out as. Words
 * and figures may be written after a run, and about it; tests may be added beside it.
 */
export function describeCode(checkout = root) {
  const commit = git(checkout, "rev-parse", "--short=12", "HEAD").trim();
  return { commit, code: digest(filesIn(checkout, ["."], [...NO_CODE, ...TESTS])) };
}

/**
 * By what a step tries it: a digest of its command and of the tests that it runs.
 *
 * @param {import("./steps.mjs").Step} step
 */
export function describeForm({ command, environment = {}, tests = [] }, checkout = root) {
  const files = tests.length === 0 ? [] : filesIn(checkout, tests, NO_CODE);
  return digest([command, JSON.stringify(environment), ...files]);
}

/** Names and contents of tracked and new files, as they are now. */
function* filesIn(checkout, paths, excluded) {
  const where = ["--", ...paths, ...excluded.map((pattern) => `:(exclude)${pattern}`)];
  yield git(checkout, "ls-files", "--stage", ...where);
  yield git(checkout, "diff", ...where);
  const added = git(checkout, "ls-files", "--others", "--exclude-standard", ...where);
  for (const file of added.split("\n").filter(Boolean)) {
    yield file;
    yield readFileSync(join(checkout, file));
  }
}

function digest(parts) {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part).update("\0");
  return hash.digest("hex").slice(0, 12);
}

function git(cwd, ...args) {
  return run("git", args, { cwd });
}

export function describeMachine() {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model.trim() ?? "unknown CPU",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${process.platform} ${release()}`,
    node: process.version,
  };
}
