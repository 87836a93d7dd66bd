// What each step has come to, kept in files from one run to the next.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { run } from "../../../.ci/command.mjs";

const root = fileURLToPath(new URL("../../..", import.meta.url));
/** A run writes these itself: they do not make another commit of it. */
const REPORT_FILES = ["json", "md"].map((kind) => `test/lab/trust/report.${kind}`);

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
 * @property {string} commit followed by a digest of what was changed, if anything was
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

/** What is tried: the commit, and a digest of all that differs from it. */
export function describeCommit() {
  const git = (...args) => run("git", args);
  const commit = git("rev-parse", "--short=12", "HEAD").trim();
  const where = ["--", ".", ...REPORT_FILES.map((file) => `:(exclude)${file}`)];
  const added = git("ls-files", "--others", "--exclude-standard", ...where);
  const hash = createHash("sha256").update(git("diff", "HEAD", ...where));
  for (const file of added.split("\n").filter(Boolean)) {
    hash.update(`\0${file}\0`).update(readFileSync(join(root, file)));
  }
  const isClean = git("status", "--porcelain", ...where) === "";
  return isClean ? commit : `${commit}+${hash.digest("hex").slice(0, 12)}`;
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
