// Does a call leave anything behind? Every function of the addon, its error paths included, a hundred
// thousand times: open descriptors and memory stay as they were.
//
//   node --expose-gc test/native/leaks.mjs [--calls N] [--self-check | --exercise] [name...]
//
// N is per function (default 100000). A leak grows in every round, noise does not: each case is run in
// rounds until one of them costs next to nothing, or the last one has not. --self-check runs cases that do
// leak and passes when every one of them is found. --exercise calls and measures nothing, for a leak
// detector that does. Descriptors are counted on Linux and macOS (Windows
// counts handles in test/lab/windows/native). Closes with the line "N passed, N failed".
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  unlinkSync,
  watch as watchFile,
} from "node:fs";
import { devNull, tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";

import { FACT_COUNT, FACT_ROW, IDENTITY_FACT } from "../../build/modules/native/binding.js";
import { loadNative } from "../../build/modules/native/load.js";

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    calls: { type: "string", default: "100000" },
    "self-check": { type: "boolean", default: false },
    exercise: { type: "boolean", default: false },
  },
});
const calls = Number(options.calls);
if (!Number.isSafeInteger(calls) || calls < 1) {
  throw new RangeError(`--calls must be a whole number of 1 or more: ${options.calls}`);
}
if (globalThis.gc === undefined) throw new Error("start with node --expose-gc");

const ROUNDS = 6;
const BYTES_PER_CALL = 8;
/** The allocator gives and takes whole pages and arenas, whatever is asked of it. */
const NOISE_BYTES = 256 * 1024;
/** Beyond so many, descriptors that only garbage collection closes would run out. */
const CALLS_PER_TURN = 500;
/** Starting a thread takes a thousand times as long as a call. */
const CALLS_PER_WORKER = 2000;
const WORKER_BYTES = 64 * 1024;
/** A tenth as many, each as large as Node's object: a descriptor or a buffer lost in every call still shows. */
const CALLS_PER_WATCHER = 10;
const WATCHER_BYTES = 256;

const FD_FOLDER = { linux: "/proc/self/fd", darwin: "/dev/fd" }[process.platform];

const { binding, path, error } = loadNative();
if (binding === undefined) throw error;

const ABSENT = 2 ** 31 - 1;
const LOCK_FUNCTIONS = [
  "lockTryExclusive",
  "lockProbe",
  "lockDrop",
  "ownershipTry",
  "ownershipProbe",
];
// asm-generic/fcntl.h
const O_TMPFILE = process.platform === "linux" ? 0o20000000 | constants.O_DIRECTORY : null;
const facts = new Float64Array(FACT_COUNT);
const rows = new Float64Array(2 * FACT_ROW);
const two = Uint32Array.of(process.pid, ABSENT);
binding.identity(process.pid, facts);
const high = facts[IDENTITY_FACT.exactIdHigh];
const low = facts[IDENTITY_FACT.exactIdLow];
const ownExactId = Number.isNaN(low) ? "1" : String((BigInt(high) << 32n) | BigInt(low));
const folder = mkdtempSync(join(tmpdir(), "pidentity-leaks-"));
const file = join(folder, "lock");
const [mine, other] = [openSync(file, "w+"), openSync(file, "r+")];
const ownFileId = binding.fileId(other);
const absentFile = join(folder, "absent");
const longPath = file.padEnd(100_000, "x");
const newFile = join(folder, "new");
const NEW = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
const buffer = Buffer.alloc(16);
const longText = "\u20ac".repeat(5000);
const nowhere = openSync(devNull, "w");
let opened = 0;

/** Does what must throw; a call that does not is no error path. */
function refused(call) {
  try {
    call();
  } catch {
    return;
  }
  throw new Error(`expected an error: ${String(call)}`);
}

