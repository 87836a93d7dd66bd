/** Runs alternatives one after the other, round by round, so that all meet the same machine. */

/**
 * @template T
 * @typedef {object} Alternative
 * @property {string} name
 * @property {(round: number) => T | Promise<T>} run
 */

/**
 * @template T
 * @param {readonly Alternative<T>[]} alternatives
 * @param {{ rounds: number, warmUp?: number }} amount warm-up rounds have negative numbers and do not count
 * @returns {Promise<Record<string, T>[]>} for each round what each alternative gave
 */
export async function interleave(alternatives, { rounds, warmUp = 1 }) {
  const results = [];
  for (let round = -warmUp; round < rounds; round++) {
    // Each round another one goes first: none always follows the same neighbour.
    const first = (round + warmUp) % alternatives.length;
    const order = [...alternatives.slice(first), ...alternatives.slice(0, first)];
    const result = Object.fromEntries(alternatives.map(({ name }) => [name, undefined]));
    for (const { name, run } of order) result[name] = await run(round);
    if (round >= 0) results.push(result);
  }
  return results;
}

/**
 * Times one operation after the other.
 *
 * @param {() => unknown} operation awaited when it gives a promise
 * @param {number} count
 * @returns {Promise<number[]>} microseconds of each
 */
export async function timeEach(operation, count) {
  const samples = [];
  for (let i = 0; i < count; i++) {
    const started = performance.now();
    const pending = operation();
    // An await that nothing needs would put a turn of the microtask queue on a synchronous one's bill.
    if (pending instanceof Promise) await pending;
    samples.push((performance.now() - started) * 1e3);
  }
  return samples;
}
