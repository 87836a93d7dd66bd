/**
 * One directory under two names: a bind mount is the same file system, an overlay and its upper directory
 * are two, whose kernel locks know nothing of each other.
 */
import { join } from "node:path";

import { expect, test } from "vitest";

import { startHolding, tryElsewhere } from "../../support/locks/acquirer.js";
import { nodeArguments, runNode, startReady } from "../../support/processes/child.js";
import { importDist } from "../../support/locks/lock-holder.js";
import { mountPrivately, tryToMount } from "../../support/processes/mount-namespace.js";

const OVERLAY = `
mount -t tmpfs tmpfs "$PWD"
cd "$PWD"
mkdir lower upper work merged
mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged
mkdir merged/sessions`;

test.for([
  ["merged", "upper"],
  ["upper", "merged"],
] as const)(
  "a lock taken through %s of an overlay is respected through %s, and never removed there",
  { timeout: 60_000 },
  async ([own, other], context) => {
    const { folder, prefix } = await mountPrivately(context, OVERLAY);
    const sessionFile = (view: string): string => join(folder, view, "sessions/s.jsonl");
    const holder = await startHolding(sessionFile(own), { prefix });
    const owner = expect.stringMatching(`^pid=${holder.pid} alive=true ageMs=\\d+$`) as string;
    // Its token proves that it lives, where the kernel lock cannot be seen.
    for (const view of [other, own]) {
      expect(await tryElsewhere(sessionFile(view), { prefix })).toMatchObject({
        name: "SessionWriteLockTimeoutError",
        owner,
      });
    }
    await holder.kill();
    // The removal's guard would be another one than the one in the holder's view.
    expect(await tryElsewhere(sessionFile(other), { prefix })).toMatchObject({
      name: "SessionWriteLockStaleError",
      staleReasons: ["dead-pid"],
      keptReason: "other-view",
    });
    expect(await tryElsewhere(sessionFile(own), { prefix })).toEqual({ kind: "released" });
  },
);

test("a holder past its limit is displaced in its own view of an overlay only", async (context) => {
  const { folder, prefix } = await mountPrivately(context, OVERLAY);
  const sessionFile = (view: string): string => join(folder, view, "sessions/s.jsonl");
  await startHolding(sessionFile("merged"), { prefix, maxHoldMs: 1 });
  expect(await tryElsewhere(sessionFile("upper"), { prefix })).toMatchObject({
    staleReasons: ["hold-exceeded"],
    keptReason: "other-view",
  });
  expect(await tryElsewhere(sessionFile("merged"), { prefix })).toEqual({ kind: "released" });
});

// As a container's overlay is mounted anew when it restarts. The kernel only warns when the first one is still there.
const MOUNTED_TWICE = `${OVERLAY}
mkdir again
mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work again`;

test("a lock of an overlay's former mount is respected while its token proves the holder alive", async (context) => {
  const { folder, prefix } = await mountPrivately(context, MOUNTED_TWICE);
  const sessionFile = (view: string): string => join(folder, view, "sessions/s.jsonl");
  const holder = await startHolding(sessionFile("merged"), { prefix });
  expect(await tryElsewhere(sessionFile("again"), { prefix })).toMatchObject({
    name: "SessionWriteLockTimeoutError",
    owner: expect.stringMatching(`^pid=${holder.pid} alive=true ageMs=\\d+$`) as string,
  });
  await holder.kill();
  // Not another view: there is one mount at a time, and its guard is the one that counts.
  expect(await tryElsewhere(sessionFile("again"), { prefix })).toEqual({ kind: "released" });
});