const CASES = {
  "isAlive of this process": () => binding.isAlive(process.pid),
  "isAlive of nobody": () => binding.isAlive(ABSENT),
  "isAlive of no number": () => refused(() => binding.isAlive("x".repeat(100))),
  "isAlive out of range": () => refused(() => binding.isAlive(-1)),
  "startTime of this process": () => binding.startTime(process.pid),
  "startTime of nobody": () => binding.startTime(ABSENT),
  "args of this process": () => binding.args(process.pid),
  "args of nobody": () => binding.args(ABSENT),
  "inspect of this process": () => binding.inspect(process.pid, facts, []),
  "inspect without arguments": () => binding.inspect(process.pid, facts),
  "inspect of nobody": () => binding.inspect(ABSENT, facts, []),
  "inspect into a short array": () =>
    refused(() => binding.inspect(process.pid, new Float64Array(1))),
  "inspect into a frozen array": () =>
    refused(() => binding.inspect(process.pid, facts, Object.freeze([]))),
  "inspectMany of this process and of none": () => binding.inspectMany(two, 2, rows, Infinity, []),
  "inspectMany without arguments": () => binding.inspectMany(two, 2, rows, Infinity),
  "inspectMany into a short array": () =>
    refused(() => binding.inspectMany(two, 2, facts, Infinity, [])),
  "inspectMany of none": () => refused(() => binding.inspectMany(two, 0, rows, Infinity, [])),
  "args of this process, told by ends": () => binding.args(process.pid, rows),
  "identity of this process": () => binding.identity(process.pid, facts),
  "identity of nobody": () => binding.identity(ABSENT, facts),
  "identity of its parent": () => binding.identity(process.ppid, facts),
  "identity into a short array": () =>
    refused(() => binding.identity(process.pid, new Float64Array(1))),
  "reasonByExactId of this process": () => binding.reasonByExactId(ownExactId),
  "reasonByExactId of nobody": () => binding.reasonByExactId("18446744073709551615"),
  "reasonByExactId of no id": () => refused(() => binding.reasonByExactId("1x")),
  host: () => binding.host(),
  "reference, closed": () => {
    const reference = binding.reference(process.pid);
    reference.exited();
    reference.identity(facts);
    reference.signal(0);
    reference.close();
    reference.close();
    refused(() => reference.exited());
  },
  "reference, left to the garbage collector": () => binding.reference(process.pid),
  "reference of nobody": () => binding.reference(ABSENT),
  "a reference made by hand": () => {
    const reference = binding.reference(process.pid);
    refused(() => new reference.constructor());
    refused(() => reference.signal(-1));
    refused(() => reference.identity(new Float64Array(1)));
    reference.close();
  },
  referenceByExactId: () => binding.referenceByExactId(ownExactId)?.close(),
  "referenceByExactId of nobody": () => binding.referenceByExactId("18446744073709551615"),
  "referenceByExactId of no id": () => refused(() => binding.referenceByExactId("1x")),
  list: () => binding.list(),
  "lockTryExclusive, lockProbe": () => {
    const holder = openSync(file, "r+");
    if (binding.lockTryExclusive(holder) !== 0) throw new Error("not acquired");
    if (binding.lockProbe(other) !== 1 || binding.lockTryExclusive(other) !== 1) {
      throw new Error("not held");
    }
    closeSync(holder);
    if (binding.lockProbe(other) !== 0) throw new Error("not free");
  },
  lockDrop: () => {
    if (binding.lockTryExclusive(other) !== 0 || binding.lockDrop(other) !== 0) {
      throw new Error("not dropped");
    }
    if (binding.lockProbe(mine) !== 0) throw new Error("not free");
  },
  "ownershipTry, ownershipProbe": () => {
    const holder = openSync(file, "r+");
    const taken = binding.ownershipTry(holder);
    const asked = binding.ownershipProbe(other);
    closeSync(holder);
    const expected = process.platform === "linux" ? [0, 1] : [taken, asked];
    if (taken !== expected[0] || asked !== expected[1]) throw new Error("not owned");
  },
  "linkOpenFile of an unnamed file, over a name that is taken": () => {
    if (O_TMPFILE === null) return;
    const fd = openSync(folder, O_TMPFILE | constants.O_RDWR, 0o600);
    const name = join(folder, "named");
    if (binding.linkOpenFile(fd, name, 0) !== 0 || binding.linkOpenFile(fd, name, 1) >= 0) {
      throw new Error("not named once");
    }
    closeSync(fd);
    unlinkSync(name);
  },
  "linkOpenFile of a path too long, with a NUL, of a descriptor that is not open": () => {
    const answers = [
      binding.linkOpenFile(mine, longPath, 0),
      binding.linkOpenFile(mine, `${file}\0`, 0),
      binding.linkOpenFile(ABSENT, absentFile, 0) < 0 ? null : 0,
    ];
    if (answers.some((answer) => answer !== null)) throw new Error("not refused");
  },
  "linkOpenFile of no number, no string, no way": () => {
    refused(() => binding.linkOpenFile("x".repeat(100), file, 0));
    refused(() => binding.linkOpenFile(mine, null, 0));
    refused(() => binding.linkOpenFile(mine, file, 2));
  },
  "fileStamp, fileStampAt": () => {
    if (binding.fileStamp(mine) !== binding.fileStampAt(file)) throw new Error("another file");
  },
  "fileStamp of a descriptor that is not open, fileStampAt of nothing and of a path too long":
    () => {
      const stamps = [
        binding.fileStamp(ABSENT),
        ...[absentFile, longPath].map(binding.fileStampAt),
      ];
      if (stamps.some((stamp) => stamp !== null)) throw new Error("not refused");
    },
  "fileStamp of no number, fileStampAt of no string": () => {
    refused(() => binding.fileStamp("x".repeat(100)));
    refused(() => binding.fileStampAt(7));
  },
  "locks of a descriptor that is not open": () => {
    for (const name of LOCK_FUNCTIONS) {
      if (binding[name](ABSENT) >= 0) throw new Error("not refused");
    }
  },
  "locks of no number": () => refused(() => binding.lockProbe(null)),
  "keepFile, dropFile": () => {
    const kept = binding.keepFile(other);
    if (kept === null || !binding.dropFile(kept) || binding.dropFile(ABSENT)) {
      throw new Error("not kept, or not dropped once");
    }
  },
  "keepFile of a descriptor that is not open": () => {
    if (binding.keepFile(ABSENT) !== null) throw new Error("not refused");
  },
  "keepFile and dropFile of no number": () => {
    refused(() => binding.keepFile("x".repeat(100)));
    refused(() => binding.dropFile(-1));
  },
  fileId: () => {
    if (binding.fileId(mine) !== ownFileId) throw new Error("another file");
  },
  "fileId of a descriptor that is not open": () => {
    if (binding.fileId(ABSENT) !== null) throw new Error("not refused");
  },
  "fileId of no number": () => refused(() => binding.fileId("x".repeat(100))),
  "fileId out of range": () => refused(() => binding.fileId(-1)),
  fileSystemType: () => {
    if ((binding.fileSystemType(mine) === null) !== (process.platform === "win32")) {
      throw new Error("no file system");
    }
  },
  "fileSystemType of a descriptor that is not open": () => {
    if (binding.fileSystemType(ABSENT) !== null) throw new Error("not refused");
  },
  "fileSystemType of no number": () => refused(() => binding.fileSystemType("x".repeat(100))),
  "fileSystemType out of range": () => refused(() => binding.fileSystemType(-1)),
  "tellCloses of a file that is not watched": () => {
    if (binding.tellCloses(mine)) throw new Error("told");
  },
  "tellCloses of a descriptor that is not open": () => {
    if (binding.tellCloses(ABSENT)) throw new Error("not refused");
  },
  "tellCloses of no number": () => refused(() => binding.tellCloses("x".repeat(100))),
  // On Windows each would put this process into one more job, for good.
  "tieChildren, loosenChildren": () => {
    if (process.platform !== "win32" && binding.tieChildren()) throw new Error("tied");
    if (binding.loosenChildren()) throw new Error("loosened");
  },
  monotonicMs: () => {
    if (!(binding.monotonicMs() > 0)) throw new Error("no clock");
  },
  sinceBootMs: () => binding.sinceBootMs(),
  "pathKind, isWithoutLinks": () => {
    if ((binding.pathKind(file) ?? 1) !== 1) throw new Error("no file");
    if (binding.isWithoutLinks(file)) throw new Error("a directory");
  },
  "pathKind of nothing and of a path too long, isWithoutLinks of a path too long": () => {
    binding.pathKind(absentFile);
    if (binding.pathKind(longPath) !== null) throw new Error("not refused");
    if (binding.isWithoutLinks(longPath)) throw new Error("not refused");
  },
  "pathKind of no string, isWithoutLinks of no string": () => {
    refused(() => binding.pathKind(7));
    refused(() => binding.isWithoutLinks(null));
  },
  isNamed: () => {
    if (binding.isNamed(file, other) !== (ownFileId !== null)) throw new Error("another file");
  },
  "isNamed of nothing, of a path too long, with a NUL, of a descriptor that is not open": () => {
    const questions = [
      [absentFile, mine],
      [longPath, mine],
      [`${file}\0`, mine],
      [file, ABSENT],
    ];
    if (questions.some(([asked, fd]) => binding.isNamed(asked, fd))) throw new Error("not refused");
  },
  "openFile, writeFile, readAt, closeFile, unlinkFile": () => {
    const kept = opened++ % 2 === 0;
    const fd = binding.openFile(newFile, NEW, 0o600, kept);
    if (process.platform === "win32") return;
    if (binding.writeFile(fd, "text") !== 0 || binding.readAt(fd, buffer, 0, 16) !== 4) {
      throw new Error("not written, or not read");
    }
    if (binding.openFile(newFile, NEW, 0o600, kept) >= 0) throw new Error("opened twice");
    if (binding.closeFile(fd) !== 0 || binding.closeFile(fd) >= 0) {
      throw new Error("not closed once");
    }
    if (binding.unlinkFile(newFile) !== 0 || binding.unlinkFile(newFile) >= 0) {
      throw new Error("not unlinked once");
    }
  },
  "writeFile of a text that has no room on the stack": () => {
    if (binding.writeFile(nowhere, longText) !== 0 && process.platform !== "win32") {
      throw new Error("not written");
    }
    if (binding.writeFile(ABSENT, longText) >= 0) throw new Error("not refused");
  },
  "openFile and unlinkFile of a path too long, with a NUL": () => {
    for (const wrong of [longPath, `${file}\0`]) {
      if (binding.openFile(wrong, 0, 0, true) !== null || binding.unlinkFile(wrong) !== null) {
        throw new Error("not refused");
      }
    }
  },
  "openFile of no string and for no yes or no, unlinkFile of no string, readAt beyond its buffer, writeFile of no string, closeFile of no number":
    () => {
      refused(() => binding.openFile(7, 0, 0, true));
      refused(() => binding.openFile(file, 0, 0, "x".repeat(100)));
      refused(() => binding.unlinkFile(null));
      refused(() => binding.readAt(mine, buffer, 1, buffer.length));
      refused(() => binding.writeFile(mine, null));
      refused(() => binding.closeFile("x".repeat(100)));
    },
  "isNamed of no string": () => refused(() => binding.isNamed(null, mine)),
  "isNamed of no number": () => refused(() => binding.isNamed(file, "x".repeat(100))),
  "isNamed out of range": () => refused(() => binding.isNamed(file, -1)),
};

