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

/** Without an error: another process is inside. */
const BUSY = { kind: "busy", guardPath: "s.jsonl.lock.guard" };

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

test("eight processes that increment one counter inside the guard lose no increment", async (context) => {
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
});

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

/** What {@link madeUpFs} answers; every descriptor of it is a number of its own. */
interface MadeUpFs {
  readonly fs: LockFs;
  /** Descriptors that are open. */
  readonly open: Set<number>;
  /** Every call that opens something, by name. */
  readonly opened: string[];
}

/**
 * A file system with one file, the guard, which no other process uses; `changes` make it odd. The addon cannot tell
 * that it is named: Node's numbers do.
 */
function madeUpFs(changes: Partial<LockFs> = {}): MadeUpFs {
  const open = new Set<number>();
  const opened: string[] = [];
  const opening = (name: string) => () => {
    opened.push(name);
    const fd = 1000 + opened.length;
    open.add(fd);
    return fd;
  };
  const never = (): never => {
    throw new Error("must not be called");
  };
  const identity = { ino: 7n, dev: 1n, nlink: 1n, size: 0n } as ReturnType<LockFs["fstat"]>;
  let written = "";
  const fs: LockFs = {
    ...realLockFs,
    canLock: () => true,
    tryExclusive: () => "acquired",
    openGuard: opening("openGuard"),
    openForWriting: opening("openForWriting"),
    createSelfDeleting: opening("createSelfDeleting"),
    takeOverSelfDeleting: opening("takeOverSelfDeleting"),
    close: (fd) => {
      if (!open.delete(fd)) throw new Error(`not open: ${fd}`);
    },
    isNamed: () => false,
    fstat: () => identity,
    lstat: () => identity,
    writeText: (_, text) => {
      written = text;
    },
    read: (_, buffer) => buffer.write(written),
    unlink: () => {},
    rename: never,
    link: never,
    ...changes,
  };
  return { fs, open, opened };
}

describe("the guard by kernel lock, on a file system made up for it", () => {
  const file = (changes: Partial<ReturnType<LockFs["fstat"]>>) =>
    ({ ino: 7n, dev: 1n, nlink: 1n, size: 0n, ...changes }) as ReturnType<LockFs["fstat"]>;
  const tryEnter = (fs: LockFs) => tryEnterGuardFile("s.jsonl.lock", fs, "linux");

  test("an ordinary guard file is not written to, and its descriptor stays open until the end", () => {
    const { fs, open, opened } = madeUpFs();
    const guard = tryEnter(fs);
    expect(guard.kind).toBe("entered");
    expect(opened).toEqual(["openGuard"]);
    expect(open.size).toBe(1);
    if (guard.kind === "entered") guard.leave();
    expect(open.size).toBe(0);
  });

  test("a guard file that the addon knows to be named is not looked at again", () => {
    const named: (readonly [string, boolean])[] = [];
    const never = (): never => {
      throw new Error("must not be called");
    };
    const { fs, open, opened } = madeUpFs({
      isNamed: (path, fd) => named.push([path, open.has(fd)]) > 0,
      lstat: never,
      fstat: never,
    });
    const guard = tryEnter(fs);
    expect(guard.kind).toBe("entered");
    expect(named).toEqual([["s.jsonl.lock.guard", true]]);
    expect(opened).toEqual(["openGuard"]);
    if (guard.kind === "entered") guard.leave();
    expect(open.size).toBe(0);
  });

  test("a process that cannot lock at all does not even open the guard", () => {
    const { fs, opened } = madeUpFs({ canLock: () => false });
    expect(tryEnter(fs)).toMatchObject({ kind: "unavailable", error: { code: "ENOSYS" } });
    expect(opened).toEqual([]);
  });

  test.each([
    ["ENOTSUP", "unavailable"],
    ["EOPNOTSUPP", "unavailable"],
    ["EINVAL", "unavailable"],
    ["ENOSYS", "unavailable"],
    ["ENOLCK", "refused"],
    ["EIO", "refused"],
    ["EBADF", "refused"],
    ["EACCES", "refused"],
  ])("a guard whose lock is refused with %s is %s, and the file stays", (refused, kind) => {
    const unlink = (): never => {
      throw new Error("must not be called");
    };
    const { fs, open } = madeUpFs({ tryExclusive: () => ({ refused }), unlink });
    expect(tryEnter(fs)).toMatchObject({ kind, error: { code: refused } });
    expect(open.size).toBe(0);
  });

  test("a guard that another process has locked is busy, and the file stays", () => {
    const unlink = (): never => {
      throw new Error("must not be called");
    };
    const { fs, open } = madeUpFs({ tryExclusive: () => "held", unlink });
    expect(tryEnter(fs)).toStrictEqual(BUSY);
    expect(open.size).toBe(0);
  });

  test("a guard that is gone each time is busy after eight attempts", () => {
    const { fs, open, opened } = madeUpFs({ lstat: () => null });
    expect(tryEnter(fs)).toStrictEqual(BUSY);
    expect(opened).toEqual(Array.from({ length: 8 }, () => "openGuard"));
    expect(open.size).toBe(0);
  });

  test.each([
    ["inode", { ino: 8n }],
    ["device", { dev: 2n }],
  ])("a guard with another %s by path is told apart by the content", (_, changes) => {
    const { fs, open, opened } = madeUpFs({ lstat: () => file(changes) });
    expect(tryEnter(fs).kind).toBe("entered");
    expect(opened).toEqual(["openGuard", "openForWriting"]);
    // The second one was for writing only.
    expect(open.size).toBe(1);
  });

  test("a lock file that had the guard's name for a while is not the guard, and nothing is written", () => {
    const { fs, open, opened } = madeUpFs({ fstat: () => file({ ino: 8n, size: 300n }) });
    expect(tryEnter(fs)).toStrictEqual(BUSY);
    expect(opened).not.toContain("openForWriting");
    expect(open.size).toBe(0);
  });

  test("a lock file that has the guard's name by now is never written into", () => {
    // By descriptor an empty guard, by path a lock file.
    const writers = new Set<number>();
    const odd: MadeUpFs = madeUpFs({
      fstat: (fd) => file({ ino: 8n, size: writers.has(fd) ? 300n : 0n }),
      openForWriting: () => {
        const fd = odd.fs.openGuard("");
        writers.add(fd);
        return fd;
      },
      writeText: () => {
        throw new Error("must not be called");
      },
    });
    expect(tryEnter(odd.fs)).toStrictEqual(BUSY);
    expect(odd.open.size).toBe(0);
  });

  test("an unlinked guard is not the file that the path names, and nothing is written", () => {
    const { fs, opened } = madeUpFs({
      fstat: () => file({ ino: 8n, nlink: 0n }),
      read: (_, buffer) => buffer.length,
    });
    expect(tryEnter(fs)).toStrictEqual(BUSY);
    expect(opened).not.toContain("openForWriting");
  });

  test.each<[string, LockFs["read"]]>([
    ["another content of the same length", (_, buffer) => buffer.fill("x").length],
    ["nothing at all", () => 0],
  ])("a guard that has %s by descriptor is not the file that the path names", (_, read) => {
    const { fs, open } = madeUpFs({ lstat: () => file({ ino: 8n }), read });
    expect(tryEnter(fs)).toStrictEqual(BUSY);
    expect(open.size).toBe(0);
  });

  test("a guard file that cannot be unlinked does not keep a process from leaving the guard", () => {
    const { fs, open } = madeUpFs({
      unlink: () => {
        throw new Error("EPERM");
      },
    });
    const guard = tryEnter(fs);
    if (guard.kind === "entered") guard.leave();
    expect(open.size).toBe(0);
  });
});

