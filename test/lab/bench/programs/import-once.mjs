/**
 * node import-once.mjs <url>
 *
 * Imports one module in a fresh process and tells how long that took and what native code is loaded then.
 */
const started = performance.now();
await import(process.argv[2]);
const ms = performance.now() - started;

// Looking up the names of network interfaces is no part of this.
process.report.excludeNetwork = true;
const { sharedObjects } = process.report.getReport();
console.log(JSON.stringify({ ms, sharedObjects }));
