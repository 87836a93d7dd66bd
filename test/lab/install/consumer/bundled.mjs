// Bundled, traced, transformed or run as it is; started by ../bundlers.mjs.
//
//   bundled.mjs <sessions directory, with a stale lock in it>
//
// Prints one line of JSON: what either entry point says of the addon, and the lock's fate. No await outside of functions:
// CommonJS has none.
import { inspectProcess, nativeStatus } from "pidentity";
import * as locks from "pidentity/session-lock";

const told = ({ backend, path, error }) => ({ backend, path, error: error?.message });

async function main() {
  const [sessionsDir] = process.argv.slice(2);
  const { locks: found } = await locks.cleanStaleLockFiles({ sessionsDir });
  // Twice: what is told is told once.
  await locks.cleanStaleLockFiles({ sessionsDir });
  const lock = await locks.acquireSessionWriteLock({ sessionFile: `${sessionsDir}/own.jsonl` });
  lock.withFence(() => {});
  await lock.release();
  console.log(
    JSON.stringify({
      state: inspectProcess(process.pid).state,
      process: told(nativeStatus()),
      locks: told(locks.nativeStatus()),
      fate: found.map(({ removed, keptReason }) => (removed ? "removed" : keptReason)),
    }),
  );
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
