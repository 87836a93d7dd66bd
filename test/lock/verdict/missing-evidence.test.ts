/** Facts that are missing, or that another machine or container told, are no evidence: locks of living owners stay. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { beforeEach, expect, onTestFinished, test, type TestContext } from "vitest";

import { hostFacts } from "../../../lib/process/identity.js";
import { getProcessStartTime } from "../../../lib/process/inspect.js";
import { acquireLock } from "../../../lib/lock/acquire.js";
import { acquireSessionWriteLock } from "../../../lib/session-lock/acquire.js";
import { resolveAcquireOptions } from "../../../lib/session-lock/acquire-options.js";
import { inspectSessionLock } from "../../../lib/session-lock/inspect.js";
import type { SessionLockInspection } from "../../../lib/session-lock/reasons.js";
import { cleanStaleLockFiles, sweepDirectory } from "../../../lib/session-lock/sweep/sweep.js";
import { resolveSweepOptions } from "../../../lib/session-lock/sweep/options.js";
import { realLockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { startHolding, tryElsewhere } from "../../support/locks/acquirer.js";
import {
  nodeArguments,
  type RunningChild,
  runNode,
  startReady,
} from "../../support/processes/child.js";
import { importDist, writePlainLock } from "../../support/locks/lock-holder.js";
import { mountPrivately } from "../../support/processes/mount-namespace.js";
import { program } from "../../support/processes/programs.js";
import { requireLinux, requireNative, requireOfRoot, requireRoot } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { AS_NOBODY, readablePackage } from "../../support/processes/unprivileged.js";

beforeEach((context) => {
  requireLinux(context, "namespaces and /proc");
  requireNative(context);
});

const CONTAINER = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"] as const;
/** As masked by container runtimes and systemd's ProcSubset=pid: no boot id. */
const WITHOUT_PROC_SYS = ["sh", "-c", 'mount -t tmpfs none /proc/sys && exec "$0" "$@"'] as const;

/** A /proc of its own: to remount the one that is there would change it for the whole machine. */
const HIDE_OTHERS = "mount -t proc -o hidepid=2 proc /proc";

const SLEEPER = ["-e", "console.log('started'); process.stdin.resume().on('end', process.exit)"];

/** A process of another program; what its first line says is not of interest. */
function startForeign(prefix: readonly string[] = []): Promise<RunningChild> {
  const [file = "", ...args] = [...prefix, process.execPath, ...SLEEPER];
  return startReady(file, args);
}

/** A process inside a container that writes a plain lock and stays, under a title that owners have. */
async function startPlainOwner(
  folder: string,
  { hasStart, prefix = CONTAINER }: { hasStart: boolean; prefix?: readonly string[] },
): Promise<RunningChild> {
  const script = `
    import { readFileSync, writeFileSync } from "node:fs";
    process.title = "openclaw-gateway";
    const stat = readFileSync("/proc/self/stat", "latin1");
    const starttime = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
    const payload = { pid: process.pid, createdAt: new Date().toISOString(), maxHoldMs: 300000 };
    writeFileSync(${JSON.stringify(join(folder, "s.jsonl.lock"))}, JSON.stringify(
      ${hasStart ? "{ ...payload, starttime }" : "payload"}));
    console.log("written");
    process.stdin.resume().on("end", () => process.exit());`;
  const [file = "", ...args] = [...prefix, process.execPath, ...nodeArguments(script)];
  return await startReady(file, args);
}

async function sweepOne(
  folder: string,
  plainLocks?: "judge" | "keep",
): Promise<SessionLockInspection | undefined> {
  const { locks } = await cleanStaleLockFiles({ sessionsDir: folder, plainLocks, env: {} });
  return locks[0];
}

/** Starts what follows in a pid namespace of its own, under a number that no process has here, nor in other containers. */
function inContainerAs(pid: number): readonly string[] {
  const script = 'echo "$0" > /proc/sys/kernel/ns_last_pid; "$@"; exit';
  return [...CONTAINER, "sh", "-c", script, String(pid - 1)];
}

function freePid(): number {
  for (;;) {
    const pid = 20_000 + Math.floor(Math.random() * 10_000);
    if (!existsSync(`/proc/${String(pid)}`)) return pid;
  }
}