test("a former container's lock, whose pid says nothing here, is taken on an overlay that is mounted anew", async (context) => {
  const { folder, prefix } = await mountPrivately(context, MOUNTED_TWICE);
  const sessionFile = (view: string): string => join(folder, view, "sessions/s.jsonl");
  const container = [...prefix, "unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const holder = await startHolding(sessionFile("merged"), { prefix: container });
  // Its host can look for it, a restarted container cannot.
  expect(await tryElsewhere(sessionFile("again"), { prefix })).toMatchObject({
    name: "SessionWriteLockTimeoutError",
  });
  await holder.kill();
  const restarted = { prefix: container, timeoutMs: 5000 };
  expect(await tryElsewhere(sessionFile("again"), restarted)).toEqual({ kind: "released" });
});

/** A daemon that publishes its pid file, or says why it could not. */
function daemon(options: object): readonly string[] {
  return nodeArguments(`
    ${importDist("acquirePidFile", "file-lock/index.js")}
    const held = await acquirePidFile(${JSON.stringify(options)}).catch((error) => error);
    console.log(held instanceof Error ? held.code : "running");
    process.stdin.resume();`);
}

/**
 * What containers can know of each other there. A restarted container sees what the second one does: its own mount of
 * the upper directory, and a lock of a process that is not here. It must recover, so the second one gets the lock.
 */
test.for([
  // What the guide says to use there.
  ["again", { format: "pid", plainLocks: "keep" }, "FILE_LOCK_TIMEOUT"],
  ["upper", { format: "pid", plainLocks: "keep" }, "FILE_LOCK_TIMEOUT"],
  ["upper", { format: "json" }, "FILE_LOCK_TIMEOUT"],
  // The limits that it tells of.
  ["again", { format: "pid" }, "running"],
  ["again", { format: "json" }, "running"],
  ["upper", { format: "pid" }, "running"],
] as const)(
  "a living container's pid file, seen by another container through %s of the overlay by %j: %s",
  async ([view, options, outcome], context) => {
    const { folder, prefix } = await mountPrivately(context, MOUNTED_TWICE);
    const [file, ...args] = [
      ...prefix,
      "unshare",
      "--pid",
      "--fork",
      "--kill-child",
      "--mount-proc",
    ];
    const inView = (of: string): readonly string[] => [
      process.execPath,
      ...daemon({ ...options, path: join(folder, of, "sessions/d.pid") }),
    ];
    // A shell in front: the daemon's pid is none of the other container's. It gives what it starts in the background
    // nothing to read, at whose end the daemon would end.
    const behindShell = ["sh", "-c", `exec 3<&0; "$0" "$@" <&3 & wait`];
    const first = await startReady(file, [...args, ...behindShell, ...inView("merged")]);
    expect(first.first).toBe("running");
    const second = await startReady(file, [...args, ...inView(view)]);
    expect(second.first).toBe(outcome);
  },
);

// A disk of its own, whose number is another one when it is mounted again: the first is taken by then.
const DISK = `
truncate -s 8M image other
mkdir disk other-disk
mkfs.ext4 -q image >&2
mkfs.ext4 -q other >&2
mount -o loop image disk
mkdir disk/sessions`;
const MOUNT_ANEW = `
umount disk
mount -o loop other other-disk
mount -o loop image disk`;

test("a dead holder's lock is taken on a disk that was mounted anew under another number", async (context) => {
  const place = await tryToMount(context, DISK);
  if (typeof place === "string") return context.skip(`needs loop devices: ${place}`);
  const { folder, prefix } = place;
  const sessionFile = join(folder, "disk/sessions/s.jsonl");
  const deviceOf = async (): Promise<unknown> =>
    await runNode(
      `import { statSync } from "node:fs";
       console.log(JSON.stringify(statSync(${JSON.stringify(`${sessionFile}.lock`)}).dev));`,
      { prefix },
    );
  const holder = await startHolding(sessionFile, { prefix });
  const before = await deviceOf();
  await holder.kill();
  await place.run(MOUNT_ANEW);
  expect(await deviceOf()).not.toBe(before);
  expect(await tryElsewhere(sessionFile, { prefix })).toEqual({ kind: "released" });
});

test("a copy of a living holder's lock on another disk is respected, and taken after its death", async (context) => {
  const place = await tryToMount(context, `${DISK}\nmount -o loop other other-disk`);
  if (typeof place === "string") return context.skip(`needs loop devices: ${place}`);
  const { folder, prefix } = place;
  const holder = await startHolding(join(folder, "disk/sessions/s.jsonl"), { prefix });
  await place.run("cp -a disk/sessions other-disk/sessions");
  const copy = join(folder, "other-disk/sessions/s.jsonl");
  expect(await tryElsewhere(copy, { prefix })).toMatchObject({
    name: "SessionWriteLockTimeoutError",
  });
  await holder.kill();
  expect(await tryElsewhere(copy, { prefix })).toEqual({ kind: "released" });
});

/**
 * Acquires again and again, and counts how often another holder was there. A view of an overlay keeps an
 * outdated picture of what the other one changed (the kernel calls the result undefined), so that errors,
 * but only errors, are allowed.
 */
const CONTENDER = `
  ${importDist("acquireSessionWriteLock", "session-lock/index.js")}
  import { mkdirSync, rmdirSync } from "node:fs";
  import { setTimeout as delay } from "node:timers/promises";
  const { folder, view, rounds } = JSON.parse(process.argv[1]);
  const report = { acquired: 0, refused: 0, overlaps: 0 };
  for (let round = 0; round < rounds; round++) {
    // A name that one view has seen come and go is of no use to the other one: a new one now and then.
    const sessionFile = folder + "/" + view + "/sessions/s" + Math.floor(round / 5) + ".jsonl";
    let lock;
    try {
      lock = await acquireSessionWriteLock({ sessionFile, timeoutMs: 50, env: {}, isOwnerArgv: () => true });
    } catch {
      report.refused++;
      continue;
    }
    report.acquired++;
    const oracle = folder + "/oracle-" + Math.floor(round / 5);
    try {
      mkdirSync(oracle);
      await delay(Math.random() * 4);
      rmdirSync(oracle);
    } catch {
      report.overlaps++;
    }
    await lock.release();
  }
  console.log(JSON.stringify(report));`;

test(
  "contenders in both views of an overlay never hold at once",
  { timeout: 90_000 },
  async (context) => {
    const { folder, prefix } = await mountPrivately(context, OVERLAY);
    const views = ["merged", "upper", "merged", "upper"];
    const reports = await Promise.all(
      views.map(async (view) => {
        const task = JSON.stringify({ folder, view, rounds: 200 });
        const [file, ...args] = prefix;
        const node = [process.execPath, ...nodeArguments(CONTENDER), task];
        const child = await startReady(file, [...args, ...node]);
        return JSON.parse(child.first) as { acquired: number; overlaps: number };
      }),
    );
    expect(reports.map(({ overlaps }) => overlaps)).toEqual([0, 0, 0, 0]);
    for (const { acquired } of reports) expect(acquired).toBeGreaterThan(0);
  },
);

test("a lock seen through a second bind mount is respected, and taken over after a death", async (context) => {
  const { folder, prefix } = await mountPrivately(context, `mkdir one two; mount --bind one two`);
  const holder = await startHolding(join(folder, "one/s.jsonl"), { prefix });
  const other = join(folder, "two/s.jsonl");
  expect(await tryElsewhere(other, { prefix })).toMatchObject({
    name: "SessionWriteLockTimeoutError",
  });
  await holder.kill();
  expect(await tryElsewhere(other, { prefix })).toEqual({ kind: "released" });
  // Overdue counts as well: the kernel lock and the guard are the same from both sides.
  await startHolding(other, { prefix, maxHoldMs: 1 });
  expect(await tryElsewhere(join(folder, "one/s.jsonl"), { prefix })).toEqual({ kind: "released" });
});
