// What each step has come to, kept in files from one run to the next.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { run } from "../../../.ci/command.mjs";

const root = fileURLToPath(new URL("../../..", import.meta.url));
/** What is written from a run, or after it, does not make other code of it. */
const NO_CODE = ["*.md", "test/lab/trust/report.json", "test/lab/bench/results.json"];

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
 * What is tried: `code` is a digest of every file that a proof can depend on, `commit` the one it was checked out as. Words
 * and figures may be written after a run, and about it.
 */
export function describeCode(checkout = root) {
  const git = (...args) => run("git", args, { cwd: checkout });
  const where = ["--", ".", ...NO_CODE.map((pattern) => `:(exclude)${pattern}`)];
  const added = git("ls-files", "--others", "--exclude-standard", ...where);
  const hash = createHash("sha256")
    .update(git("ls-files", "--stage", ...where))
    .update(git("diff", ...where));
  for (const file of added.split("\n").filter(Boolean)) {
    hash.update(`\0${file}\0`).update(readFileSync(join(checkout, file)));
  }
  const commit = git("rev-parse", "--short=12", "HEAD").trim();
  return { commit, code: hash.digest("hex").slice(0, 12) };
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
