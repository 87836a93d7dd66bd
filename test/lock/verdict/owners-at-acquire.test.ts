/** Owners that are easily taken for dead, alive or another process, as a contender meets them. */
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { beforeEach, describe, expect, test } from "vitest";

import { getProcessStartTime, identifyProcess } from "../../../lib/index.js";
import { acquireSessionWriteLock } from "../../../lib/session-lock/acquire.js";
import { SessionWriteLockTimeoutError } from "../../../lib/session-lock/errors.js";
import { type AcquirerOptions, startHolding, tryElsewhere } from "../../support/locks/acquirer.js";
import { nodeArguments, type RunningChild, startReady } from "../../support/processes/child.js";
import { importDist, startHolder, writePlainLock } from "../../support/locks/lock-holder.js";
import { program } from "../../support/processes/programs.js";
import { isZombie } from "../../support/processes/process-state.js";
import { requireLinux, requireNative, requireRoot } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { AS_NOBODY, readablePackage } from "../../support/processes/unprivileged.js";
import { waitFor } from "../../support/wait-for.js";

beforeEach((context) => {
  requireLinux(context, "its processes");
  requireNative(context);
});

function sessionIn(folder: string): string {
  return join(folder, "s.jsonl");
}

/**
 * What becomes of the lock within a budget that ends before a waiter would look again at one that has not
 * changed: "taken", or which process still holds it, unchanged.
 */
async function contend(folder: string): Promise<string> {
  const sessionFile = sessionIn(folder);
  const before = readFileSync(`${sessionFile}.lock`, "utf8");
  try {
    const lock = await acquireSessionWriteLock({ sessionFile, env: {}, timeoutMs: 600 });
    await lock.release();
  } catch (error) {
    if (!(error instanceof SessionWriteLockTimeoutError)) throw error;
    if (readFileSync(`${sessionFile}.lock`, "utf8") !== before) return "changed";
    return `kept: ${error.owner.replace(/ ageMs=\d+$/u, "")}`;
  }
  const left = readdirSync(folder);
  return left.length === 0 ? "taken" : `taken, left ${left.join(", ")}`;
}

function keptFor(pid: number): string {
  return `kept: pid=${pid} alive=true`;
}

/** A lock of `pid` as this package writes it, where no kernel lock can be had. */
function writeLockWithToken(folder: string, pid: number): void {
  writePlainLock(folder, "s", {
    pid,
    starttime: getProcessStartTime(pid),
    owner: identifyProcess(pid),
    nonce: "00112233445566778899aabbccddeeff",
  });
}

/** Locks that name a process and can prove that it is the one. */
const WRITERS: readonly [string, (folder: string, pid: number) => void][] = [
  [
    "a plain lock",
    (folder, pid) => {
      const starttime = getProcessStartTime(pid);
      writePlainLock(folder, "s", { pid, starttime });
    },
  ],
  ["a lock with a token", writeLockWithToken],
];

describe("another user's processes", () => {
  /** A folder in which every user may lock, and how the user nobody does. */
  function shared(): { folder: string; otherUser: AcquirerOptions } {
    const folder = temporaryFolder();
    chmodSync(folder, 0o777);
    return { folder, otherUser: { ...readablePackage(), prefix: AS_NOBODY } };
  }

  test("a live holder that is root's is waited for by another user, and its death is noticed", async (context) => {
    requireRoot(context, "to be another user");
    const { folder, otherUser } = shared();
    const holder = await startHolding(sessionIn(folder));
    expect(await tryElsewhere(sessionIn(folder), otherUser)).toMatchObject({
      name: "SessionWriteLockTimeoutError",
      owner: expect.stringMatching(`^pid=${holder.pid} alive=true `) as string,
    });
    await holder.kill();
    expect(await tryElsewhere(sessionIn(folder), otherUser)).toEqual({ kind: "released" });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a live holder that is another user's is waited for by root, and its death is noticed", async (context) => {
    requireRoot(context, "to be another user");
    const { folder, otherUser } = shared();
    const holder = await startHolding(sessionIn(folder), otherUser);
    expect(await contend(folder)).toBe(keptFor(holder.pid));
    await holder.kill();
    expect(await contend(folder)).toBe("taken");
  });

  test("a guard that root left behind does not keep another user out", async (context) => {
    requireRoot(context, "to be another user");
    const { folder, otherUser } = shared();
    const holder = await startHolder(`${sessionIn(folder)}.lock`, { hasGuardFile: true });
    await holder.kill();
    writeFileSync(`${sessionIn(folder)}.lock.guard`, "");
    expect(await tryElsewhere(sessionIn(folder), otherUser)).toEqual({ kind: "released" });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a dead owner's lock in a sticky directory may not be removed by another user, and the error says so", async (context) => {
    requireRoot(context, "to be another user");
    const { folder, otherUser } = shared();
    chmodSync(folder, 0o1777);
    const holder = await startHolding(sessionIn(folder));
    await holder.kill();
    const before = readFileSync(`${sessionIn(folder)}.lock`, "utf8");
    expect(await tryElsewhere(sessionIn(folder), otherUser)).toMatchObject({
      name: "SessionWriteLockFileError",
      syscall: "unlink",
      cause: { code: "EPERM", path: `${sessionIn(folder)}.lock` },
    });
    expect(readFileSync(`${sessionIn(folder)}.lock`, "utf8")).toBe(before);
  });

  test.for(WRITERS)(
    "%s of root's process is not another user's to take",
    async ([, write], context) => {
      requireRoot(context, "to be another user");
      const { folder, otherUser } = shared();
      const owner = await startReady(program("idle"));
      write(folder, owner.pid);
      expect(await tryElsewhere(sessionIn(folder), otherUser)).toMatchObject({
        name: "SessionWriteLockTimeoutError",
        owner: expect.stringMatching(`^pid=${owner.pid} alive=true `) as string,
      });
      await owner.kill();
      expect(await tryElsewhere(sessionIn(folder), otherUser)).toEqual({ kind: "released" });
    },
  );
});