function requireHost(context: TestContext): void {
  requireRoot(context, "makes pid namespaces");
  const isHost = hostFacts().initialPidNamespace;
  requireOfRoot(context, isHost ? null : "needs the initial pid namespace");
}

test("a reading of another clock that says more than the wall clock makes no live holder overdue", async () => {
  const folder = temporaryFolder();
  const lock = await acquireSessionWriteLock({ sessionFile: join(folder, "s.jsonl"), env: {} });
  onTestFinished(() => lock.release());
  // What a runtime writes whose clock begins with its process.
  const text = readFileSync(lock.lockPath, "utf8");
  const payload = JSON.parse(text) as Record<string, unknown>;
  writeFileSync(lock.lockPath, JSON.stringify({ ...payload, monotonicMs: 40 }));
  expect(await tryElsewhere(lock.sessionFile)).toMatchObject({
    name: "SessionWriteLockTimeoutError",
  });
  writeFileSync(lock.lockPath, text);
});

test("a lock of this package is written without a clock reading where the machine's clock cannot be read", async () => {
  const folder = temporaryFolder();
  const env = { ...process.env, PIDENTITY_NO_NATIVE: "1" };
  const text = (await runNode(
    `${importDist("acquireSessionWriteLock", "session-lock/index.js")}
     import { readFileSync } from "node:fs";
     const lock = await acquireSessionWriteLock({ sessionFile: ${JSON.stringify(join(folder, "s.jsonl"))}, env: {} });
     console.log(JSON.stringify(readFileSync(lock.lockPath, "utf8")));
     await lock.release();`,
    { env },
  )) as string;
  expect(JSON.parse(text)).not.toHaveProperty("monotonicMs");
});

test("a live holder whose boot id cannot be read stays, seen from its host and from another container", async (context) => {
  requireHost(context);
  const folder = temporaryFolder();
  const sessionFile = join(folder, "s.jsonl");
  const prefix = [...CONTAINER, ...WITHOUT_PROC_SYS];
  const holder = await startHolding(sessionFile, { prefix });
  const payload = JSON.parse(readFileSync(`${sessionFile}.lock`, "utf8")) as object;
  expect(payload).not.toHaveProperty("owner");
  expect(payload).toHaveProperty("kernelLock");

  expect(await sweepOne(folder)).toMatchObject({
    ownerState: "same",
    ownerReason: "kernel-lock-held",
    removed: false,
    stale: false,
  });
  for (const elsewhere of [[], prefix]) {
    expect(await tryElsewhere(sessionFile, { prefix: elsewhere })).toMatchObject({
      name: "SessionWriteLockTimeoutError",
    });
  }
  await holder.kill();
  expect(await tryElsewhere(sessionFile, { prefix })).toEqual({ kind: "released" });
});

test("a lock of this package without token and start time is never a foreign program's", async () => {
  const folder = temporaryFolder();
  const foreign = await startForeign();
  const lockPath = writePlainLock(folder, "s", { pid: foreign.pid, nonce: "0".repeat(32) });
  expect(await inspectSessionLock(lockPath)).toMatchObject({
    staleReasons: [],
    removable: false,
    ownerState: "unknown",
    ownerReason: "no-token",
  });
  await foreign.kill();
  // Nor is a dead pid proof of anything: whose namespace it was is not known.
  expect(await sweepOne(folder)).toMatchObject({ removed: false, ownerReason: "no-token" });
  expect(existsSync(lockPath)).toBe(true);
});

test.for([true, false])(
  "a live container's plain lock stays when its host sweeps, takes and inspects it, start time written: %s",
  async (hasStart, context) => {
    requireHost(context);
    const folder = temporaryFolder();
    // A number that other containers have, such as those of other tests, keeps the lock behind its dead owner, too.
    const prefix = inContainerAs(freePid());
    const owner = await startPlainOwner(folder, { hasStart, prefix });
    const lockPath = join(folder, "s.jsonl.lock");
    const written = readFileSync(lockPath, "utf8");
    const expected = hasStart
      ? { ownerState: "same", ownerReason: "start-time-equal", stale: false }
      : { ownerState: "unknown", ownerReason: "other-pid-namespace" };
    expect(await inspectSessionLock(lockPath)).toMatchObject({ ...expected, removable: false });
    expect(await sweepOne(folder)).toMatchObject({ ...expected, removed: false });
    expect(await tryElsewhere(join(folder, "s.jsonl"))).toMatchObject({ kind: "refused" });
    expect(readFileSync(lockPath, "utf8")).toBe(written);

    // What started the container is killed, and all that is in it with it.
    await owner.kill();
    await expect.poll(() => sweepOne(folder), { timeout: 20_000 }).toMatchObject({ removed: true });
  },
);