describe("the guard by creation, as on Windows", () => {
  test("a guard by creation is entered by making or taking over its file, and left by closing it", () => {
    const exists = (): never => {
      throw Object.assign(new Error("EEXIST"), { code: "EEXIST" });
    };
    for (const changes of [{}, { createSelfDeleting: exists }]) {
      const { fs, open, opened } = madeUpFs({ ...changes, lstat: exists, unlink: exists });
      const guard = tryEnterGuardFile("s.jsonl.lock", fs, "win32");
      expect(guard.kind).toBe("entered");
      expect(opened).toHaveLength(1);
      expect(open.size).toBe(1);
      if (guard.kind === "entered") guard.leave();
      expect(open.size).toBe(0);
    }
  });

  /** The real calls but these, which answer with an error of that code. */
  function failing(codes: Readonly<Partial<Record<keyof LockFs, string>>>): LockFs {
    const failures = Object.entries(codes).map(([call, code]) => {
      const fail = (): never => {
        throw Object.assign(new Error(`${code}: ${call}`), { code });
      };
      return [call, fail] as const;
    });
    return { ...realLockFs, ...Object.fromEntries(failures) };
  }

  test.each([
    ["another process is inside", "EEXIST", "EBUSY"],
    ["another process has just left", "EEXIST", "ENOENT"],
  ])("a guard by creation is busy without an error: %s", (_, creating, takingOver) => {
    const fs = failing({ createSelfDeleting: creating, takeOverSelfDeleting: takingOver });
    expect(tryEnterGuardFile("s.jsonl.lock", fs, "win32")).toStrictEqual(BUSY);
  });

  test.each([
    ["a forbidden directory", "EPERM", "ENOENT", "EPERM"],
    ["a pending delete", "EPERM", "EPERM", "EPERM"],
    ["a guard file that may not be opened", "EEXIST", "EACCES", "EACCES"],
  ])("a guard by creation is busy with an error: %s", (_, creating, takingOver, code) => {
    const fs = failing({ createSelfDeleting: creating, takeOverSelfDeleting: takingOver });
    expect(tryEnterGuardFile("s.jsonl.lock", fs, "win32")).toMatchObject({
      kind: "busy",
      error: { code },
    });
  });

  test("an error of the guard that time does not heal is thrown", () => {
    for (const code of ["EMFILE", "ENOENT"]) {
      const fs = failing({ createSelfDeleting: code });
      expect(() => tryEnterGuardFile("s.jsonl.lock", fs, "win32")).toThrow(code);
    }
  });

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

  test("four processes that find leftover guards all the time are never two inside", async (context) => {
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
  });
});
