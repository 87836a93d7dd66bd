/** Drives floor.c, the same system calls in C. */
import { spawnSync } from "node:child_process";

import { compile, startServer } from "../programs.mjs";

/** @returns {string} path of the program */
export function compileFloor() {
  return compile("floor");
}

/**
 * Starts the program in this process group; it ends with its input.
 *
 * @param {string} path
 * @param {{ thread?: boolean }} [options] `thread`: beside an idle thread, as in every Node
 */
export async function startFloor(path, { thread = false } = {}) {
  const server = await startServer(path, thread ? ["--thread"] : []);
  return {
    /**
     * @param {string} operation
     * @param {number | string} target a pid, several separated by commas, or a session file
     * @param {{ samples: number, batch: number }} amount
     * @returns {Promise<number[]>} microseconds of one operation, one number per sample
     */
    async measure(operation, target, { samples, batch }) {
      const nanoseconds = await server.ask(`${operation} ${target} ${samples} ${batch}`);
      return nanoseconds.map((ns) => ns / 1e3);
    },
    end: () => server.end(),
  };
}

/**
 * Whether the file system has what an operation needs: not every one makes unnamed files (O_TMPFILE).
 *
 * @param {string} path of the program
 * @param {string} operation about a session file
 * @param {string} sessionFile
 * @returns {boolean}
 * @throws when it fails for another reason
 */
export function canMeasure(path, operation, sessionFile) {
  const input = `${operation} ${sessionFile} 1 1\n`;
  const { status, stderr } = spawnSync(path, [], { input, encoding: "utf8" });
  if (status === 0) return true;
  // EOPNOTSUPP; EISDIR of file systems that do not know the flag.
  if (/: (?:Operation not supported|Is a directory)$/m.test(stderr)) return false;
  throw new Error(`${operation} in C: ${stderr}`);
}

/**
 * The two that answers about processes are shown beside, by the names of their sides.
 *
 * @param {string} path
 */
export async function startFloors(path) {
  return {
    "C loop": await startFloor(path),
    "C loop beside a thread": await startFloor(path, { thread: true }),
  };
}