test("a live container's plain lock stays when its host's ordinary user, who sees no other processes, sweeps", async (context) => {
  requireHost(context);
  const { entry, node } = readablePackage();
  const folder = temporaryFolder();
  chmodSync(dirname(folder), 0o777);
  chmodSync(folder, 0o777);
  // Under a pid that nothing has outside.
  const prefix = [...CONTAINER, program("spawn-as"), "30001"];
  await startPlainOwner(folder, { hasStart: true, prefix });
  const seen = await runNode(
    `const { cleanStaleLockFiles } = await import(${JSON.stringify(join(dirname(entry), "session-lock/index.js"))});
     const { locks } = await cleanStaleLockFiles({ sessionsDir: ${JSON.stringify(folder)}, env: {} });
     console.log(JSON.stringify(locks));`,
    {
      entry,
      node,
      prefix: ["unshare", "--mount", "sh", "-c", `${HIDE_OTHERS} && exec "$0" "$@"`, ...AS_NOBODY],
      cwd: "/",
    },
  );
  expect(seen).toMatchObject([{ removed: false, ownerReason: "other-pid-namespace" }]);
});

test("a plain owner in a time namespace of its own stays", async (context) => {
  requireRoot(context, "makes time namespaces");
  const folder = temporaryFolder();
  const prefix = ["unshare", "--time", "--boottime", "86400", "--fork", "--kill-child"];
  await startPlainOwner(folder, { hasStart: true, prefix });
  expect(await sweepOne(folder)).toMatchObject({ ownerState: "same", removed: false });
});

test("between containers a plain lock is judged by its pid, and with plainLocks: keep by nothing", async (context) => {
  requireRoot(context, "makes pid namespaces");
  const folder = temporaryFolder();
  await startPlainOwner(folder, { hasStart: true });
  const sweep = (plainLocks: string): Promise<unknown> =>
    runNode(
      `${importDist("cleanStaleLockFiles", "session-lock/index.js")}
       const { locks } = await cleanStaleLockFiles({
         sessionsDir: ${JSON.stringify(folder)}, plainLocks: ${JSON.stringify(plainLocks)}, env: {} });
       console.log(JSON.stringify(locks));`,
      // One more process before it, so that its own pid is another one than the owner's.
      { prefix: [...CONTAINER, "sh", "-c", '"$0" "$@" || exit 1'] },
    );
  expect(await sweep("keep")).toMatchObject([{ removed: false, ownerReason: "plain-lock" }]);
  expect(await sweep("judge")).toMatchObject([{ removed: true }]);
});

test("a plain lock on a network's file system stays, whatever its pid says here", async () => {
  const folder = temporaryFolder();
  const foreign = await startForeign();
  await foreign.kill();
  const lockPath = writePlainLock(folder, "s", { pid: foreign.pid });
  const overNfs = { ...realLockFs, fileSystemType: () => 0x6969 };
  const plan = resolveSweepOptions({ sessionsDir: folder, env: {} });
  expect((await sweepDirectory(plan, overNfs)).locks).toMatchObject([
    { removed: false, ownerState: "unknown", ownerReason: "other-host" },
  ]);
  const acquiring = resolveAcquireOptions({
    sessionFile: join(folder, "s.jsonl"),
    timeoutMs: 100,
    env: {},
  });
  await expect(acquireLock(acquiring, overNfs)).rejects.toMatchObject({
    code: "SESSION_WRITE_LOCK_TIMEOUT",
  });
  expect(existsSync(lockPath)).toBe(true);
  expect(await sweepOne(folder)).toMatchObject({ removed: true });
});

