/** Drives floor.c, the same system calls in C. */
import { compile, startServer } from "./programs.mjs";

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
     * @returns {Promise<number[]>} nanoseconds of one operation, one number per sample
     */
    measure: (operation, target, { samples, batch }) =>
      server.ask(`${operation} ${target} ${samples} ${batch}`),
    end: () => server.end(),
  };
}
