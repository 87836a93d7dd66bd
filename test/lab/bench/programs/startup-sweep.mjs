/**
 * node startup-sweep.mjs <JSON: { entry, sessionsDirs, isOwner, cacheDirectory? }>
 *
 * What a gateway does first: a fresh process imports pidentity/session-lock (`entry`, its URL) and sweeps these
 * directories. `isOwner`: what every live process counts as. `cacheDirectory`: with module.enableCompileCache.
 * Prints the time until the sweep was called, of the sweep itself, its event-loop delay, that of slices that do nothing
 * for as long, and what was counted.
 */
import nodeModule from "node:module";

const { entry, sessionsDirs, isOwner, cacheDirectory } = JSON.parse(process.argv[2]);
if (cacheDirectory !== undefined) {
  const { status, message } = nodeModule.enableCompileCache(cacheDirectory);
  if (status !== nodeModule.constants.compileCacheStatus.ENABLED) throw new Error(message);
}
const { sweepSessionLocks } = await import(entry);
// Since the process began.
const readyMs = performance.now();

// What watches is no part of what is measured.
const { watchLoop } = await import("../measure/loop-health.mjs");
const { value, ...health } = await watchLoop(() =>
  sweepSessionLocks({ sessionsDirs, isOwnerArgv: () => isOwner }),
);
const { watchEmptySlices } = await import("../measure/empty-slices.mjs");
const empty = await watchEmptySlices(health.ms);
console.log(JSON.stringify({ ...health, ...empty, readyMs, counts: value.counts }));
