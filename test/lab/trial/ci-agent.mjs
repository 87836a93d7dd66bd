// A day of a build agent on Windows: jobs under a lock, batch files, a job that is killed, a hung tree, odd names. Prints the
// transcript, without what differs from day to day (pids, times, this folder's place); expected is ci-agent.txt.
//
//   node ci-agent.mjs        in a folder of its own; needs the package
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { Worker } from "node:worker_threads";

import {
  endProcess,
  getProcessArgs,
  getProcessChildren,
  identifyProcess,
  waitForProcessExit,
} from "pidentity";
import { acquireFileLock, checkFileLock } from "pidentity/file-lock";
import lockfile from "pidentity/proper-lockfile";
import { createSessionController } from "pidentity/session-controller";
import { acquireSessionWriteLock, cleanStaleLockFiles } from "pidentity/session-lock";

const require = createRequire(import.meta.url);
const manifest = require.resolve("pidentity/package.json");
const COMMAND = join(dirname(manifest), require(manifest).bin.pidentity);
const HERE = process.cwd();
/** Leaves no room for the name under which a lock is removed. */
const LONG_NAME = "x".repeat(230);
const children = [];

/** Without what differs from run to run. */
function plain(text) {
  return (
    text
      .replaceAll(HERE, "<here>")
      .replaceAll(process.execPath, "node.exe")
      .replaceAll(/\bpi1\.win32\.[\w.-]+/gu, "<token>")
      .replaceAll(/\bpid[= ]\d+/gu, "<pid>")
      // It is cut, and where depends on where node.exe lies.
      .replaceAll(/ by <pid> \(.*?…\)/gu, " by <pid> (<its command line>…)")
      .replaceAll(/ for \d+s by /gu, " for <seconds> by ")
      .replaceAll(/\bage=\d+s\b/gu, "age=<seconds>")
      .replaceAll(/\bageMs=\d+/gu, "ageMs=<ms>")
      .replaceAll(/\btaken at [\dT:.-]+Z/gu, "taken at <time>")
      .replaceAll(LONG_NAME, "<a long name>")
      .replaceAll("\r", "")
      .trimEnd()
  );
}

