// Compares the addon of another architecture with this one's, on real processes of this machine:
// both are asked about the same pids, and lock the same files.
//
//   node compare.mjs <own addon> <other addon> <test programs> <node of the other architecture>
//
// Closes with the line "N passed, N failed".
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  linkSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { constants, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { witness } from "./answers.mjs";

const [ownAddon, otherAddon, programs, otherNode] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "pidentity-compare-"));
const children = [];

/** Starts a program that prints a line once it is what it shall be. */
async function start(file, args = []) {
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`ended without an answer: ${file}`);
    return value;
  };
  return { child, pid: child.pid, next };
}

async function startProgram(name, args) {
  const started = await start(join(programs, name), args);
  return { ...started, first: await started.next() };
}

async function end({ child }, signal = "SIGKILL") {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, "close");
}

/** The other architecture's witness, in a process of its own. */
async function startOther() {
  const script = join(dirname(fileURLToPath(import.meta.url)), "answers.mjs");
  const other = await start(otherNode, [script, otherAddon]);
  const ask = async (question, ...args) => {
    other.child.stdin.write(`${JSON.stringify([question, ...args])}\n`);
    return JSON.parse(await other.next());
  };
  return { ...other, ask };
}

const own = witness(ownAddon);
let other;

/** What both say of a pid, the wall clock apart, which both read at another moment. */
async function compare(pid) {
  const [[theirs], [mine]] = [
    await other.ask("facts", [pid]),
    JSON.parse(JSON.stringify(own.facts([pid]))),
  ];
  const [theirStart, myStart] = [theirs, mine].map((facts) => {
    const [startedAtMs] = facts.inspect.numbers.splice(3, 1);
    return startedAtMs;
  });
  assert.deepEqual(theirs, mine);
  assert.equal(theirStart === null, myStart === null);
  assert.ok(Math.abs(theirStart - myStart) <= 100, `${theirStart} and ${myStart}`);
  return mine;
}

