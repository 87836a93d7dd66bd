// Puts questions to an addon and gives the answers as JSON, so that two processes of different
// architectures can be compared.
//
//   node answers.mjs <addon>    one question per line of standard input, one answer per line
import { closeSync, constants, openSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";

const require = createRequire(import.meta.url);

const openDescriptors = () => readdirSync("/proc/self/fd").length;

/** Everything the addon says about one pid; NaN becomes null. */
function facts(addon, pid) {
  const numbers = new Float64Array(6);
  const args = [];
  const raw = addon.inspect(pid, numbers, args);
  const identity = identityFacts(addon, pid);
  const [, , , high, low] = identity;
  return {
    isAlive: addon.isAlive(pid),
    startTime: addon.startTime(pid),
    args: addon.args(pid),
    inspect: { raw, args, numbers: Array.from(numbers) },
    identity,
    byExactId: Number.isNaN(low)
      ? null
      : addon.reasonByExactId(String((BigInt(high) << 32n) | BigInt(low))),
  };
}

/** As IDENTITY_FACT orders them. */
function identityFacts(addon, pid) {
  const numbers = new Float64Array(6);
  addon.identity(pid, numbers);
  return Array.from(numbers.subarray(0, 5));
}

// asm-generic/fcntl.h; O_DIRECTORY is not the same on every architecture.
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

/**
 * One addon, and what it holds between questions.
 *
 * @param {string} path of the addon
 */
export function witness(path) {
  const addon = require(path);
  const locks = new Map();
  const watches = new Map();
  const probe = (file) => {
    const fd = openSync(file, "r");
    const result = addon.lockProbe(fd);
    closeSync(fd);
    return result;
  };
  const owned = new Map();
  const probeOwner = (file) => {
    const fd = openSync(file, "r");
    const result = addon.ownershipProbe(fd);
    closeSync(fd);
    return result;
  };
  return {
    architecture: () => process.arch,
    host: () => addon.host(),
    facts: (pids) => pids.map((pid) => facts(addon, pid)),
    /** Takes the lock and keeps it, or answers what lockTryExclusive does. */
    lock(file) {
      const fd = openSync(file, "r+");
      const result = addon.lockTryExclusive(fd);
      if (result === 0) locks.set(file, fd);
      else closeSync(fd);
      return result;
    },
    /** Drops it, and answers what lockProbe does then. */
    unlock(file) {
      closeSync(locks.get(file));
      locks.delete(file);
      return probe(file);
    },
    probe,
    /** The same of ownership: takes it and keeps it, or answers what ownershipTry does. */
    own(file) {
      const fd = openSync(file, "r+");
      const result = addon.ownershipTry(fd);
      if (result === 0) owned.set(file, fd);
      else closeSync(fd);
      return result;
    },
    disown(file) {
      closeSync(owned.get(file));
      owned.delete(file);
      return probeOwner(file);
    },
    probeOwner,
    /** Makes a file without a name, and names it `by` its descriptor (0) or by way of /proc (1). */
    makeLate(folder, name, by) {
      const fd = openSync(folder, O_TMPFILE | constants.O_RDWR, 0o600);
      const answers = [addon.linkOpenFile(fd, name, by), addon.linkOpenFile(fd, name, by)];
      closeSync(fd);
      return answers;
    },
    stamp(file) {
      const fd = openSync(file, "r");
      const stamps = [addon.fileStamp(fd), addon.fileStampAt(file)];
      closeSync(fd);
      return stamps;
    },
    clocks: () => [addon.monotonicMs(), addon.sinceBootMs()],
    /** Which file `opened` is, on which kind of file system, and which of the paths name it. */
    file(opened, paths) {
      const fd = openSync(opened, "r");
      const answer = {
        id: addon.fileId(fd),
        type: addon.fileSystemType(fd),
        named: paths.filter((name) => addon.isNamed(name, fd)),
      };
      closeSync(fd);
      return answer;
    },
    watch(pid) {
      const watch = addon.reference(pid);
      if (watch !== null) watches.set(pid, watch);
      return watch !== null;
    },
    hasExited: (pid) => watches.get(pid).exited(),
    /** Open descriptors before and after that many calls. */
    descriptors(pids, calls) {
      for (const pid of pids) facts(addon, pid);
      const before = openDescriptors();
      for (let call = 0; call < calls; call += 6) facts(addon, pids[call % pids.length]);
      return { before, after: openDescriptors() };
    },
    /** The different answers that several threads get, each asking many times. */
    async threads(pid, count, times) {
      const source = `
        const { parentPort } = require("node:worker_threads");
        const addon = require(${JSON.stringify(path)});
        const answers = new Set();
        ${String(identityFacts)}
        for (let time = 0; time < ${times}; time++) {
          answers.add(JSON.stringify([addon.isAlive(${pid}), addon.args(${pid}), identityFacts(addon, ${pid})]));
        }
        parentPort.postMessage([...answers]);`;
      const answers = Array.from({ length: count }, () => {
        const worker = new Worker(source, { eval: true });
        return new Promise((resolve, reject) => {
          worker.once("message", resolve).once("error", reject);
        });
      });
      return Array.from(new Set((await Promise.all(answers)).flat()), (text) => JSON.parse(text));
    },
  };
}

async function serve(path) {
  const questions = witness(path);
  for await (const line of createInterface({ input: process.stdin })) {
    const [question, ...args] = JSON.parse(line);
    process.stdout.write(`${JSON.stringify(await questions[question](...args))}\n`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve(process.argv[2]);
