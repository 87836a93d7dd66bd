import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";

import { describe, expect, onTestFinished, test } from "vitest";

import { examineAnyLocks } from "../../../lib/cli/locks/any/examine.js";
import { acquireFileLock } from "../../../lib/file-lock/index.js";
import { runHere, runProgram } from "../../support/command-line.js";
import { endedPid, liveOwner } from "../../support/locks/lock-directory.js";
import { abandonedLock, startHolder } from "../../support/locks/file-lock-holder.js";
import { nodeArguments, start, startReady } from "../../support/processes/child.js";
import { AS_NOBODY, readablePackage } from "../../support/processes/unprivileged.js";
import {
  asOrdinaryUser,
  requireLinux,
  requireNative,
  requirePosix,
  requireProgram,
  requireRoot,
} from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { waitFor } from "../../support/wait-for.js";

const HOUR_MS = 3_600_000;

interface Entry {
  readonly lockPath: string;
  readonly kind: string;
  readonly type: string | null;
  readonly state: string;
  readonly reason: string;
  readonly evidence: string;
  readonly remedy: string | null;
  readonly pid: number | null;
  readonly commandLine: string | null;
  readonly kernelLock: string;
  readonly removed: boolean;
  readonly ageMs: number;
}

async function judge(...args: string[]): Promise<{ code: number | null; locks: Entry[] }> {
  const { code, stdout } = await runHere(["locks", "--json", ...args]);
  const { locks } = JSON.parse(stdout) as { locks: Entry[] };
  return { code, locks };
}

/** The only lock that a file argument gives. */
async function judgeOne(path: string, ...args: string[]): Promise<Entry & { code: number | null }> {
  const { code, locks } = await judge(path, ...args);
  const [lock] = locks;
  if (lock === undefined || locks.length !== 1) throw new Error(`${locks.length} locks: ${path}`);
  return { ...lock, code };
}

/** A file of that content in a new folder. */
function file(name: string, content: string | Buffer = ""): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, content);
  return path;
}

