// The package as a new user's program uses it: clears up, takes a crashed run's lock, writes, lets go.
//
//   node example.mjs <sessions directory>
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

import { identifyProcess, inspectProcess, verifyProcess } from "pidentity";
import {
  cleanStaleLockFiles,
  isSessionWriteLockTimeoutError,
  withSessionWriteLock,
} from "pidentity/session-lock";

const [sessionsDir] = process.argv.slice(2);

const { counts } = await cleanStaleLockFiles({ sessionsDir, removeStale: false });
console.log("locks:", JSON.stringify(counts));

const crashed = join(sessionsDir, "crashed.jsonl");
await withSessionWriteLock({ sessionFile: crashed, label: "after the crash" }, (lock) => {
  lock.withFence(() => appendFileSync(crashed, '{"type":"message"}\n'));
  const { label } = JSON.parse(readFileSync(lock.lockPath, "utf8"));
  console.log("held:", basename(lock.lockPath), `(${label})`);
});
console.log("written:", readFileSync(crashed, "utf8").trim());
console.log("released:", !existsSync(`${crashed}.lock`));

try {
  await withSessionWriteLock(
    { sessionFile: join(sessionsDir, "held.jsonl"), timeoutMs: 50 },
    () => {},
  );
} catch (error) {
  if (!isSessionWriteLockTimeoutError(error)) throw error;
  console.log("busy:", error.message.split(" ").slice(0, 6).join(" "));
}

const token = identifyProcess();
console.log("this process:", inspectProcess(process.pid).state, verifyProcess(token).state);