const tests = {
  "it is another architecture": async () => {
    assert.notEqual(await other.ask("architecture"), process.arch);
  },
  "the host": async () => {
    assert.deepEqual(await other.ask("host"), own.host());
  },
  "a process of this architecture": async () => {
    const { isAlive, startTime, args } = await compare(process.pid);
    assert.ok(isAlive && startTime > 0 && args.length > 1);
  },
  "arguments: none, empty, newlines, every script": async () => {
    for (const args of [[], ["", "", "x", ""], ["a\nb", "é", "日本", "🐢", "-"]]) {
      const { pid } = await startProgram("idle", args);
      assert.deepEqual((await compare(pid)).args.slice(1), args);
    }
  },
  "arguments that are no UTF-8": async () => {
    const idle = join(programs, "idle");
    const { pid } = await startProgram("exec-bytes", [idle, "69", "ff78", "", "c3"]);
    assert.deepEqual((await compare(pid)).args, ["i", "\uFFFDx", "", "\uFFFD"]);
  },
  "1.8 MB of arguments": async () => {
    const args = Array.from({ length: 14 }, (_, index) => String(index % 10).repeat(131_000));
    const { pid } = await startProgram("idle", args);
    assert.deepEqual((await compare(pid)).args.slice(1), args);
  },
  "a rewritten title": async () => {
    const { pid } = await startProgram("retitle", ["fill", "t"]);
    assert.deepEqual((await compare(pid)).args, ["t"]);
  },
  "a zombie": async () => {
    const { first } = await startProgram("zombie-parent");
    assert.equal((await compare(Number(first))).isAlive, false);
  },
  "a process whose first thread has exited, and its other thread": async () => {
    const { pid, first } = await startProgram("leader-exits");
    assert.equal((await compare(pid)).isAlive, true);
    assert.equal((await compare(Number(first))).isAlive, false);
  },
  "a process in uninterruptible sleep": async () => {
    const { pid } = await startProgram("vfork-parent");
    const { isAlive, args } = await compare(pid);
    assert.deepEqual([isAlive, args], [true, null]);
  },
  "an ended process, and numbers that none can have": async () => {
    const ended = await startProgram("idle");
    await end(ended);
    for (const pid of [ended.pid, 0, 2 ** 22, 2 ** 22 + 1, 2 ** 31, 2 ** 32 - 1]) {
      assert.equal((await compare(pid)).isAlive, false);
    }
  },
  "init, and a kernel thread": async () => {
    assert.equal((await compare(1)).isAlive, true);
    // In a pid namespace of one's own there are none.
    const stat = "/proc/2/stat";
    if (!existsSync(stat) || !readFileSync(stat, "utf8").startsWith("2 (kthreadd) ")) {
      console.log("does not apply on this host: a kernel thread: pid 2 is none here");
      return;
    }
    assert.deepEqual((await compare(2)).args, []);
  },
  "the end of a watched process": async () => {
    const watched = await startProgram("idle");
    assert.equal(await other.ask("watch", watched.pid), true);
    assert.equal(await other.ask("hasExited", watched.pid), false);
    await end(watched);
    assert.equal(await other.ask("hasExited", watched.pid), true);
    assert.equal(await other.ask("watch", watched.pid), false);
  },
  "a lock held there is held here, and the other way round": async () => {
    const file = join(folder, "lock");
    writeFileSync(file, "");
    assert.deepEqual([await other.ask("probe", file), own.probe(file)], [0, 0]);
    assert.equal(await other.ask("lock", file), 0);
    assert.deepEqual([own.probe(file), own.lock(file)], [1, 1]);
    assert.equal(await other.ask("unlock", file), 0);
    assert.equal(own.lock(file), 0);
    assert.deepEqual([await other.ask("probe", file), await other.ask("lock", file)], [1, 1]);
    assert.equal(own.unlock(file), 0);
    assert.equal(await other.ask("probe", file), 0);
  },
  "a file owned there is owned here, and the other way round; no guard sees it": async () => {
    const file = join(folder, "owned");
    writeFileSync(file, "");
    assert.deepEqual([await other.ask("probeOwner", file), own.probeOwner(file)], [0, 0]);
    assert.equal(await other.ask("own", file), 0);
    assert.deepEqual([own.probeOwner(file), own.own(file), own.lock(file)], [1, 1, 0]);
    assert.deepEqual([await other.ask("lock", file), own.unlock(file)], [1, 0]);
    assert.equal(await other.ask("disown", file), 0);
    assert.equal(own.own(file), 0);
    assert.deepEqual([await other.ask("probeOwner", file), await other.ask("own", file)], [1, 1]);
    assert.equal(own.disown(file), 0);
  },
  "a file made there without a name gets one, and has one stamp here and there": async () => {
    for (const by of [0, 1]) {
      const path = join(folder, `late-${by}`);
      assert.deepEqual(await other.ask("makeLate", folder, path, by), [0, -constants.errno.EEXIST]);
      writeFileSync(path, "text");
      const [stamp, stampAt] = own.stamp(path);
      assert.equal(stamp, stampAt);
      assert.deepEqual(await other.ask("stamp", path), [stamp, stamp]);
    }
  },
  "which file is open, and which path names it": async () => {
    const [file, link, symlink] = ["named", "link", "symlink"].map((name) => join(folder, name));
    writeFileSync(file, "");
    linkSync(file, link);
    symlinkSync(file, symlink);
    const paths = [file, link, symlink, folder, "/dev/null", join(folder, "missing")];
    for (const opened of [file, symlink, folder, "/dev/null", "/dev/shm", "/proc", "/sys"]) {
      const { dev, ino } = statSync(opened, { bigint: true });
      const { id, type, named } = own.file(opened, paths);
      assert.equal(id, `${dev}:${ino}`);
      assert.equal(type, statfsSync(opened).type);
      assert.deepEqual(await other.ask("file", opened, paths), { id, type, named });
    }
    assert.deepEqual(own.file(symlink, paths).named, [file, link]);
  },
  "the machine's clocks": async () => {
    const before = own.clocks();
    const there = await other.ask("clocks");
    const after = own.clocks();
    for (const [index, time] of there.entries()) {
      assert.ok(before[index] <= time && time <= after[index], `${time} of clock ${index}`);
    }
  },
  "10 000 calls leave no descriptor open": async () => {
    const { first } = await startProgram("zombie-parent");
    const { before, after } = await other.ask("descriptors", [1, Number(first), 2 ** 22], 10_000);
    assert.equal(after, before);
  },
  "threads get the same answers": async () => {
    const { pid } = await startProgram("idle", ["of", "many", "threads"]);
    const answers = await other.ask("threads", pid, 4, 200);
    const [{ isAlive, args, identity }] = JSON.parse(JSON.stringify(own.facts([pid])));
    assert.deepEqual(answers, [[isAlive, args, identity]]);
  },
  // Last: it is gone afterwards.
  "the lock of a killed process is free": async () => {
    const file = join(folder, "killed");
    writeFileSync(file, "");
    assert.equal(await other.ask("lock", file), 0);
    assert.equal(own.probe(file), 1);
    await end(other);
    assert.equal(own.probe(file), 0);
  },
};

let passed = 0;
let failed = 0;
try {
  other = await startOther();
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test();
      passed += 1;
    } catch (error) {
      failed += 1;
      console.log(`FAILED: ${name}\n${error.stack}`);
    }
  }
} finally {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