describe("a file is judged whatever its form", () => {
  test("a pid file of a process that ran before it was written is held", async () => {
    const owner = await liveOwner();
    const lock = await judgeOne(file("d.pid", `${String(owner.pid)}\n`));
    expect(lock).toMatchObject({
      code: 0,
      kind: "pid-file",
      state: "held",
      reason: "started-before",
      pid: owner.pid,
      remedy: null,
    });
    expect(lock.commandLine).toContain("process.stdin.resume()");
  });

  test("a pid file of a process that has ended is stale, and stays", async () => {
    const path = file("d.pid", `${String(await endedPid())}\n`);
    const lock = await judgeOne(path, "--fix");
    expect(lock).toMatchObject({ code: 1, state: "stale", removed: false });
    expect(lock.remedy).toMatch(/^kept: it is another program's; see that its program/u);
    expect(existsSync(path)).toBe(true);
  });

  test("a lock that its pid's process cannot have written, for it started later, is stale", async () => {
    const owner = await liveOwner();
    const createdAt = new Date(Date.now() - HOUR_MS).toISOString();
    const path = file("a.lock", JSON.stringify({ pid: owner.pid, createdAt, host: hostname() }));
    const lock = await judgeOne(path);
    // A machine that was started less than an hour ago may have had another time then.
    expect(["started-after", "clock-set"]).toContain(lock.reason);
    expect(lock.state).toBe(lock.reason === "started-after" ? "stale" : "undecided");
    expect(lock.code).toBe(1);
  });

  test("a lock of another host is not judged by a pid of this one", async () => {
    const text = JSON.stringify({ pid: await endedPid(), hostname: "some-other-host.invalid" });
    const lock = await judgeOne(file("a.lock", text));
    expect(lock).toMatchObject({ code: 1, state: "undecided", reason: "other-host" });
    expect(lock.evidence).toContain("some-other-host.invalid");
  });

  test("Chromium's link is read and not followed", async (context) => {
    requirePosix(context, "symbolic links without privilege");
    const owner = await liveOwner();
    const folder = temporaryFolder();
    const link = join(folder, "SingletonLock");
    symlinkSync(`${hostname()}-${String(owner.pid)}`, link);
    expect(await judgeOne(link)).toMatchObject({ kind: "chromium", state: "held", type: "link" });
  });

  test("a link that leads to itself, or to a device, is a link of no known form", async (context) => {
    requirePosix(context, "symbolic links without privilege");
    const folder = temporaryFolder();
    const [loop, device] = [join(folder, "loop.lock"), join(folder, "device.lock")];
    symlinkSync(loop, loop);
    symlinkSync("/dev/zero", device);
    const { code, locks } = await judge(loop, device);
    expect(locks.map(({ kind, type, state }) => [kind, type, state])).toEqual([
      ["unknown", "link", "undecided"],
      ["unknown", "link", "undecided"],
    ]);
    expect(code).toBe(1);
  });

  test("a directory of proper-lockfile's is a lock, and how long its holder was silent is told", async () => {
    const path = join(temporaryFolder(), "a.csv.lock");
    mkdirSync(path);
    const then = new Date(Date.now() - 2 * HOUR_MS);
    utimesSync(path, then, then);
    const lock = await judgeOne(path, "--fix");
    expect(lock).toMatchObject({ code: 1, kind: "proper-lockfile", state: "undecided", pid: null });
    expect(lock.evidence).toMatch(/nothing names its process; its holder last renewed it 2h ago/u);
    expect(existsSync(path)).toBe(true);
  });

  test("a FIFO is not opened", async (context) => {
    requirePosix(context, "FIFOs");
    const path = join(temporaryFolder(), "a.lock");
    execFileSync("mkfifo", [path]);
    const lock = await judgeOne(path);
    expect(lock).toMatchObject({ code: 1, type: "other", state: "undecided" });
    expect(lock.evidence).toBe("it is no file: a FIFO, a socket or a device");
  });

  test("a file of many megabytes is read as far as a lock can reach", async () => {
    const lock = await judgeOne(file("a.lock", Buffer.alloc(8 << 20, "7")));
    expect(lock).toMatchObject({ kind: "unknown", state: "undecided", reason: "no-owner" });
  });

  test("a hostile name, text and link cannot drive the terminal", async (context) => {
    requirePosix(context, "control characters in file names");
    const folder = temporaryFolder();
    const bad = "\u001B[2J\u202E\n";
    writeFileSync(join(folder, `${bad}.lock`), JSON.stringify({ pid: 1, host: bad }));
    symlinkSync(`${bad}-1`, join(folder, "SingletonLock"));
    for (const terminal of [{}, { isTTY: true, columns: 80, env: { NO_COLOR: "1" } }]) {
      const { stdout } = await runHere(["locks", "--all", folder, "--explain"], terminal);
      expect(stdout).toContain(String.raw`\x1b[2J\u202e\n`);
      expect(stdout.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    }
    const json = await runHere(["locks", "--all", folder, "--json"]);
    expect(json.stdout.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  test("a file that may not be read is reported, and the others are judged", async (context) => {
    requireRoot(context, "a user who may not read a file");
    const { entry } = readablePackage();
    const folder = temporaryFolder();
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, "secret.lock"), "1\n");
    chmodSync(join(folder, "secret.lock"), 0o000);
    writeFileSync(join(folder, "open.pid"), "1\n");
    const main = join(entry, "../cli/main.js");
    const [as, ...options] = AS_NOBODY;
    const command = [...options, process.execPath, main, "locks", "--all", folder];
    const { status, stdout } = spawnSync(as, command, { encoding: "utf8" });
    expect(status).toBe(1);
    expect(stdout).toMatch(/secret\.lock kind=unknown .* stale=unknown \(unreadable\)\n/u);
    expect(stdout).toMatch(/it cannot be read \(EACCES/u);
    expect(stdout).toMatch(/open\.pid kind=pid-file pid=1 \(alive\)/u);

    chmodSync(folder, 0o700);
    const inside = [join(folder, "open.pid"), join(folder, "sessions")];
    for (const [index, path] of inside.entries()) {
      const args = [...options, process.execPath, main, "locks", path];
      const closed = spawnSync(as, args, { encoding: "utf8" });
      expect(closed.stdout + closed.stderr).toMatch(/\(?EACCES/u);
      expect(closed.stderr).not.toMatch(/\n {4}at /u);
      expect(closed.status).toBe(index === 0 ? 1 : 2);
    }
  });
});

describe("a lock that names no process", () => {
  test("a lock that a process has open for writing is that process's", async (context) => {
    requireLinux(context, "/proc/<pid>/fdinfo");
    const folder = join(temporaryFolder(), ".git");
    mkdirSync(folder);
    const path = join(folder, "index.lock");
    const script = `
      import { openSync } from "node:fs";
      openSync(${JSON.stringify(path)}, "wx");
      console.log("open");
      setInterval(() => {}, 1000);`;
    const writer = await startReady(process.execPath, nodeArguments(script));
    expect(await judgeOne(path)).toMatchObject({
      code: 0,
      kind: "git",
      state: "held",
      reason: "open-for-writing",
      pid: writer.pid,
    });
    await writer.kill();
    expect(await judgeOne(path)).toMatchObject({ code: 1, state: "undecided", pid: null });
  });

  test("a kernel lock names the process that has it, also one that it was left to", async (context) => {
    requireLinux(context, "/proc/locks");
    requireProgram(context, "flock");
    const path = file("a.lock");
    // flock(1) takes the lock on the shell's descriptor and ends.
    const script = `exec 9>"$1"; flock 9; echo held; read line; exec 9>&-; echo free; read line`;
    const holder = await startReady("sh", ["-c", script, "sh", path]);
    expect(await judgeOne(path)).toMatchObject({
      code: 0,
      state: "held",
      reason: "kernel-lock-held",
      pid: holder.pid,
      kernelLock: "held",
    });
    holder.say("");
    await holder.line();
    expect(await judgeOne(path)).toMatchObject({ code: 1, state: "undecided", reason: "no-owner" });
  });
});

describe("files that the real programs make", () => {
  test("git's index.lock during a commit", async (context) => {
    requirePosix(context, "a hook that is a shell script");
    requireProgram(context, "git");
    const folder = temporaryFolder();
    const git = (...args: string[]): string =>
      execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@b", ...args], {
        cwd: folder,
        encoding: "utf8",
        stdio: "pipe",
      });
    git("init", "--quiet");
    writeFileSync(join(folder, "a"), "1");
    git("add", "a");
    writeFileSync(join(folder, "a"), "2");
    const hook = join(folder, ".git/hooks/pre-commit");
    mkdirSync(join(folder, ".git/hooks"), { recursive: true });
    writeFileSync(hook, "#!/bin/sh\ncp .git/index.lock copied\nls .git/*.lock >&2\nexit 1\n");
    chmodSync(hook, 0o755);
    expect(() => git("commit", "--quiet", "--all", "--message", "m")).toThrow(/index\.lock/u);
    const index = join(folder, ".git/index.lock");
    writeFileSync(index, readFileSync(join(folder, "copied")));
    expect(await judgeOne(index)).toMatchObject({ kind: "git", state: "undecided" });
    const elsewhere = file("index.lock", readFileSync(index));
    expect(await judgeOne(elsewhere)).toMatchObject({ kind: "git", reason: "no-owner" });
  });

  test("Vim's swap file while a file is edited, and after Vim was killed", async (context) => {
    requirePosix(context, "Vim on standard input");
    requireProgram(context, "vim");
    const folder = temporaryFolder();
    writeFileSync(join(folder, "a.txt"), "text\n");
    const vim = await start("vim", ["-e", "-s", "-u", "NONE", "a.txt"], { cwd: folder });
    const swap = join(folder, ".a.txt.swp");
    await waitFor("its swap file", () => existsSync(swap) && lstatSync(swap).size > 0);
    const held = await judgeOne(swap);
    expect(held).toMatchObject({ kind: "vim-swap", state: "held", pid: vim.pid, code: 0 });
    await vim.kill();
    expect(await judgeOne(swap)).toMatchObject({ state: "stale", pid: vim.pid, code: 1 });
  });

  test("PostgreSQL's postmaster.pid while the server runs, and after it was killed", async (context) => {
    requirePosix(context, "PostgreSQL as an ordinary user");
    requireProgram(context, "postgres");
    const postgres = execFileSync("sh", ["-c", "command -v postgres"], { encoding: "utf8" }).trim();
    const initdb = join(realpathSync(postgres), "../initdb");
    if (!existsSync(initdb)) context.skip(`needs the program initdb beside ${postgres}`);
    const user = asOrdinaryUser(context);
    const folder = temporaryFolder();
    if (user.uid !== undefined) chownSync(folder, user.uid, user.gid ?? user.uid);
    const data = join(folder, "data");
    execFileSync(initdb, ["-D", data, "-A", "trust", "-U", "a", "--no-sync"], {
      ...user,
      cwd: folder,
      stdio: "ignore",
    });
    const server = await start(postgres, ["-D", data, "-k", folder, "-c", "listen_addresses="], {
      ...user,
      cwd: folder,
    });
    const [lock, socket] = [join(data, "postmaster.pid"), join(folder, ".s.PGSQL.5432.lock")];
    await waitFor(
      "the server",
      () => existsSync(lock) && readFileSync(lock, "utf8").includes("ready"),
    );
    for (const path of [lock, socket]) {
      const held = { kind: "postgresql", state: "held", pid: server.pid, code: 0 };
      expect(await judgeOne(path)).toMatchObject(held);
    }
    await server.kill();
    for (const path of [lock, socket]) {
      expect(await judgeOne(path)).toMatchObject({ state: "stale", pid: server.pid, code: 1 });
    }
  }, 60_000);
});

describe("--fix touches only what is of this package", () => {
  test("a killed holder's file lock goes; of every other file nothing changes", async (context) => {
    requireNative(context);
    requirePosix(context, "symbolic links without privilege");
    const folder = temporaryFolder();
    const ended = String(await endedPid());
    writeFileSync(join(folder, "a.pid"), ended);
    writeFileSync(join(folder, "b.lock"), JSON.stringify({ pid: Number(ended) }));
    writeFileSync(join(folder, "c.lock"), "");
    writeFileSync(join(folder, "torn.lock"), '{\n  "pid":');
    mkdirSync(join(folder, "d.lock"));
    symlinkSync(`${hostname()}-${ended}`, join(folder, "SingletonLock"));
    const own = await abandonedLock(join(folder, "ledger.csv"));
    const before = snapshot(folder);
    expect((await judge("--all", folder)).code).toBe(1);
    expect(snapshot(folder)).toEqual(before);

    const { code, stdout } = await runHere(["locks", "--all", folder, "--fix"]);
    expect(stdout).toMatch(/ledger\.csv\.lock kind=pidentity .*\[removed\]\n/u);
    expect(stdout).toContain("Removed 1 stale lock.\n");
    expect(code).toBe(1);
    expect(snapshot(folder)).toEqual(before.filter(({ path }) => path !== own));
  });

  test("nothing is left to do where only own locks were stale", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const own = await abandonedLock(join(folder, "a"));
    const without = await runHere(["locks", own]);
    expect(without.stdout).toContain("  --fix removes it: ");
    expect(without.stdout).toContain("Run again with --fix to remove 1 stale lock.\n");
    expect(without.code).toBe(1);
    expect(existsSync(own)).toBe(true);
    expect((await runHere(["locks", own, "--fix"])).code).toBe(0);
    expect(existsSync(own)).toBe(false);
  });

  test("a lock that is held stays, however old", async (context) => {
    requireNative(context);
    const held = await acquireFileLock({ path: join(temporaryFolder(), "a") });
    onTestFinished(() => held.release());
    const lock = await judgeOne(held.lockPath, "--fix");
    expect(lock).toMatchObject({ code: 0, kind: "pidentity", state: "held", removed: false });
    expect(existsSync(held.lockPath)).toBe(true);
  });

  test("a held lock that is older than a limit that was asked for is told of, and stays", async (context) => {
    requireNative(context);
    const { lockPath } = await startHolder(join(temporaryFolder(), "a"));
    await waitFor("its age", async () => (await judgeOne(lockPath)).ageMs > 1);
    const { code, stdout } = await runHere(["locks", lockPath, "--stale-ms", "1", "--fix"]);
    expect(stdout).toContain(" stale=yes (too-old)\n");
    expect(stdout).toContain("  kept: its owner still runs\n");
    expect(code).toBe(1);
    expect(existsSync(lockPath)).toBe(true);
  });

  test("of a session's lock the same is done as for its directory", async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const path = join(folder, "a.jsonl.lock");
    const createdAt = new Date(Date.now() - HOUR_MS).toISOString();
    writeFileSync(path, JSON.stringify({ pid: await endedPid(), createdAt }));
    expect(await judgeOne(path, "--keep-plain", "--fix")).toMatchObject({
      code: 1,
      state: "undecided",
      reason: "plain-lock",
    });
    const lock = await judgeOne(path, "--fix");
    expect(lock).toMatchObject({ code: 0, kind: "session-lock", state: "stale", removed: true });
    expect(existsSync(path)).toBe(false);
  });
});

describe("the arguments", () => {
  test("a directory without --all is still one of sessions", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "a.pid"), "1");
    const { code, stdout } = await runHere(["locks", folder]);
    expect(stdout).toBe("Found 0 session lock files.\n");
    expect(code).toBe(0);
  });

  test("an empty directory has no locks, nor has one whose files pin versions", async () => {
    const folder = temporaryFolder();
    expect(await runHere(["locks", "--all", folder])).toEqual({
      code: 0,
      stdout: "Found 0 locks.\n",
      stderr: "",
    });
    writeFileSync(join(folder, "yarn.lock"), "");
    expect((await judge("--all", folder)).locks).toEqual([]);
    const named = await runHere(["locks", join(folder, "yarn.lock")]);
    expect(named.stderr).toMatch(/it pins versions of dependencies, and locks nothing: /u);
    expect(named.code).toBe(0);
  });

  test.for([
    ["a directory beside a file", ["FILE", "FOLDER"], "beside a file a directory needs --all"],
    ["--watch with a file", ["FILE", "--watch"], "--watch needs directories of sessions"],
    ["--watch with --all", ["--all", "FOLDER", "--watch"], "--watch needs directories of sessions"],
    ["--all with --state-dir", ["--all", "--state-dir", "x"], "--all takes directories"],
    ["--all alone", ["--all"], "at least one directory is required"],
  ] as const)("%s is wrong usage", async ([, args, message]) => {
    const path = file("a.lock");
    const given = args.map((argument) =>
      argument === "FILE" ? path : argument === "FOLDER" ? join(path, "..") : argument,
    );
    const { code, stderr } = await runHere(["locks", ...given], { isTTY: true });
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });

  test("what does not exist is an I/O error, and the rest is judged", async () => {
    const path = file("a.pid", String(process.pid));
    const missing = join(path, "..", "missing");
    const { code, stdout, stderr } = await runHere(["locks", "--all", path, missing]);
    expect(stderr).toBe(`pidentity: no such directory: ${missing}\n`);
    expect(stdout).toContain("Found 1 lock.\n");
    expect(code).toBe(2);
  });

  test("a lock that does not exist is told of as a file", async () => {
    const missing = join(temporaryFolder(), "a.lock");
    expect(await runHere(["locks", missing])).toEqual({
      code: 2,
      stdout: "",
      stderr: `pidentity: no such file: ${missing}\n`,
    });
  });

  test("a file that is named beside its directory is judged once", async () => {
    const path = file("a.pid", String(process.pid));
    const folder = join(path, "..");
    writeFileSync(join(folder, "b.pid"), String(process.pid));
    const { locks } = await judge("--all", path, folder);
    expect(locks.map(({ lockPath }) => lockPath)).toEqual([path, join(folder, "b.pid")]);
  });

  test("paths are shown as they were given", async () => {
    const { stdout } = await runProgram(["locks", "--all", "lib"]);
    expect(stdout).toBe("Found 0 locks.\n");
    const relative = join(temporaryFolder(), "a.pid");
    writeFileSync(relative, "1");
    const given = join(relative, "../..", relative.split(/[/\\]/u).at(-2) ?? "", "a.pid");
    expect((await judgeOne(given)).lockPath).toBe(given);
  });
});