describe("a zombie", () => {
  test.each(WRITERS)("%s of a zombie is taken at once", async (_, write) => {
    const folder = temporaryFolder();
    const parent = await startReady(program("zombie-parent"), ["later"]);
    const pid = Number(parent.first);
    write(folder, pid);
    expect(await contend(folder)).toBe(keptFor(pid));
    process.kill(pid, "SIGKILL");
    await waitFor("the zombie", () => isZombie(pid));
    expect(await contend(folder)).toBe("taken");
    // No process has reaped it meanwhile.
    expect(isZombie(pid)).toBe(true);
  });

  test("a lock that a real holder left as a zombie is taken at once", async () => {
    const folder = temporaryFolder();
    const holder = await startHolding(sessionIn(folder), { prefix: [program("never-reaps")] });
    const { pid } = JSON.parse(readFileSync(`${sessionIn(folder)}.lock`, "utf8")) as {
      pid: number;
    };
    expect(pid).not.toBe(holder.pid);
    expect(await contend(folder)).toBe(keptFor(pid));
    process.kill(pid, "SIGKILL");
    await waitFor("the zombie", () => isZombie(pid));
    expect(await contend(folder)).toBe("taken");
    expect(isZombie(pid)).toBe(true);
  });
});

test.each(WRITERS)(
  "%s of a process whose first thread has exited is kept while others run",
  async (_, write) => {
    const folder = temporaryFolder();
    const owner = await startReady(program("leader-exits"));
    expect(isZombie(owner.pid)).toBe(true);
    write(folder, owner.pid);
    expect(await contend(folder)).toBe(keptFor(owner.pid));
    await owner.kill();
    expect(await contend(folder)).toBe("taken");
  },
);

test("a plain lock that names a thread of a live process is taken: its process is gone", async () => {
  const folder = temporaryFolder();
  const owner = await startReady(program("leader-exits"));
  const thread = Number(owner.first);
  expect(thread).not.toBe(owner.pid);
  expect(existsSync(`/proc/${thread}`)).toBe(true);
  writePlainLock(folder, "s", { pid: thread });
  expect(await contend(folder)).toBe("taken");
});

describe("a process with a rewritten title", () => {
  /** A process that gives itself that title. */
  function titled(title: string): Promise<RunningChild> {
    const script = `process.title = ${JSON.stringify(title)}; console.log(1); setInterval(() => {}, 1e6);`;
    // Room for it: a title is cut to the length of the command line.
    const args = [...nodeArguments(script), "x".repeat(64)];
    return startReady(process.execPath, args);
  }

  test("a holder with a rewritten title is not foreign, whatever it calls itself", async () => {
    const folder = temporaryFolder();
    const script = `
      ${importDist("acquireSessionWriteLock", "session-lock/index.js")}
      await acquireSessionWriteLock({ sessionFile: ${JSON.stringify(sessionIn(folder))}, env: {} });
      process.title = "postgres: writer";
      console.log("holding");
      setInterval(() => {}, 1e6);`;
    const holder = await startReady(process.execPath, nodeArguments(script));
    expect(await contend(folder)).toBe(keptFor(holder.pid));
  });

  test.each(WRITERS)(
    "a process with a rewritten title is not foreign to %s, which proves who it is",
    async (_, write) => {
      const folder = temporaryFolder();
      const owner = await titled("postgres: writer");
      write(folder, owner.pid);
      expect(await contend(folder)).toBe(keptFor(owner.pid));
    },
  );

  test("a gateway with a rewritten title is recognised where nothing is proven", async () => {
    const folder = temporaryFolder();
    const owner = await titled("openclaw-gateway");
    writePlainLock(folder, "s", { pid: owner.pid });
    expect(await contend(folder)).toBe(keptFor(owner.pid));
  });

  test("another program with a rewritten title is foreign where nothing is proven", async () => {
    const folder = temporaryFolder();
    const owner = await titled("postgres: writer");
    writePlainLock(folder, "s", { pid: owner.pid });
    expect(await contend(folder)).toBe("taken");
  });
});