for (const name of Object.keys(binding)) {
  if (!Object.keys(CASES).some((title) => title.includes(name))) {
    throw new Error(`no case calls ${name}`);
  }
}

/** Calls that need a watcher of Node's each, which the garbage collector takes away at its leisure. */
const WATCHER_CASES = {
  "tellCloses of a file that is watched": () => {
    const watcher = watchFile(file, { persistent: false });
    const told = binding.tellCloses(mine);
    watcher.close();
    if (told !== (process.platform === "linux")) throw new Error("not told, or told of nothing");
  },
};

/** Threads that load the addon, use it and unload it. */
const WORKER_CASES = {
  "a worker that ends": () => runWorker(false),
  "a worker that is terminated in the middle of a call": () => runWorker(true),
};

const kept = [];
let leaked = 0;
const SELF_CHECK = {
  "leaks 64 bytes": () => kept.push(new Float64Array(8)),
  "leaks a descriptor now and then": () => {
    leaked += 1;
    if (leaked % Math.ceil(calls / 3) === 0) openSync(file, "r");
  },
};

async function runWorker(endless) {
  const source = `
    const { parentPort } = require("node:worker_threads");
    const addon = require(${JSON.stringify(path)});
    const facts = new Float64Array(${FACT_COUNT});
    const rows = new Float64Array(${2 * FACT_ROW});
    const pids = Uint32Array.of(process.pid, process.ppid);
    const fs = require("node:fs");
    const opened = fs.openSync(${JSON.stringify(file)}, "r");
    if (addon.keepFile(opened) !== opened) fs.closeSync(opened);
    addon.openFile(${JSON.stringify(file)}, fs.constants.O_RDONLY, 0, true);
    const work = () => {
      addon.host();
      addon.inspect(process.pid, facts, []);
      addon.inspectMany(pids, 2, rows, Infinity, []);
      addon.reference(process.pid);
      try { addon.isAlive(Symbol()); } catch {}
    };
    for (let i = 0; i < 20; i++) work();
    parentPort.postMessage("running");
    while (${String(endless)}) work();`;
  const worker = new Worker(source, { eval: true });
  const ended = new Promise((resolve, reject) => {
    worker.once("exit", resolve).once("error", reject);
  });
  await new Promise((resolve, reject) => {
    worker.once("message", resolve).once("error", reject);
  });
  if (endless) await worker.terminate();
  await ended;
}

