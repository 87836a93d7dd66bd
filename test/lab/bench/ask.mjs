/** Times the package's questions about one process against the C loop of the same system calls. */
import { do_not_optimize, measure } from "mitata";

import { interleave } from "./measure/interleave.mjs";
import { OPERATIONS } from "./operations.mjs";

// About 20 ms of work per side and round.
const AMOUNT = { samples: 16, batch: 200 };

/**
 * @param {(pid: number) => unknown} ask
 * @param {number} pid
 * @returns {Promise<number[]>} microseconds of one call, means of batches as long as the C loop's
 */
async function timeAsking(ask, pid) {
  const { samples } = await measure(() => do_not_optimize(ask(pid)), {
    // Rounds are many and short: collecting garbage is part of the price, forcing it is not.
    gc: false,
    min_cpu_time: 0,
    min_samples: AMOUNT.samples,
    batch_samples: AMOUNT.batch,
    batch_threshold: Infinity,
    warmup_threshold: Infinity,
  });
  return samples.map((ns) => ns / 1e3);
}

/**
 * @param {object} question
 * @param {string} question.operation a key of OPERATIONS and the floor's name for the same system calls
 * @param {readonly number[]} question.pids asked in turn, one per round
 * @param {(pid: number) => unknown} [question.ask] instead of the operation's own question
 * @param {Awaited<ReturnType<typeof import("./measure/floor.mjs").startFloors>>} floors
 * @param {number} rounds
 */
export async function askBesideFloor({ operation, pids, ask }, floors, rounds) {
  const question = ask ?? OPERATIONS[operation];
  const pidOf = (round) => pids[(round + pids.length) % pids.length];
  return await interleave(
    [
      { name: "pidentity", run: (round) => timeAsking(question, pidOf(round)) },
      ...Object.entries(floors).map(([name, floor]) => ({
        name,
        run: (round) => floor.measure(operation, pidOf(round), AMOUNT),
      })),
    ],
    { rounds },
  );
}