test("a virtual /proc/uptime proves no earlier boot, with a start time that is hidden", async (context) => {
  requireRoot(context, "replaces /proc/uptime");
  const { entry, node } = readablePackage();
  const folder = temporaryFolder();
  chmodSync(dirname(folder), 0o777);
  chmodSync(folder, 0o777);
  const owner = await startForeign();
  const starttime = getProcessStartTime(owner.pid);
  writePlainLock(folder, "s", { pid: owner.pid, starttime });
  writeFileSync(join(folder, "uptime"), "3.00 2.00\n");
  const mounts = `${HIDE_OTHERS} && mount --bind ${folder}/uptime /proc/uptime`;
  const seen = await runNode(
    `const { cleanStaleLockFiles } = await import(${JSON.stringify(join(dirname(entry), "session-lock/index.js"))});
     const { locks } = await cleanStaleLockFiles({ sessionsDir: ${JSON.stringify(folder)}, env: {} });
     console.log(JSON.stringify(locks));`,
    {
      entry,
      node,
      prefix: ["unshare", "--mount", "sh", "-c", `${mounts} && exec "$0" "$@"`, ...AS_NOBODY],
      cwd: "/",
    },
  );
  expect(seen).toMatchObject([{ removed: false, ownerReason: "access-denied" }]);
});

const REBOOTED = (file: string): readonly string[] => [
  "unshare",
  "--mount",
  "--uts",
  "sh",
  "-c",
  `mount --bind ${file} /proc/sys/kernel/random/boot_id && hostname former && exec "$0" "$@"`,
];

test("a lock of the boot before the last one, under the machine's former name, is a dead owner's", async (context) => {
  requireRoot(context, "replaces the boot id");
  const folder = temporaryFolder();
  const bootId = join(folder, "boot_id");
  writeFileSync(bootId, "00000000-1111-4222-8333-444444444444\n");
  const sessionFile = join(folder, "s.jsonl");
  const holder = await startHolding(sessionFile, { prefix: REBOOTED(bootId) });
  // The same host: its kernel still has the lock, whatever the token says of the boot.
  expect(await sweepOne(folder)).toMatchObject({ ownerReason: "kernel-lock-held", removed: false });
  await holder.kill();
  expect(await sweepOne(folder)).toMatchObject({ removed: true });
});

test("a container that restarts on its own overlay takes over what its predecessor left", async (context) => {
  const place = await mountPrivately(
    context,
    `mount -t tmpfs tmpfs "$PWD"; cd "$PWD"; mkdir lower upper work merged`,
  );
  const { folder, prefix } = place;
  const overlay = [
    ...prefix,
    "unshare",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "sh",
    "-c",
    `mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged 2>/dev/null ||
     exit 3; exec "$0" "$@"`,
  ];
  const inside = overlay.map((argument) =>
    argument.replaceAll(/(?<==|\s)(?=(?:lower|upper|work|merged)\b)/gu, `${folder}/`),
  );
  const sessionFile = join(folder, "merged/s.jsonl");
  const first = await startHolding(sessionFile, { prefix: inside });
  await first.kill();
  expect(await tryElsewhere(sessionFile, { prefix: inside, timeoutMs: 5000 })).toEqual({
    kind: "released",
  });
});

test("process 1 of a restarted container takes the pid file that names itself", async (context) => {
  requireRoot(context, "makes pid namespaces");
  const folder = temporaryFolder();
  const path = join(folder, "daemon.pid");
  const acquire = (): Promise<unknown> =>
    runNode(
      `${importDist("acquirePidFile", "file-lock/index.js")}
       const lock = await acquirePidFile({ path: ${JSON.stringify(path)} });
       console.log(JSON.stringify(process.pid));
       process.kill(process.pid, "SIGKILL");`,
      { prefix: [...CONTAINER, "sh", "-c", 'exec "$0" "$@"'] },
    ).catch((error: unknown) => String(error));
  mkdirSync(folder, { recursive: true });
  writeFileSync(path, "1\n");
  for (let start = 0; start < 3; start++) {
    // As process 1 it cannot kill itself: it ends by its own exit, or is killed from outside.
    expect(await acquire()).toBe(1);
  }
});
