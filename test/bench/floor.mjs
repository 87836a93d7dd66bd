/** Compiles and drives floor.c, the same system calls in C. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("floor.c", import.meta.url));
const FOLDER = fileURLToPath(new URL("../../build/bench", import.meta.url));

/** @returns {string} path of the program */
export function compileFloor() {
  mkdirSync(FOLDER, { recursive: true });
  const target = join(FOLDER, "floor");
  const { status, stderr, error } = spawnSync("cc", ["-O2", "-o", target, SOURCE], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`cannot compile floor.c: ${error?.message ?? stderr}`);
  return target;
}

/**
 * Starts the program in this process group; it ends with its input.
 *
 * @param {string} path
 */
export async function startFloor(path) {
  const child = spawn(path, [], { stdio: ["pipe", "pipe", "inherit"] });
  await once(child, "spawn");
  const exit = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    /**
     * @param {string} operation
     * @param {number} pid
     * @param {{ samples: number, batch: number }} amount
     * @returns {Promise<number[]>} nanoseconds of one operation, one number per sample
     */
    async measure(operation, pid, { samples, batch }) {
      child.stdin.write(`${operation} ${pid} ${samples} ${batch}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error(`the floor program ended at ${operation}`);
      return JSON.parse(value);
    },
    async end() {
      child.stdin.end();
      await exit;
    },
  };
}
