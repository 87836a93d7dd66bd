// Writes locks and stays: node|bun|deno writer.mjs <plain|plain-without-start|ours> <session file>...
//
// Says its pid once all locks are there. A line on its standard input ends it at once, as SIGKILL does.
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";

const [kind, ...sessionFiles] = process.argv.slice(2);

async function writeOurs() {
  const { acquireSessionWriteLock } = await import("../../../dist/session-lock/index.js");
  for (const sessionFile of sessionFiles) {
    await acquireSessionWriteLock({ sessionFile, env: {}, timeoutMs: 5000 });
  }
}

/** As gateways of today do: four keys, no kernel lock. */
function writePlain(withStart) {
  process.title = "openclaw-gateway";
  const stat = readFileSync("/proc/self/stat", "latin1");
  const starttime = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
  const payload = { pid: process.pid, createdAt: new Date().toISOString(), maxHoldMs: 300_000 };
  const text = JSON.stringify(withStart ? { ...payload, starttime } : payload, null, 2);
  for (const sessionFile of sessionFiles) {
    writeFileSync(`${sessionFile}.lock`, `${text}\n`, { flag: "wx" });
  }
}

if (kind === "ours") await writeOurs();
else writePlain(kind === "plain");
console.log(process.pid);
process.stdin.once("data", () => process.kill(process.pid, "SIGKILL"));
setInterval(() => {}, 1e6);
