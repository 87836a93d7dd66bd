// What each step has come to, kept in files from one run to the next.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { run } from "../../../.ci/command.mjs";

const root = fileURLToPath(new URL("../../..", import.meta.url));
/** What is written from a run or about it is neither what is tried nor what tries it. */
const isWords = (path) =>
  path.endsWith(".md") ||
  // Drawings of figures and of the command's output.
  (path.startsWith(".github/") && path.endsWith(".svg")) ||
  path === "test/lab/bench/results.json" ||
  path.startsWith("test/lab/trust/");
/** Whatever tries something is named by the steps that do it with that. */
const isTest = (path) => path.startsWith("test/");

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

export function describeCommit(checkout = root) {
  return git(checkout, "rev-parse", "--short=12", "HEAD").trim();
}

/**
 * What a step tries: a digest of the package, or of the part of it that the step is a proof of. Words and figures may be
 * written after a run, and about it.
 *
 * @param {Pick<import("./steps.mjs").Step, "of">} step
 */
export function describeCode({ of = ["."] }, checkout = root) {
  return digest(filesIn(checkout, of, (path) => !isWords(path) && !isTest(path)));
}

/**
 * By what it tries that: a digest of its command, and of what that runs.
 *
 * @param {Pick<import("./steps.mjs").Step, "command" | "environment" | "by" | "given">} step
 */
export function describeForm({ command, environment = {}, by, given = {} }, checkout = root) {
  const files = filesIn(checkout, by, (path) => !isWords(path));
  return digest([command, JSON.stringify({ ...environment, ...given }), ...files]);
}

/**
 * Names and contents, as git hashes them, of tracked and new files as they are now.
 *
 * @throws {Error} when there is none
 */
function filesIn(checkout, paths, isWanted) {
  // Chosen here: with patterns to exclude, git 2.39 finds nothing in a folder that is named without a slash.
  const list = (...options) =>
    git(checkout, "ls-files", "-z", ...options, "--", ...paths)
      .split("\0")
      .filter((line) => line !== "" && isWanted(line.split("\t").at(-1)));
  const hashes = new Map();
  for (const line of list("--stage")) {
    const [about, path] = line.split("\t");
    hashes.set(path, about.split(" ")[1]);
  }
  for (const path of list("--modified", "--others", "--exclude-standard")) {
    if (existsSync(join(checkout, path))) {
      hashes.set(path, git(checkout, "hash-object", "--", path).trim());
    } else hashes.delete(path);
  }
  if (hashes.size === 0) throw new Error(`no files in ${paths.join(", ")}`);
  return [...hashes].map(([path, hash]) => `${path} ${hash}`).toSorted();
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