function openDescriptors() {
  return FD_FOLDER === undefined ? 0 : readdirSync(FD_FOLDER).length;
}

/** Finalizers run on a turn of the event loop after the collection. */
async function collect() {
  globalThis.gc();
  await turn();
}

/** After everything that garbage collection and finalizers give back has been given back. */
async function settle() {
  for (let i = 0; i < 3; i++) await collect();
}

async function repeat(call, count) {
  for (let i = 0; i < count; i++) {
    const result = call();
    if (result instanceof Promise) await result;
    if (i % CALLS_PER_TURN === CALLS_PER_TURN - 1) await collect();
  }
}

/** Null as soon as a round costs nothing; what the last one cost otherwise. */
async function leakOf(call, count, bytesAllowed) {
  let cost = "";
  for (let round = 0; round < ROUNDS; round++) {
    await settle();
    const before = { memory: process.memoryUsage.rss(), descriptors: openDescriptors() };
    await repeat(call, count);
    // Not within repeat(), which may still have its last result at hand.
    await settle();
    const bytes = process.memoryUsage.rss() - before.memory;
    const descriptors = openDescriptors() - before.descriptors;
    // The first round warms up: code is compiled, caches fill, libuv opens what threads need.
    if (round > 0 && bytes <= bytesAllowed && descriptors <= 0) return null;
    cost = `${Math.round(bytes / count)} bytes for each of ${count} calls, ${descriptors} descriptors`;
  }
  return cost;
}