test("a directory of thousands of files leaves other work its turns", async () => {
  const folder = temporaryFolder();
  // Wine needs milliseconds for each.
  const count = process.platform === "win32" ? 400 : 4000;
  for (let index = 0; index < count; index++) {
    writeFileSync(join(folder, `${String(index)}.pid`), String(process.pid));
  }
  let turns = 0;
  let isDone = false;
  const turn = (): void => {
    turns++;
    if (!isDone) setImmediate(turn);
  };
  setImmediate(turn);
  const request = { fix: false, staleMs: undefined, ownerNames: [], plainLocks: "judge" } as const;
  const places = { files: [], directories: [folder] };
  const { counts } = await examineAnyLocks(places, request, { env: {} });
  isDone = true;
  expect(counts.held).toBe(count);
  // In one go: a handful, between listing, looking and judging.
  expect(turns).toBeGreaterThan(10);
});

/** Every file of a folder with what it says and when it was changed. */
function snapshot(folder: string): { readonly path: string; readonly facts: string }[] {
  return readdirSync(folder)
    .toSorted()
    .map((name) => {
      const path = join(folder, name);
      const { mode, mtimeMs, ctimeMs, ino } = lstatSync(path);
      const text = (mode & 0o170000) === 0o120000 ? readlinkSync(path) : contentOf(path);
      return { path, facts: JSON.stringify([mode, mtimeMs, ctimeMs, ino, text]) };
    });
}

function contentOf(path: string): string {
  return lstatSync(path).isDirectory() ? readdirSync(path).join() : readFileSync(path, "utf8");
}
