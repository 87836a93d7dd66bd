/**
 * node sweep-once.mjs <JSON: { sessionsDir, what, report, removeStale, delayMs? }>
 *
 * One sweep in a fresh process, or (`what: "names"`) only the list of names that it works on. Prints time,
 * event-loop delay, garbage collection, the largest resident set and what was counted. `delayMs`: every
 * opening of a lock takes so long, as on a slow disk.
 */
import { importProduct } from "../product.mjs";
import { watchLoop } from "../loop-health.mjs";

const { sweepDirectory } = await importProduct("session-lock/sweep.js");
const { resolveSweepOptions } = await importProduct("session-lock/sweep-options.js");
const { listLocks } = await importProduct("session-lock/list-locks.js");
const { realLockFs } = await importProduct("util/lock-fs.js");
const { TimeSlice } = await importProduct("util/time-slice.js");
const { waitSynchronously } = await importProduct("util/wait-synchronously.js");

const { sessionsDir, what, report, removeStale, delayMs = 0 } = JSON.parse(process.argv[2]);
const fs = {
  ...realLockFs,
  openForReading: (path) => {
    if (delayMs > 0) waitSynchronously(delayMs);
    return realLockFs.openForReading(path);
  },
};
// Live processes count as owners: their arguments are read, and recognised.
const plan = resolveSweepOptions({ sessionsDir, report, removeStale, isOwnerArgv: () => true });
const { value, ...health } = await watchLoop(async () =>
  what === "names"
    ? { total: (await listLocks(sessionsDir, fs, new TimeSlice())).locks.length }
    : (await sweepDirectory(plan, fs)).counts,
);
// Kilobytes.
const peakBytes = process.resourceUsage().maxRSS * 1024;
console.log(JSON.stringify({ ...health, counts: value, peakBytes }));
