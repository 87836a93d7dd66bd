/**
 * node sweep-once.mjs <JSON: { sessionsDir, what, report, removeStale, delayMs?, again? }>
 *
 * One sweep in a fresh process, or (`what: "names"`) only the list of names that it works on. Prints time,
 * event-loop delay, garbage collection, the largest resident set and what was counted. `delayMs`: every
 * opening of a lock takes so long, as on a slow disk. `again`: so many sweeps more in the same process, of
 * which the last one's event-loop delay is printed as well: by then V8 has compiled what it compiles.
 */
import { importModule } from "../product.mjs";
import { watchEmptySlices } from "../measure/empty-slices.mjs";
import { watchLoop } from "../measure/loop-health.mjs";

const { sweepDirectory } = await importModule("session-lock/sweep/sweep.js");
const { resolveSweepOptions } = await importModule("session-lock/sweep/options.js");
const { listLocks } = await importModule("session-lock/sweep/list-locks.js");
const { realLockFs } = await importModule("lock/protocol/lock-fs.js");
const { TimeSlice } = await importModule("util/time-slice.js");
const { waitSynchronously } = await importModule("util/timers.js");

const {
  sessionsDir,
  what,
  report,
  removeStale,
  delayMs = 0,
  again = 0,
} = JSON.parse(process.argv[2]);
const fs = {
  ...realLockFs,
  openForReading: (path) => {
    if (delayMs > 0) waitSynchronously(delayMs);
    return realLockFs.openForReading(path);
  },
};
// Live processes count as owners: their arguments are read, and recognised.
const plan = resolveSweepOptions({ sessionsDir, report, removeStale, isOwnerArgv: () => true });
const work = async () =>
  what === "names"
    ? { total: (await listLocks(sessionsDir, fs, new TimeSlice())).locks.length }
    : (await sweepDirectory(plan, fs)).counts;
const { value, ...health } = await watchLoop(work);
// Kilobytes.
const peakBytes = process.resourceUsage().maxRSS * 1024;
const empty = await watchEmptySlices(health.ms);
const compiled = {};
for (let i = 0; i < again; i++) {
  const { delayP99Ms, delayMaxMs } = await watchLoop(work);
  Object.assign(compiled, { compiledP99Ms: delayP99Ms, compiledMaxMs: delayMaxMs });
}
console.log(JSON.stringify({ ...health, ...empty, ...compiled, counts: value, peakBytes }));
