// What of Stryker's report counts, and the file in which it is kept: build/mutation/summary.json.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { ROOT } from "./groups.mjs";

const SUMMARY = join(ROOT, "build/mutation/summary.json");

/** Mutants that a test noticed, by an assertion or by never coming to an end. */
const KILLED = new Set(["Killed", "Timeout"]);
const SURVIVED = new Set(["Survived", "NoCoverage"]);

/** @param mutants - Of one file, as Stryker reports them. */
export function countOf({ mutants }) {
  const killed = mutants.filter(({ status }) => KILLED.has(status)).length;
  // On a machine that is busy with something else these may be none: killed, as far as can be told.
  const timedOut = mutants.filter(({ status }) => status === "Timeout").length;
  const survivors = mutants.filter(({ status }) => SURVIVED.has(status));
  const all = killed + survivors.length;
  // A file without anything to mutate is not a file whose rules are tested: groups.mjs leaves it out, with the reason.
  const percent = all === 0 ? 0 : (100 * killed) / all;
  // Left out by a comment, with its reason there; or no test could be run on it.
  const ignored = mutants.filter(({ status }) => status === "Ignored").length;
  const broken = mutants.length - all - ignored;
  return { killed, timedOut, survivors, all, percent, ignored, broken };
}

/**
 * Puts the figures of some files in place of their earlier ones; those of other files stay, with the commit and the
 * date that they are of.
 *
 * @param figures - By the file's path.
 * @param commit - Of {@link commitNow}, before anything was copied.
 */
export function keep(figures, commit) {
  const at = { commit, date: new Date().toISOString() };
  const known = read();
  for (const [file, figure] of Object.entries(figures)) known[file] = { ...figure, ...at };
  const sorted = Object.fromEntries(Object.entries(known).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  mkdirSync(dirname(SUMMARY), { recursive: true });
  writeFileSync(SUMMARY, `${JSON.stringify(sorted, null, 2)}\n`);
}

function read() {
  try {
    return JSON.parse(readFileSync(SUMMARY, "utf8"));
  } catch (error) {
    if (error.code === "ENOENT") return {};
    throw error;
  }
}

/** With `-dirty` where files differ from it; null: this is no clone. */
export function commitNow() {
  const args = ["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"];
  const { status, stdout } = spawnSync("git", args, { cwd: ROOT, encoding: "utf8" });
  return status === 0 ? stdout.trim() : null;
}