const watchers = Math.ceil(calls / CALLS_PER_WATCHER);
const workers = Math.max(4, Math.round(calls / CALLS_PER_WORKER));
const cases = Object.entries(options["self-check"] ? SELF_CHECK : CASES).map(([name, call]) => ({
  name,
  call,
  count: calls,
  bytesAllowed: calls * BYTES_PER_CALL + NOISE_BYTES,
}));
if (!options["self-check"]) {
  for (const [name, call] of Object.entries(WATCHER_CASES)) {
    cases.push({ name, call, count: watchers, bytesAllowed: watchers * WATCHER_BYTES });
  }
  for (const [name, call] of Object.entries(WORKER_CASES)) {
    cases.push({ name, call, count: workers, bytesAllowed: workers * WORKER_BYTES });
  }
}

let [passed, failed] = [0, 0];
for (const { name, call, count, bytesAllowed } of cases) {
  if (names.length > 0 && !names.some((wanted) => name.includes(wanted))) continue;
  if (options.exercise) {
    await repeat(call, count);
    passed++;
    continue;
  }
  const leak = await leakOf(call, count, bytesAllowed);
  const isExpected = (leak !== null) === options["self-check"];
  if (isExpected) passed++;
  else failed++;
  console.log(`${isExpected ? "ok    " : "FAILED"} ${name}: ${leak ?? `flat over ${count} calls`}`);
}
for (const fd of [mine, other, nowhere]) closeSync(fd);
rmSync(folder, { recursive: true });
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
