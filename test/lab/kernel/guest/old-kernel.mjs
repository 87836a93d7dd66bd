// What a kernel before 6.9 and 6.10 leaves to be done, as the user that runs this: old-kernel.mjs <directory>
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { release as kernelRelease } from "node:os";
import { join } from "node:path";

import {
  identifyProcess,
  listProcesses,
  nativeStatus,
  signalProcess,
  verifyProcess,
} from "../../../../dist/index.js";
import { acquireSessionWriteLock } from "../../../../dist/session-lock/index.js";
import { check as checkIt } from "./check.mjs";
import { hold, judge, release } from "./programs.mjs";

const [directory] = process.argv.slice(2);
const user = process.getuid() === 0 ? "root" : "an ordinary user";
const check = (title, ...values) => checkIt(`${title} (${user})`, ...values);

const ENOENT = 2;
const ANONYMOUS_INODES = 0x09041934; // include/uapi/linux/magic.h ANON_INODE_FS_MAGIC

check("the kernel is Debian's 6.1", kernelRelease().startsWith("6.1."), true);
check("the addon answers", nativeStatus().backend, "native");
const facts = JSON.parse(spawnSync("/bin/facts", [directory], { encoding: "utf8" }).stdout);
check("pidfds have no inodes of their own here", facts, {
  pidfdType: ANONYMOUS_INODES,
  pidfdsShareAnInode: true,
});
check("an unnamed file is linked by its descriptor with privileges only", facts, {
  linkByDescriptor: process.getuid() === 0 ? 0 : ENOENT,
  linkByProc: 0,
});

const session = join(directory, "s.jsonl");
const lockPath = `${session}.lock`;
const holder = await hold("session", session);
const payload = JSON.parse(readFileSync(lockPath, "utf8"));
check("a lock is guarded by its own inode", payload, { guard: "inode", fileSystem: "ext" });
check("nothing lies beside a lock", readdirSync(directory), ["s.jsonl.lock"]);
check(
  "tokens name no exact id here",
  payload.owner === holder.token && !isExact(holder.token),
  true,
);
check("a live process is known by its token", verifyProcess(holder.token).state, "same");
check("two processes have two tokens", holder.token === identifyProcess(), false);
const listed = await listProcesses();
const entry = listed.find(({ pid }) => pid === holder.pid);
check("a process is listed with its arguments", entry?.args?.at(-1), session);
check("a live holder's lock is kept", await judge(session), {
  state: "same",
  reason: "kernel-lock-held",
  removable: false,
  swept: false,
  acquired: false,
});
check("signal 0 reaches the holder", signalProcess(holder.token, 0).state, "sent");
check("SIGKILL reaches the holder", signalProcess(holder.token, "SIGKILL").state, "sent");
await holder.ended;
check("a dead process is gone", verifyProcess(holder.token).state, "gone");
check("a signal to it goes to no process", signalProcess(holder.token, 0).state, "gone");

let evidence = null;
const lock = await acquireSessionWriteLock({
  sessionFile: session,
  timeoutMs: 5000,
  env: {},
  onReclaimed: (reclaimed) => (evidence = reclaimed),
});
check("a dead holder's lock is reclaimed", evidence !== null, true);
check(
  "a fenced write runs while the lock is held",
  lock.withFence(() => "written"),
  "written",
);
await lock.release();
check("a released lock leaves nothing", readdirSync(directory), []);

const dead = await hold("session", session);
await dead.kill();
check("a sweep removes a dead holder's lock", await judge(session), { state: "gone", swept: true });
await release(await hold("session", session));
check("a holder's release leaves nothing", readdirSync(directory), []);

/** The last field of a token, after the start time. */
function isExact(token) {
  return (token.split(".").at(-1) ?? "-") !== "-";
}
