import { spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { guardFilePathOf } from "../../../lib/lock/protocol/names.js";
import { tryEnterGuardFile } from "../../../lib/lock/protocol/guard-file.js";
import { realLockFs, type LockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { nodeArguments, runNode, startReady } from "../../support/processes/child.js";
import { importCompiled } from "../../support/locks/lock-holder.js";
import { stateOf } from "../../support/processes/process-state.js";
import { program } from "../../support/processes/programs.js";
import {
  asOrdinaryUser,
  requireLinux,
  requireNative,
  requirePosix,
  requireWindows,
} from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { waitFor } from "../../support/wait-for.js";

const ENTER = `
${importCompiled("tryEnterGuardFile", "lock/protocol/guard-file.js")}
${importCompiled("realLockFs", "lock/protocol/lock-fs.js")}
const lockPath = process.argv[1];
`;

function lockIn(folder: string): string {
  return join(folder, "s.jsonl.lock");
}

function enter(lockPath: string, fs: LockFs = realLockFs): () => void {
  const guard = tryEnterGuardFile(lockPath, fs);
  if (guard.kind !== "entered") throw new Error(`not entered: ${guard.kind}`);
  return () => guard.leave();
}

test("inside the guard there is a guard file, outside there is none", (context) => {
  requireNative(context);
  const lockPath = lockIn(temporaryFolder());
  const leave = enter(lockPath);
  expect(existsSync(guardFilePathOf(lockPath))).toBe(true);
  leave();
  expect(existsSync(guardFilePathOf(lockPath))).toBe(false);
});

test("no process enters the guard while another is inside, and the next one enters afterwards", (context) => {
  requireNative(context);
  const lockPath = lockIn(temporaryFolder());
  const leave = enter(lockPath);
  expect(tryEnterGuardFile(lockPath, realLockFs)).toMatchObject({ kind: "busy" });
  leave();
  enter(lockPath)();
});

test("another process inside the guard keeps this one out until its death", async (context) => {
  requireNative(context);
  const lockPath = lockIn(temporaryFolder());
  const script = `${ENTER} tryEnterGuardFile(lockPath, realLockFs); console.log("in"); setInterval(() => {}, 1e6);`;
  const other = await startReady(process.execPath, [...nodeArguments(script), lockPath]);
  expect(tryEnterGuardFile(lockPath, realLockFs)).toMatchObject({ kind: "busy" });
  await other.kill("SIGKILL");
  enter(lockPath)();
});

test("a guard that a crash left behind blocks no process", (context) => {
  requireNative(context);
  const lockPath = lockIn(temporaryFolder());
  writeFileSync(guardFilePathOf(lockPath), "");
  const leave = enter(lockPath);
  expect(tryEnterGuardFile(lockPath, realLockFs)).toMatchObject({ kind: "busy" });
  leave();
  expect(existsSync(guardFilePathOf(lockPath))).toBe(false);
});

test("a guard unlinked between open and lock is not mistaken for the current one", (context) => {
  requireNative(context);
  requirePosix(context, "the guard is a locked file there");
  const lockPath = lockIn(temporaryFolder());
  // Another process leaves (unlinks) exactly after this one's first open, and a third one creates a new guard.
  let opened = 0;
  const racing: LockFs = {
    ...realLockFs,
    openGuard: (path) => {
      const fd = realLockFs.openGuard(path);
      if (opened++ === 0) {
        realLockFs.unlink(path);
        closeSync(openSync(path, "wx"));
      }
      return fd;
    },
  };
  const leave = enter(lockPath, racing);
  expect(opened).toBe(2);
  expect(tryEnterGuardFile(lockPath, realLockFs)).toMatchObject({ kind: "busy" });
  leave();
});

/** What creating a file answers whose name is only remembered: by another mount it has been removed. */
function missing(path: string): never {
  throw Object.assign(new Error(`ENOENT: no such file or directory, open '${path}'`), {
    code: "ENOENT",
  });
}

test("a guard that went while it was opened is made anew", (context) => {
  requireNative(context);
  requirePosix(context, "the guard is a locked file there");
  let opened = 0;
  const openGuard = (path: string): number =>
    opened++ === 0 ? missing(path) : realLockFs.openGuard(path);
  enter(lockIn(temporaryFolder()), { ...realLockFs, openGuard })();
  expect(opened).toBe(2);
});

test("a guard whose name the kernel remembers for a while is busy, but not where its directory is gone", (context) => {
  requireNative(context);
  requirePosix(context, "the guard is a locked file there");
  const lockPath = lockIn(temporaryFolder());
  const fs: LockFs = { ...realLockFs, openGuard: missing };
  const guardPath = guardFilePathOf(lockPath);
  expect(tryEnterGuardFile(lockPath, fs)).toEqual({ kind: "busy", guardPath });
  expect(() => tryEnterGuardFile(lockIn(`${lockPath}.none`), fs)).toThrow(/ENOENT/);
});

test("a file system that numbers one file in two ways still has a guard", (context) => {
  requireNative(context);
  requirePosix(context, "the guard is a locked file there");
  const lockPath = lockIn(temporaryFolder());
  const odd: LockFs = {
    ...realLockFs,
    isNamed: () => false,
    fstat: (fd) => Object.assign(realLockFs.fstat(fd), { ino: 1n, dev: 1n }),
  };
  const leave = enter(lockPath, odd);
  expect(readFileSync(guardFilePathOf(lockPath), "utf8")).toMatch(/^[0-9a-f]{32}$/);
  leave();
  // Where the numbers differ because the files do, the content tells.
  let opened = 0;
  const racing: LockFs = {
    ...odd,
    openGuard: (path) => {
      const fd = realLockFs.openGuard(path);
      if (opened++ === 0) {
        realLockFs.rename(path, `${path}.old`);
        closeSync(openSync(path, "wx"));
      }
      return fd;
    },
  };
  enter(lockPath, racing)();
  expect(opened).toBe(2);
});

test("a guard of which the addon cannot tell that it is named is looked at by Node's calls", (context) => {
  requireNative(context);
  requirePosix(context, "the guard is a locked file there");
  const lockPath = lockIn(temporaryFolder());
  const leave = enter(lockPath, { ...realLockFs, isNamed: () => false });
  // Node's numbers are enough: nothing had to be written.
  expect(readFileSync(guardFilePathOf(lockPath), "utf8")).toBe("");
  expect(tryEnterGuardFile(lockPath, realLockFs)).toMatchObject({ kind: "busy" });
  leave();
  expect(existsSync(guardFilePathOf(lockPath))).toBe(false);
});

test("without the addon there is no guard, and no file is left", async (context) => {
  requirePosix(context, "Windows has a guard without the addon");
  const folder = temporaryFolder();
  const answer = await runNode(
    `${ENTER.replace("process.argv[1]", JSON.stringify(lockIn(folder)))}
     const { kind, error } = tryEnterGuardFile(lockPath, realLockFs);
     console.log(JSON.stringify({ kind, code: error.code }));`,
    { env: { ...process.env, PIDENTITY_NO_NATIVE: "1" } },
  );
  expect(answer).toEqual({ kind: "unavailable", code: "ENOSYS" });
  expect(readdirSync(folder)).toEqual([]);
});

test("a file system without kernel locks has no guard, and another process's file stays", (context) => {
  requireNative(context);
  requirePosix(context, "the guard is a locked file there");
  const lockPath = lockIn(temporaryFolder());
  const leave = enter(lockPath);
  const fs: LockFs = { ...realLockFs, tryExclusive: () => ({ refused: "EOPNOTSUPP" }) };
  const answer = tryEnterGuardFile(lockPath, fs);
  expect(answer).toMatchObject({ kind: "unavailable", error: { code: "EOPNOTSUPP" } });
  // Whatever this kernel says just now: that process was let in.
  expect(tryEnterGuardFile(lockPath, realLockFs)).toMatchObject({ kind: "busy" });
  leave();
});

test("a refusal that may be this process's alone does not remove the guard under others", (context) => {
  requireNative(context);
  requirePosix(context, "the guard is a locked file there");
  const lockPath = lockIn(temporaryFolder());
  const leave = enter(lockPath);
  const fs: LockFs = { ...realLockFs, tryExclusive: () => ({ refused: "ENOLCK" }) };
  expect(tryEnterGuardFile(lockPath, fs)).toMatchObject({
    kind: "refused",
    error: {
      code: "ENOLCK",
      syscall: "flock",
      path: guardFilePathOf(lockPath),
      message: `ENOLCK: the kernel lock was refused, flock '${guardFilePathOf(lockPath)}'`,
    },
  });
  expect(existsSync(guardFilePathOf(lockPath))).toBe(true);
  expect(tryEnterGuardFile(lockPath, realLockFs)).toMatchObject({ kind: "busy" });
  leave();
});

test("a guard is never followed through a symbolic link", (context) => {
  requireNative(context);
  requirePosix(context, "symbolic links without privilege");
  const folder = temporaryFolder();
  const lockPath = lockIn(folder);
  symlinkSync(join(folder, "elsewhere"), guardFilePathOf(lockPath));
  expect(() => tryEnterGuardFile(lockPath, realLockFs)).toThrow(/ELOOP/);
  expect(existsSync(join(folder, "elsewhere"))).toBe(false);
});

test("entering the guard leaks no descriptor, whatever the answer", (context) => {
  requireNative(context);
  requireLinux(context, "counts /proc/self/fd");
  const lockPath = lockIn(temporaryFolder());
  const openFiles = (): number => readdirSync("/proc/self/fd").length;
  const attempts = (): void => {
    const leave = enter(lockPath);
    tryEnterGuardFile(lockPath, realLockFs);
    leave();
    tryEnterGuardFile(lockPath, { ...realLockFs, tryExclusive: () => ({ refused: "EINVAL" }) });
    expect(() =>
      tryEnterGuardFile(lockPath, {
        ...realLockFs,
        isNamed: () => false,
        lstat: () => {
          throw new Error("EIO");
        },
      }),
    ).toThrow("EIO");
  };
  attempts();
  const before = openFiles();
  for (let round = 0; round < 50; round++) attempts();
  expect(openFiles()).toBe(before);
});

test("a directory that may not be written has no guard, and the error says so", async (context) => {
  requireNative(context);
  requirePosix(context, "file modes and users");
  const folder = temporaryFolder();
  chmodSync(folder, 0o555);
  // Root may write everywhere: ask as the user nobody.
  const answer = await runNode(
    `${ENTER.replace("process.argv[1]", JSON.stringify(lockIn(folder)))}
     try { tryEnterGuardFile(lockPath, realLockFs); } catch (error) { console.log(JSON.stringify(error)); }`,
    asOrdinaryUser(context),
  );
  expect(answer).toMatchObject({ code: "EACCES", path: guardFilePathOf(lockIn(folder)) });
});

// Emulated, these processes take long to start, and longer to get in.
const MANY = { timeout: 180_000 };

test(
  "eight processes that increment one counter inside the guard lose no increment",
  MANY,
  async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const counter = join(folder, "counter");
    writeFileSync(counter, "0");
    const rounds = 150;
    const script = `${ENTER}
    import { readFileSync, writeFileSync } from "node:fs";
    const counter = ${JSON.stringify(counter)};
    const pause = new Int32Array(new SharedArrayBuffer(4));
    for (let done = 0; done < ${rounds}; ) {
      const guard = tryEnterGuardFile(lockPath, realLockFs);
      if (guard.kind !== "entered") {
        Atomics.wait(pause, 0, 0, Math.random() * 2);
        continue;
      }
      writeFileSync(counter, String(Number(readFileSync(counter, "utf8")) + 1));
      guard.leave();
      done++;
    }
    console.log("done");`;
    const workers = Array.from({ length: 8 }, () =>
      startReady(process.execPath, [...nodeArguments(script), lockIn(folder)]),
    );
    await Promise.all(workers);
    expect(readFileSync(counter, "utf8")).toBe(String(8 * rounds));
    expect(readdirSync(folder)).toEqual(["counter"]);
  },
);

test("a guard stays shut while the process inside is stopped, until it is continued", async (context) => {
  requireNative(context);
  requirePosix(context, "SIGSTOP");
  const lockPath = lockIn(temporaryFolder());
  const script = `${ENTER}
    const guard = tryEnterGuardFile(lockPath, realLockFs);
    process.stdin.once("data", () => { guard.leave(); console.log("out"); });
    console.log("in");`;
  const other = await startReady(process.execPath, [...nodeArguments(script), lockPath]);
  process.kill(other.pid, "SIGSTOP");
  other.say("leave");
  const state = (): string | null =>
    process.platform === "linux"
      ? stateOf(other.pid)
      : spawnSync("ps", ["-o", "stat=", "-p", String(other.pid)], { encoding: "utf8" }).stdout;
  await waitFor("the stop", () => state()?.startsWith("T"));
  expect(tryEnterGuardFile(lockPath, realLockFs)).toMatchObject({ kind: "busy" });
  process.kill(other.pid, "SIGCONT");
  expect(await other.line()).toBe("out");
  enter(lockPath)();
});

describe("the guard by creation, on Windows", () => {
  test("a process killed inside a guard that it took over takes the file with it", async (context) => {
    requireWindows(context, "a guard that deletes itself");
    const lockPath = lockIn(temporaryFolder());
    writeFileSync(guardFilePathOf(lockPath), "");
    const script = `${ENTER} console.log(tryEnterGuardFile(lockPath, realLockFs).kind); setInterval(() => {}, 1e6);`;
    const other = await startReady(process.execPath, [...nodeArguments(script), lockPath]);
    expect(other.first).toBe("entered");
    expect(tryEnterGuardFile(lockPath, realLockFs)).toMatchObject({ kind: "busy" });
    await other.kill("SIGKILL");
    expect(existsSync(guardFilePathOf(lockPath))).toBe(false);
    enter(lockPath)();
  });

  test("a scanner that has the guard open delays the next process, no longer", async (context) => {
    requireWindows(context, "a guard that deletes itself");
    const lockPath = lockIn(temporaryFolder());
    const leave = enter(lockPath);
    const scanner = await startReady(program("hold-file"), [
      guardFilePathOf(lockPath),
      "read-delete",
    ]);
    leave();
    expect(tryEnterGuardFile(lockPath, realLockFs).kind).toBe("busy");
    await scanner.kill();
    enter(lockPath)();
    expect(existsSync(guardFilePathOf(lockPath))).toBe(false);
  });

  test(
    "four processes that find leftover guards all the time are never two inside",
    MANY,
    async (context) => {
      requireWindows(context, "a guard that is taken over");
      const folder = temporaryFolder();
      const counter = join(folder, "counter");
      writeFileSync(counter, "0");
      const rounds = 150;
      const script = `${ENTER}
      import { readFileSync, writeFileSync } from "node:fs";
      const counter = ${JSON.stringify(counter)};
      const pause = new Int32Array(new SharedArrayBuffer(4));
      let takenOver = 0;
      const takeOverSelfDeleting = (path) => {
        const fd = realLockFs.takeOverSelfDeleting(path);
        takenOver++;
        return fd;
      };
      for (let done = 0; done < ${rounds}; ) {
        const guard = tryEnterGuardFile(lockPath, { ...realLockFs, takeOverSelfDeleting });
        if (guard.kind !== "entered") {
          Atomics.wait(pause, 0, 0, Math.random() * 2);
          continue;
        }
        writeFileSync(counter, String(Number(readFileSync(counter, "utf8")) + 1));
        guard.leave();
        done++;
        // As after a power loss: the file is there, and no process has it open.
        try { writeFileSync(lockPath + ".guard", "", { flag: "wx" }); } catch {}
      }
      console.log(JSON.stringify(takenOver));`;
      const takenOver = await Promise.all(
        Array.from({ length: 4 }, () =>
          runNode(script.replace("process.argv[1]", JSON.stringify(lockIn(folder)))),
        ),
      );
      expect(readFileSync(counter, "utf8")).toBe(String(4 * rounds));
      expect(takenOver.map(Number).reduce((sum, count) => sum + count)).toBeGreaterThan(rounds);
    },
  );
});
