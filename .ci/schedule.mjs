// Which steps run beside which: two at a time at most, one that computes beside one that mostly waits. One that
// computes uses both cores itself when it is alone. What asserts or measures times has the machine for itself.

/**
 * @typedef {object} Step
 * @property {"waits" | "computes" | "alone"} kind
 * @property {number} seconds about how long it takes
 */

/**
 * What may start now: the longest first, of equally long ones in their order, and what runs alone at the end, when there is
 * nothing beside it anyhow.
 *
 * @param {readonly Step[]} waiting
 * @param {readonly Step[]} running
 * @returns {Step | null}
 */
export function nextStep(waiting, running) {
  const longestFirst = waiting.toSorted((a, b) => b.seconds - a.seconds);
  const longest = (...kinds) => longestFirst.find(({ kind }) => kinds.includes(kind)) ?? null;
  if (running.length === 0) return longest("waits", "computes") ?? longest("alone");
  if (running.length > 1 || running[0].kind === "alone") return null;
  if (running[0].kind === "computes") return longest("waits");
  return longest("computes") ?? longest("waits");
}

/**
 * Runs them all, in that order.
 *
 * @param {readonly Step[]} steps
 * @param {(step: Step) => Promise<void>} run
 * @param {AbortSignal} [signal] no further step starts after it
 */
export async function runSteps(steps, run, signal) {
  const waiting = [...steps];
  const running = new Map();
  while (running.size > 0 || (waiting.length > 0 && !signal?.aborted)) {
    for (;;) {
      const step = signal?.aborted ? null : nextStep(waiting, [...running.keys()]);
      if (step === null) break;
      waiting.splice(waiting.indexOf(step), 1);
      running.set(
        step,
        run(step).finally(() => running.delete(step)),
      );
    }
    await Promise.race(running.values());
  }
}

/**
 * How long they take in that order, if each takes as long as it says.
 *
 * @param {readonly Step[]} steps
 */
export function secondsOf(steps) {
  const waiting = [...steps];
  const running = new Map();
  let now = 0;
  while (waiting.length > 0 || running.size > 0) {
    for (;;) {
      const step = nextStep(waiting, [...running.keys()]);
      if (step === null) break;
      waiting.splice(waiting.indexOf(step), 1);
      running.set(step, now + step.seconds);
    }
    now = Math.min(...running.values());
    for (const [step, end] of running) if (end <= now) running.delete(step);
  }
  return now;
}
