/** The other processes of a benchmark, all in its own process group: C programs and Node programs. */
import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const execFileAsync = promisify(execFile);

const PROGRAMS = new URL("programs/", import.meta.url);
const BUILD = fileURLToPath(new URL("../../../build/bench", import.meta.url));

/** @type {Map<string, string>} */
const compiled = new Map();

/**
 * Once in each process.
 *
 * @param {string} name of a file in programs/, without `.c`
 * @returns {string} path of the executable
 */
export function compile(name) {
  const path = compiled.get(name) ?? compileNow(name);
  compiled.set(name, path);
  return path;
}

function compileNow(name) {
  mkdirSync(BUILD, { recursive: true });
  const target = join(BUILD, name);
  const source = fileURLToPath(new URL(`${name}.c`, PROGRAMS));
  const { status, stderr, error } = spawnSync("cc", ["-O2", "-pthread", "-o", target, source], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`cannot compile ${name}.c: ${error?.message ?? stderr}`);
  return target;
}

/**
 * @param {string} name of a file in programs/
 */
export function programPath(name) {
  return fileURLToPath(new URL(name, PROGRAMS));
}

/** Node 22 from the registry, for what does not run on the oldest Node of this package. null: not installed here. */
export function node22() {
  const require = createRequire(import.meta.url);
  try {
    const folder = require.resolve(`node-${process.platform}-${process.arch}/package.json`);
    const path = join(folder, "..", "bin", "node");
    return existsSync(path) ? path : null;
  } catch {
    return null;
  }
}

/**
 * Starts a program that answers each line on its standard input by one line of JSON and ends with it.
 *
 * @param {string} command
 * @param {readonly string[]} [args]
 */
export async function startServer(command, args = []) {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  await once(child, "spawn");
  const exit = once(child, "exit");
  // Whoever asks a program that has ended is told so by the end of its output.
  child.stdin.on("error", () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (what) => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${command} ${args.join(" ")} ended at: ${what}`);
    return JSON.parse(value);
  };
  return {
    pid: /** @type {number} */ (child.pid),
    /** The next line that comes without being asked for. */
    next: () => next("(unasked)"),
    /** @param {string} request one line */
    async ask(request) {
      child.stdin.write(`${request}\n`);
      return await next(request);
    },
    /** @param {string} request one line that is not answered */
    tell(request) {
      child.stdin.write(`${request}\n`);
    },
    /** @param {NodeJS.Signals} signal */
    async kill(signal) {
      child.kill(signal);
      await exit;
    },
    async end() {
      child.stdin.end();
      await exit;
    },
  };
}

/**
 * @param {string} name of a Node program in programs/
 * @param {readonly string[]} [args]
 * @param {{ node?: string }} [options]
 */
export async function startNodeServer(name, args = [], { node = process.execPath } = {}) {
  return await startServer(node, [programPath(name), ...args]);
}

/**
 * Runs a Node program of programs/ to its end.
 *
 * @param {string} name
 * @param {readonly string[]} args
 * @param {{ node?: string }} [options]
 * @returns {Promise<any>} its standard output, one JSON document
 */
export async function runNode(name, args, { node = process.execPath } = {}) {
  const { stdout } = await execFileAsync(node, [programPath(name), ...args], { maxBuffer: 1e9 });
  return JSON.parse(stdout);
}