function pidentity(args, env = {}) {
  const { status, error, stdout, stderr } = spawnSync(process.execPath, [COMMAND, ...args], {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  if (error !== undefined) throw error;
  const shown = args.map((arg) => (/^[\w.:\\<>-]+$/u.test(arg) ? arg : `'${arg}'`));
  console.log(plain(`$ pidentity ${shown.join(" ")}`));
  if (stdout !== "") console.log(plain(stdout));
  if (stderr !== "") console.log(plain(stderr).replaceAll(/^/gmu, "(standard error) "));
  console.log(`(exit code ${status})\n`);
}

async function told(title, body) {
  let answer;
  try {
    answer = await body();
  } catch (error) {
    answer = `${error.code ?? error.name}: ${error.message}`;
  }
  console.log(plain(`${title}: ${typeof answer === "string" ? answer : JSON.stringify(answer)}`));
}

/** A Node program that runs until it is ended, once it has said that it is ready. */
async function start(script, ...args) {
  const node = ["--input-type=module", "-e", script, "--", ...args];
  const child = spawn(process.execPath, node, { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  await once(child.stdout, "data");
  return child;
}

/** As Windows' task manager does it: nothing in the process learns of it. */
async function terminate(child) {
  child.kill("SIGKILL");
  await once(child, "exit");
}

const JOB = `
  import { acquireFileLock } from "pidentity/file-lock";
  await acquireFileLock({ path: "workspace/job", label: "build 7" });
  console.log("at work");
  setInterval(() => {}, 1e6);`;

/** Ready when its child's child is. */
const TREE = `
  import { spawn } from "node:child_process";
  const depth = Number(process.argv[1]);
  if (depth === 0) console.log("ready");
  else spawn(process.execPath, [...process.execArgv, "--", String(depth - 1)], { stdio: ["ignore", "inherit", "inherit"] });
  setInterval(() => {}, 1e6);`;

async function jobsUnderALock() {
  writeFileSync("args.mjs", "console.log(JSON.stringify(process.argv.slice(2)));");
  mkdirSync("bin & co");
  const lines = ["@echo off", `"${process.execPath}" "%~dp0..\\args.mjs" %*`, "exit /b 5", ""];
  writeFileSync(join("bin & co", "build.cmd"), lines.join("\r\n"));
  const odd = ["a b", 'say "hi"', "", "end\\", "x&y|z>w^", "ü"];
  const env = { PATH: `${resolve("bin & co")};${process.env.PATH}` };
  const run = ["run", "--lock", "jobs\\build.lock", "--"];
  pidentity([...run, process.execPath, "args.mjs", ...odd]);
  pidentity([...run, "build", ...odd], env);
  pidentity([...run, "args.mjs"]);
  pidentity([...run, "nothing"]);
}

async function aJobThatIsKilled() {
  const job = await start(JOB);
  await told("timeout", () => acquireFileLock({ path: "workspace/job", timeoutMs: 50 }));
  pidentity(["run", "--lock", "WORKSPACE\\JOB.lock", "--no-wait", "--", "cmd", "/c", "exit"]);
  const next = acquireFileLock({
    path: "workspace\\job",
    onReclaimed: ({ evidence }) =>
      console.log(`taken over from ${evidence.label}: ${evidence.staleReasons.join(", ")}`),
  });
  await terminate(job);
  const lock = await next;
  lock.withFence(() => writeFileSync("workspace/result", "done"));
  await lock.release();
  console.log(`left: ${readdirSync("workspace").join(", ")}\n`);

  const late = await start(JOB);
  await terminate(late);
  pidentity(["locks", "--all", "workspace", "--fix"]);
}

async function aHungTree() {
  const root = await start(TREE, "2");
  const token = identifyProcess(root.pid);
  const found = getProcessChildren(root.pid, { recursive: true });
  console.log(`children: ${found.length}`);
  const end = waitForProcessExit(found.map((child) => identifyProcess(child.pid)));
  const { state, killed, survivors } = await endProcess(token, { tree: true });
  console.log(
    `${state}: ${killed.map(({ signal }) => signal).join(" ")}, ${survivors.length} left`,
  );
  console.log(`waited for: ${[...(await end).values()].join(" ")}\n`);
}

async function oneLockByAnyRoute() {
  const path = resolve("workspace", "Data.bin");
  const lock = await acquireFileLock({ path });
  const routes = {
    "another case": path.toUpperCase(),
    "the drive in lower case": path[0].toLowerCase() + path.slice(1),
    slashes: path.replaceAll("\\", "/"),
    relative: "workspace\\Data.bin",
    "relative on its drive": `${path.slice(0, 2)}workspace\\Data.bin`,
    "without its drive": path.slice(2),
    "below Win32": `\\\\?\\${path}`,
    "by a parent": `${resolve("workspace")}\\..\\workspace\\Data.bin`,
  };
  for (const [route, other] of Object.entries(routes)) {
    const { locked, lockPath } = await checkFileLock({ path: other });
    console.log(`${route}: ${locked && lockPath.toLowerCase() === lock.lockPath.toLowerCase()}`);
  }
  await lock.release();
  const deep = resolve("workspace", ..."abcdefgh".split("").map((name) => name.repeat(40)), "f");
  await told("longer than 260", async () => {
    const held = await acquireFileLock({ path: deep });
    await held.release();
    return held.lockPath.length > 260;
  });
  for (const name of ["agent:main", "what?", "folder.\\file", LONG_NAME]) {
    await told(`the name ${name}`, async () => {
      const held = await acquireFileLock({ path: join(HERE, "workspace", name), timeoutMs: 0 });
      await held.release();
      return "taken";
    });
  }
  console.log();
}

async function odds() {
  const args = ["", "a b", 'q"x', "t\\", "ü€😀", '\\\\"', "%PATH%"];
  const child = await start("console.log(1); setInterval(() => {}, 1e6)", ...args);
  console.log(`arguments: ${JSON.stringify(getProcessArgs(child.pid).slice(-args.length))}`);
  pidentity(["kill", identifyProcess(child.pid)]);
}

async function everyEntry() {
  const release = await lockfile.lock("args.mjs");
  await told("proper-lockfile", () => lockfile.lock("args.mjs"));
  await release();
  await told("require", () => typeof require("pidentity/file-lock").acquireFileLock);
  const worker = new Worker(
    `import("pidentity/file-lock").then(({ acquireFileLock }) => acquireFileLock({ path: "by-worker" }))
       .then(() => require("node:worker_threads").parentPort.postMessage("held"));
     setInterval(() => {}, 1e6);`,
    { eval: true },
  );
  await once(worker, "message");
  await told("beside a worker", () => acquireFileLock({ path: "by-worker", timeoutMs: 0 }));
  await worker.terminate();
  await told("after it", async () => {
    const lock = await acquireFileLock({ path: "by-worker" });
    await lock.release();
    return "taken";
  });
  mkdirSync("sessions");
  const sessionFile = join("sessions", "main.jsonl");
  const controller = await createSessionController({
    acquire: acquireSessionWriteLock,
    sessionFile,
  });
  await controller.withWriteLock(({ appendFenced }) => appendFenced('{"role":"user"}'));
  await controller.releaseForPrompt();
  appendFileSync(sessionFile, "another's\n");
  await told("after another's write", () => controller.reacquireAfterPrompt());
  console.log(`taken over: ${controller.hasTakeover()}`);
  await controller.dispose();
  const dead = children.find(
    ({ exitCode, signalCode }) => exitCode !== null || signalCode !== null,
  );
  const createdAt = new Date().toISOString();
  writeFileSync("sessions/old.jsonl.lock", JSON.stringify({ pid: dead.pid, createdAt }));
  const { counts } = await cleanStaleLockFiles({ sessionsDir: "sessions", env: {} });
  console.log(`sweep: ${JSON.stringify(counts)}`);
  console.log(JSON.stringify(readFileSync(sessionFile, "utf8")));
}

try {
  await jobsUnderALock();
  await aJobThatIsKilled();
  await aHungTree();
  await oneLockByAnyRoute();
  await odds();
  await everyEntry();
} finally {
  for (const child of children) child.kill("SIGKILL");
}
