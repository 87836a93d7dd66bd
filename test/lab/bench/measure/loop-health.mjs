/** How the event loop fares while something runs: timers that come late, and the garbage collector's share. */
import { monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";

/**
 * @typedef {object} LoopHealth all in milliseconds
 * @property {number} ms how long the work took
 * @property {number} cpuMs CPU time of all threads meanwhile
 * @property {number} delayP99Ms how late timers came
 * @property {number} delayMaxMs
 * @property {number} gcMaxMs longest pause of the garbage collector
 * @property {number} gcMs all its pauses
 */

const TICK_MS = 1;

/** The monitor records how far apart the ticks of its timer are, not how late they come. */
function lateness(nanoseconds) {
  return Math.max(0, nanoseconds / 1e6 - TICK_MS);
}

/**
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<LoopHealth & { value: T }>}
 */
export async function watchLoop(work) {
  const pauses = [];
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) pauses.push(duration);
  });
  observer.observe({ entryTypes: ["gc"] });
  const histogram = monitorEventLoopDelay({ resolution: TICK_MS });
  histogram.enable();
  await delay(5);
  histogram.reset();
  const cpu = process.cpuUsage();
  const started = performance.now();
  const value = await work();
  const ms = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  // A block at the very end shows only when the next tick comes.
  await delay(5);
  histogram.disable();
  observer.disconnect();
  return {
    value,
    ms,
    cpuMs: (user + system) / 1e3,
    delayP99Ms: lateness(histogram.percentile(99)),
    delayMaxMs: lateness(histogram.max),
    gcMaxMs: Math.max(0, ...pauses),
    gcMs: pauses.reduce((sum, pause) => sum + pause, 0),
  };
}
