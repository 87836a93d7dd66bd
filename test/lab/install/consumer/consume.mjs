// What a new user does with the installed package, in any runtime; started by ../consumer.mjs.
//
//   consume.mjs <sessions directory> <pid of nobody> <entry point>...
//
// Prints one line of JSON.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

function startIdle() {
  return spawn(process.execPath, ["-e", "process.stdin.resume()"], {
    stdio: ["pipe", "ignore", "ignore"],
  });
}

const started = performance.now();
const pidentity = await import("pidentity");
const importMs = performance.now() - started;
const { backend, path, error } = pidentity.nativeStatus();
const firstAnswerMs = performance.now() - started - importMs;
const { cleanStaleLockFiles } = await import("pidentity/session-lock");

const [sessionsDir, nobody, ...entries] = process.argv.slice(2);
const exported = {};
for (const entry of entries) exported[entry] = Object.keys(await import(entry)).length;

// The lock of a live process beside that of a dead one: only the start time tells that it is the same.
// A program that Wine starts from Linux has no parent that Windows knows of; then a child does.
const child = process.ppid > 0 ? null : startIdle();
const owner = child?.pid ?? process.ppid;
const starttime = pidentity.getProcessStartTime(owner);
const createdAt = new Date().toISOString();
const lock = JSON.stringify({
  pid: owner,
  createdAt,
  ...(starttime === null ? {} : { starttime }),
});
writeFileSync(join(sessionsDir, "live.jsonl.lock"), lock);
const { locks } = await cleanStaleLockFiles({ sessionsDir });
child?.kill();

console.log(
  JSON.stringify({
    backend,
    path,
    error: error?.message,
    importMs,
    firstAnswerMs,
    exported,
    alive: pidentity.isPidAlive(process.pid),
    dead: pidentity.isPidAlive(Number(nobody)),
    same: pidentity.verifyProcess(pidentity.identifyProcess() ?? "").state,
    locks: Object.fromEntries(
      locks.map((found) => [
        found.lockPath.replace(/^.*[/\\]/u, ""),
        found.removed ? "removed" : (found.keptReason ?? "valid"),
      ]),
    ),
  }),
);
