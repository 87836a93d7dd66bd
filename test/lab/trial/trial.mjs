// What a new user does on the first day, and what is then to be read: the doctor on a directory with every kind
// of lock, the repair, the doctor again, a program. Prints the transcript, without what differs from day to day
// (pids, seconds, separators); expected is transcript.txt.
//
//   node trial.mjs        in an empty folder; needs the package, and the files beside this one
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { endAll, makeEveryLock } from "./every-lock.mjs";

const require = createRequire(import.meta.url);
const manifest = require.resolve("pidentity/package.json");
// Not by way of npm's start scripts: some shells that this runs in cannot start them.
const COMMAND = join(dirname(manifest), require(manifest).bin.pidentity);
const EXAMPLE = join(dirname(fileURLToPath(import.meta.url)), "example.mjs");

const HERE = `${process.cwd().replaceAll("\\", "/")}/`;

function say(shown, args) {
  const { status, signal, error, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: "utf8",
  });
  if (error !== undefined) throw error;
  console.log(`$ ${shown}`);
  for (const line of linesOf(stdout)) console.log(line);
  for (const line of linesOf(stderr)) console.log(`(standard error) ${line}`);
  console.log(`(exit code ${status ?? signal})\n`);
}

const pidentity = (...args) => say(["pidentity", ...args].join(" "), [COMMAND, ...args]);

function linesOf(text) {
  const lines = text.replaceAll("\r", "").split("\n");
  return lines.slice(0, -1).map((line) =>
    line
      .replaceAll("\\", "/")
      // Errors name files by their whole paths.
      .replaceAll(HERE, "")
      .replaceAll(/pid=\d+/gu, "pid=<pid>")
      .replaceAll(/age=\d+s\b/gu, "age=<seconds>")
      .replaceAll(/(age=\d+m)\d+s\b/gu, "$1"),
  );
}

function list(folder) {
  console.log(`$ ls ${folder}`);
  for (const name of readdirSync(folder).toSorted()) console.log(name);
  console.log();
}

const sessions = "sessions";
mkdirSync(sessions);
const children = [];
try {
  await makeEveryLock(sessions, children);
  list(sessions);
  pidentity("locks", sessions);
  pidentity("locks", sessions, "--fix", "--explain");
  pidentity("locks", sessions);
  list(sessions);
  say(`node example.mjs ${sessions}`, [EXAMPLE, sessions]);
} finally {
  await endAll(children);
}
pidentity("locks", sessions, "--stale-ms", "1x");
