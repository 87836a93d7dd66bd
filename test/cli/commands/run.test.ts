/** `pidentity run`: a command under a lock, as real processes. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { beforeEach, describe, expect, onTestFinished, test } from "vitest";

import { acquirePidFile } from "../../../lib/file-lock/acquire-pid-file.js";
import { FileLockTimeoutError } from "../../../lib/file-lock/errors.js";
import { readPidFile } from "../../../lib/file-lock/read-pid-file.js";
import { foregroundOf } from "../../../lib/cli/child/foreground.js";
import { identifyProcess, isPidAlive } from "../../../lib/index.js";
import { realLockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { parsePayload } from "../../../lib/lock/protocol/payload.js";
import { runHere, runProgram, startProgram } from "../../support/command-line.js";
import { startHolder } from "../../support/locks/lock-holder.js";
import { ROOT } from "../../support/processes/programs.js";
import {
  requireLinux,
  requireNative,
  requirePosix,
  requireWindows,
} from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { waitFor } from "../../support/wait-for.js";

const MAIN = join(ROOT, "dist/cli/main.js");

function newLockPath(): string {
  return join(temporaryFolder(), "jobs.lock");
}

/** A command of Node's: runs on every platform. */
function node(script: string, ...args: readonly string[]): readonly string[] {
  return [process.execPath, "-e", script, ...args];
}

/** The program and what it has written so far. */
interface Running {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly errors: () => string;
  readonly closed: Promise<{ readonly code: number | null; readonly signal: string | null }>;
}

function startRun(
  args: readonly string[],
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Running {
  const child = startProgram(["run", ...args, "--", ...command], env);
  let output = "";
  let errors = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const closed = once(child, "exit").then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as string | null,
  }));
  return { child, output: () => output, errors: () => errors, closed };
}

/** A command that says its pid and lives until its file goes. */
function untilGone(file: string): readonly string[] {
  writeFileSync(file, "");
  return node(
    `console.log("pid " + process.pid);
     setInterval(() => fs.existsSync(process.argv[1]) || process.exit(5), 5);`,
    file,
  );
}

async function commandsPid({ output }: Running): Promise<number> {
  // Under Wine a program's start takes seconds.
  const told = (): string | undefined => /pid (\d+)\n/u.exec(output())?.[1];
  const text = await waitFor("the command's pid", told, { deadlineMs: 25_000 });
  const pid = Number(text);
  onTestFinished(() => {
    if (isPidAlive(pid)) process.kill(pid, "SIGKILL");
  });
  return pid;
}

async function removeAndWait(file: string, pid: number): Promise<void> {
  rmSync(file);
  await waitFor("the command's end", () => !isPidAlive(pid));
}

test("the command runs while the lock is held, its exit code is passed on, and nothing else is printed", async () => {
  const lockPath = newLockPath();
  const script = `process.stdout.write(fs.readFileSync(process.argv[1])); console.error("to stderr"); process.exit(7)`;
  const args = ["run", "--lock", lockPath, "--label", "nightly", "--"];
  const { code, stdout, stderr } = await runProgram([...args, ...node(script, lockPath)]);
  expect(parsePayload(Buffer.from(stdout))).toMatchObject({ label: "nightly" });
  expect(stderr).toBe("to stderr\n");
  expect(code).toBe(7);
  expect(existsSync(lockPath)).toBe(false);
});

test("a short command whose lock was given away by force ends with its own code, and standard error says so", async (context) => {
  requireNative(context);
  requirePosix(context, "a lock that is removed while its holder has it open");
  const lockPath = newLockPath();
  const file = join(temporaryFolder(), "running");
  const running = startRun(["--lock", lockPath], untilGone(file));
  await commandsPid(running);
  const given = ["break", lockPath, "--reason", "a test", "--yes", "--force"];
  expect((await runProgram(given)).code).toBe(0);
  rmSync(file);
  expect(await running.closed).toEqual({ code: 5, signal: null });
  const told = /^pidentity: the command (?:runs on|ended) without its lock: /u;
  await waitFor("what standard error says", () => told.test(running.errors()));
});

describe("a batch file, as npm's commands are on Windows", () => {
  const ARGS = ["a b", 'say "hi"', "", "end\\", "x&y|z>w^", "C:\\a b\\", "ü"];

  /** `build.cmd`, in a folder whose name has to be quoted, and with an exit code of its own. */
  function makeBatchFile(): string {
    const folder = join(temporaryFolder(), "bin ü & co");
    mkdirSync(folder);
    writeFileSync(join(folder, "args.cjs"), "console.log(JSON.stringify(process.argv.slice(2)))");
    const lines = ["@echo off", `"${process.execPath}" "%~dp0args.cjs" %*`, "exit /b 9", ""];
    writeFileSync(join(folder, "build.cmd"), lines.join("\r\n"));
    return folder;
  }

  test.each(["by its path", "by its name in PATH, without its extension"])(
    "runs %s, with its arguments as they are",
    { timeout: 60_000 },
    async (how) => {
      const folder = makeBatchFile();
      const command = how === "by its path" ? join(folder, "build.cmd") : "build";
      const env = { PATH: `${folder};${process.env["PATH"] ?? ""}` };
      const args = ["run", "--lock", newLockPath(), "--", command, ...ARGS];
      const { code, stdout, stderr } = await runProgram(args, env);
      expect({ code, stderr }).toEqual({ code: 9, stderr: "" });
      expect(JSON.parse(stdout)).toEqual(ARGS);
    },
  );

  beforeEach((context) => requireWindows(context, "its batch files"));

  test("is given a % as it is, whatever variables there are", async (context) => {
    if (identifyProcess()?.includes(".wine") === true) {
      context.skip("needs Windows itself (Wine's cmd.exe takes %%name:~,% for one variable)");
    }
    const args = ["50 %", "%PATH%", "%%", "%~1"];
    const command = join(makeBatchFile(), "build.cmd");
    const { stdout } = await runProgram(["run", "--lock", newLockPath(), "--", command, ...args]);
    expect(JSON.parse(stdout)).toEqual(args);
  });

  test("is not given an argument that would end its line", async () => {
    const command = join(makeBatchFile(), "build.cmd");
    const args = ["run", "--lock", newLockPath(), "--", command, "a\nb"];
    const { code, stdout, stderr } = await runProgram(args);
    expect({ code, stdout }).toEqual({ code: 126, stdout: "" });
    expect(stderr).toContain("cannot be given an argument with a line break");
  });

  test("what is no program needs one that runs it", async () => {
    const script = join(temporaryFolder(), "script.js");
    writeFileSync(script, "1");
    const { code, stderr } = await runProgram(["run", "--lock", newLockPath(), "--", script]);
    expect(code).toBe(126);
    expect(stderr).toContain("Windows cannot start this file: name the program that runs it");
  });

  test("a -- that PowerShell has taken away is missed by name", async () => {
    const { code, stderr } = await runHere(["run", "--lock", "a.lock", "node", "build.js"]);
    expect(code).toBe(2);
    expect(stderr).toContain(`this is before it: "node"; in PowerShell write '--', in quotes`);
  });
});

test("standard input is the command's", async () => {
  const lockPath = newLockPath();
  const script = `process.stdin.pipe(process.stdout)`;
  const child = spawn(process.execPath, [MAIN, "run", "--lock", lockPath, "--", ...node(script)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stdin.end("through\n");
  const [code] = (await once(child, "close")) as [number];
  expect({ code, output }).toEqual({ code: 0, output: "through\n" });
});

test("arguments reach the command as they are, options and all", async () => {
  const lockPath = newLockPath();
  const command = node(
    "console.log(JSON.stringify(process.argv.slice(1)))",
    "--",
    "--help",
    "",
    "ä b",
  );
  const { stdout, code } = await runProgram(["run", "--lock", lockPath, "--", ...command]);
  expect(JSON.parse(stdout)).toEqual(["--help", "", "ä b"]);
  expect(code).toBe(0);
});

describe("a command that cannot be run leaves no lock, and the code is a shell's", () => {
  test("127 when there is none of that name", async () => {
    const lockPath = newLockPath();
    const { code, stderr } = await runProgram(["run", "--lock", lockPath, "--", "no-such-command"]);
    expect(code).toBe(127);
    expect(stderr).toBe(`pidentity: command not found: "no-such-command"\n`);
    expect(existsSync(lockPath)).toBe(false);
  });

  test("127 also when a folder of PATH may not be searched", async (context) => {
    requirePosix(context, "modes that close a folder");
    const closed = join(temporaryFolder(), "closed");
    mkdirSync(closed, { mode: 0o000 });
    onTestFinished(() => chmodSync(closed, 0o700));
    const run = startRun(["--lock", newLockPath()], ["no-such-command"], {
      PATH: `${closed}:${process.env["PATH"] ?? ""}`,
    });
    expect(await run.closed).toEqual({ code: 127, signal: null });
  });

  test("126 when it may not be executed", async (context) => {
    requirePosix(context, "modes that say what is a program");
    const lockPath = newLockPath();
    const file = `${lockPath}.sh`;
    writeFileSync(file, "#!/bin/sh\n", { mode: 0o644 });
    const { code, stderr } = await runProgram(["run", "--lock", lockPath, "--", file]);
    expect(code).toBe(126);
    expect(stderr).toContain("EACCES");
    expect(existsSync(lockPath)).toBe(false);
  });

  test("128 and the number of the signal that it died of", async (context) => {
    requirePosix(context, "signals");
    const lockPath = newLockPath();
    const under = (signal: string): readonly string[] => ["sh", "-c", `kill -${signal} $$`];
    const killed = await startRun(["--lock", lockPath], under("KILL")).closed;
    expect(killed).toEqual({ code: 137, signal: null });
    const quit = await startRun(["--lock", lockPath], under("QUIT")).closed;
    expect(quit).toEqual({ code: 131, signal: null });
    // As a shell's child would: the shell makes 143 of it.
    const ended = await startRun(["--lock", lockPath], under("TERM")).closed;
    expect(ended).toEqual({ code: null, signal: "SIGTERM" });
    expect(existsSync(lockPath)).toBe(false);
  });
});

// Starts four programs one after the other.
test(
  "75 when another process has the lock, at once or after the timeout; the holder is named",
  { timeout: 90_000 },
  async (context) => {
    requireNative(context);
    const lockPath = newLockPath();
    const holder = await startHolder(lockPath, { fields: { label: "the nightly\u001B[31m" } });
    const mark = `${lockPath}.ran`;
    const command = node("fs.writeFileSync(process.argv[1], '')", mark);
    const atOnce = await runProgram(["run", "--lock", lockPath, "--no-wait", "--", ...command]);
    expect(atOnce).toMatchObject({ code: 75, stdout: "" });
    expect(atOnce.stderr).toMatch(/^pidentity: no lock: held for \d+s by pid /u);
    expect(atOnce.stderr).toContain(`by pid ${String(holder.pid)} (`);
    expect(atOnce.stderr).toContain(`label "the nightly\\x1b[31m": ${lockPath}\n`);
    const later = await runProgram([
      "run",
      "--lock",
      lockPath,
      "--timeout",
      "200",
      "--",
      ...command,
    ]);
    expect(later.code).toBe(75);
    expect(later.stderr).toContain("no lock within 200 ms: held for");
    expect(existsSync(mark)).toBe(false);
  },
);

test("while it waits it says who holds the lock, once, and again when that changes", async (context) => {
  requireNative(context);
  requirePosix(context, "a lock that is replaced while it is held");
  const lockPath = newLockPath();
  const first = await startHolder(lockPath);
  const run = startRun(["--lock", lockPath], node("console.log('mine')"));
  const notice = (pid: number): RegExp =>
    new RegExp(
      String.raw`^pidentity: waiting for .*jobs\.lock: held for \d+s by pid ${String(pid)} `,
      "mu",
    );
  await waitFor("the first holder's name", () => notice(first.pid).test(run.errors()));
  // Taken by another before the one that waits can have it: under its own name, moved into place.
  const other = `${lockPath}.other`;
  const second = await startHolder(other);
  renameSync(other, lockPath);
  await waitFor("the second holder's name", () => notice(second.pid).test(run.errors()));
  await second.kill();
  expect(await run.closed).toMatchObject({ code: 0 });
  const lines = run.errors().trimEnd().split("\n");
  expect(lines).toHaveLength(2);
  expect(run.output()).toBe("mine\n");
});

test("a dead owner's lock is taken over without a word", async (context) => {
  requireNative(context);
  const lockPath = newLockPath();
  const holder = await startHolder(lockPath);
  await holder.kill();
  const command = node("process.exit(0)");
  const args = ["run", "--lock", lockPath, "--no-wait", "--", ...command];
  expect(await runProgram(args)).toEqual({ code: 0, stdout: "", stderr: "" });
});

describe("a killed wrapper never frees the lock under its command", () => {
  test("SIGKILL: no contender gets the lock while the command runs, and the next one does when it has ended", async (context) => {
    requireNative(context);
    requirePosix(context, "a descriptor that is inherited");
    const lockPath = newLockPath();
    const flag = `${lockPath}.flag`;
    const run = startRun(["--lock", lockPath], untilGone(flag));
    const pid = await commandsPid(run);
    const text = readFileSync(lockPath, "utf8");
    run.child.kill("SIGKILL");
    await run.closed;
    expect(isPidAlive(run.child.pid ?? 0)).toBe(false);

    // Another process, this one through the library, the sweep's judgement and the command that breaks locks.
    const contender = await runProgram([
      "run",
      "--lock",
      lockPath,
      "--no-wait",
      "--",
      ...node("1"),
    ]);
    expect(contender.code).toBe(75);
    expect(contender.stderr).toContain(`by what pid ${String(run.child.pid)} has left running`);
    await expect(acquirePidFile({ path: lockPath, timeoutMs: 300 })).rejects.toThrow(
      FileLockTimeoutError,
    );
    expect(await readPidFile(lockPath)).toMatchObject({
      pid: run.child.pid,
      state: "same",
      reason: "kernel-lock-held",
    });
    const broken = await runHere(["break", lockPath, "--reason", "test", "--yes"]);
    expect(broken.code).toBe(1);
    expect(broken.stdout).toContain("has ended, and a process that it started holds the lock");
    expect(readFileSync(lockPath, "utf8")).toBe(text);
    expect(isPidAlive(pid)).toBe(true);

    // One that waits gets it once the command has ended, soon.
    const waiting = startRun(["--lock", lockPath], node("console.log('mine')"));
    await waitFor("the waiter", () => waiting.errors().includes("has left running"));
    await removeAndWait(flag, pid);
    expect(await waiting.closed).toMatchObject({ code: 0 });
    expect(waiting.output()).toBe("mine\n");
    expect(existsSync(lockPath)).toBe(false);
  });

  test("a signal without a listener (SIGALRM) ends the wrapper alone, and the lock stays as long as the command", async (context) => {
    requireNative(context);
    requirePosix(context, "signals");
    const lockPath = newLockPath();
    const flag = `${lockPath}.flag`;
    const run = startRun(["--lock", lockPath], untilGone(flag));
    const pid = await commandsPid(run);
    run.child.kill("SIGALRM");
    expect(await run.closed).toMatchObject({ signal: "SIGALRM" });
    await expect(acquirePidFile({ path: lockPath })).rejects.toThrow(FileLockTimeoutError);
    await removeAndWait(flag, pid);
    const lock = await acquirePidFile({ path: lockPath, timeoutMs: 5000 });
    await lock.release();
  });

  test("a command that has left a process in the background keeps the lock of a killed wrapper through it", async (context) => {
    requireNative(context);
    requirePosix(context, "a descriptor that is inherited");
    const lockPath = newLockPath();
    const flag = `${lockPath}.flag`;
    const script = `child_process.spawn(process.execPath, ["-e", process.argv[1], process.argv[2]], {
      stdio: [0, 1, 2, ...fs.readdirSync("/proc/self/fd").map(Number).filter((fd) => fd > 2 && isLock(fd))] });
      function isLock(fd) { try { return fs.readlinkSync("/proc/self/fd/" + fd).length > 0
        && fs.fstatSync(fd).ino === fs.statSync(process.argv[3]).ino; } catch { return false; } }
      setTimeout(() => {}, 1e6);`;
    requireLinux(context, "/proc/self/fd");
    const [, , inner = ""] = untilGone(flag);
    const run = startRun(["--lock", lockPath], node(script, inner, flag, lockPath));
    const pid = await commandsPid(run);
    run.child.kill("SIGKILL");
    await run.closed;
    await expect(acquirePidFile({ path: lockPath })).rejects.toThrow(FileLockTimeoutError);
    await removeAndWait(flag, pid);
  });

  test.for(["tryOwn", "tryExclusive"] as const)(
    "the kernel lock of %s stays with a descriptor that a child has inherited, on file systems of either kind",
    async (take, context) => {
      requireNative(context);
      requireLinux(context, "both kinds of kernel locks");
      const path = newLockPath();
      const fd = openSync(path, "wx+");
      expect(realLockFs[take](fd)).toBe("acquired");
      const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1e6)"], {
        stdio: ["ignore", "ignore", "ignore", fd],
      });
      onTestFinished(() => void child.kill("SIGKILL"));
      await once(child, "spawn");
      closeSync(fd);
      const other = openSync(path, "r");
      onTestFinished(() => closeSync(other));
      const probe = take === "tryOwn" ? realLockFs.probeOwner : realLockFs.probe;
      expect(probe(other)).toBe("held");
      child.kill("SIGKILL");
      await once(child, "exit");
      expect(probe(other)).toBe("acquired");
    },
  );

  test("on Windows the command ends with its wrapper, and so does what it started", async (context) => {
    requireWindows(context, "jobs");
    requireNative(context);
    const lockPath = newLockPath();
    const flag = `${lockPath}.flag`;
    const [, , inner = ""] = untilGone(flag);
    const script = `console.log("outer " + process.pid);
      child_process.spawn(process.execPath, ["-e", process.argv[1], process.argv[2]], { stdio: "inherit" });`;
    const run = startRun(["--lock", lockPath], node(script, inner, flag));
    const pid = await commandsPid(run);
    const outer = Number(/outer (\d+)/u.exec(run.output())?.[1]);
    expect(isPidAlive(outer)).toBe(true);
    run.child.kill("SIGKILL");
    await waitFor("the command's end", () => !isPidAlive(outer));
    await waitFor("the end of what it started", () => !isPidAlive(pid));
    const lock = await acquirePidFile({ path: lockPath, timeoutMs: 5000 });
    await lock.release();
  });

  test("on Windows a process that the command leaves behind outlives a wrapper that ends by itself", async (context) => {
    requireWindows(context, "jobs");
    requireNative(context);
    const lockPath = newLockPath();
    const flag = `${lockPath}.flag`;
    const [, , inner = ""] = untilGone(flag);
    const script = `const child = child_process.spawn(process.execPath, ["-e", process.argv[1], process.argv[2]],
        { stdio: "ignore", detached: true });
      child.once("spawn", () => { console.log("pid " + child.pid); process.exit(0); });`;
    const run = startRun(["--lock", lockPath], node(script, inner, flag));
    const pid = await commandsPid(run);
    expect(await run.closed).toMatchObject({ code: 0 });
    expect(isPidAlive(pid)).toBe(true);
    await removeAndWait(flag, pid);
  });
});

describe("signals", () => {
  /** Says each signal that it gets, and ends with code 9 when it has got `last`, some time after it. */
  const listener = (last: string): readonly string[] =>
    node(
      `for (const s of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGABRT"])
         process.on(s, () => { console.log(s); if (s === process.argv[1]) setTimeout(() => process.exit(9), 100); });
       console.log("pid " + process.pid); setInterval(() => {}, 1e6);`,
      last,
    );

  test.for(["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGABRT"] as const)(
    "%s is passed on, and the lock is given up when the command has ended",
    async (signal, context) => {
      requirePosix(context, "signals");
      const lockPath = newLockPath();
      const run = startRun(["--lock", lockPath], listener(signal));
      await commandsPid(run);
      run.child.kill(signal);
      await waitFor("the signal", () => run.output().includes(`${signal}\n`));
      // It is ending, which takes a while.
      expect(existsSync(lockPath)).toBe(true);
      expect(await run.closed).toEqual({ code: 9, signal: null });
      expect(run.output().split(signal)).toHaveLength(2);
      expect(existsSync(lockPath)).toBe(false);
      expect(run.errors()).toBe("");
    },
  );

  test("a command that dies of the signal takes the wrapper with it, after the lock", async (context) => {
    requirePosix(context, "signals");
    const lockPath = newLockPath();
    const run = startRun(
      ["--lock", lockPath],
      node("console.log('pid ' + process.pid); setInterval(() => {}, 1e6)"),
    );
    await commandsPid(run);
    run.child.kill("SIGTERM");
    expect(await run.closed).toEqual({ code: null, signal: "SIGTERM" });
    expect(existsSync(lockPath)).toBe(false);
  });

  test("one that comes while it waits ends it at once, and the command never runs", async (context) => {
    requireNative(context);
    requirePosix(context, "signals");
    const lockPath = newLockPath();
    await startHolder(lockPath);
    const text = readFileSync(lockPath, "utf8");
    const run = startRun(["--lock", lockPath], node("console.log('ran')"));
    await waitFor("a sign of waiting", () => run.errors().includes("waiting for"));
    run.child.kill("SIGINT");
    expect(await run.closed).toEqual({ code: null, signal: "SIGINT" });
    expect(run.output()).toBe("");
    expect(readFileSync(lockPath, "utf8")).toBe(text);
  });

  test("Ctrl-C on a terminal reaches the command once", async (context) => {
    requireLinux(context, "script");
    const lockPath = newLockPath();
    const inner = [process.execPath, MAIN, "run", "--lock", lockPath, "--", ...listener("SIGTERM")];
    const quoted = inner.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(" ");
    const file = `${lockPath}.sh`;
    writeFileSync(file, `echo "wrapper $$"\nexec ${quoted}\n`);
    // No shell stays between the terminal and the wrapper: some die of the key, too.
    const child = spawn("script", ["-qfec", `exec sh '${file}'`, "/dev/null"], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, SHELL: "/bin/sh" },
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    const closed = once(child, "close");
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    const wrapper = await waitFor("the wrapper", () => /wrapper (\d+)/u.exec(output)?.[1]);
    await waitFor("the command", () => /pid \d+/u.test(output));
    child.stdin.write("\u0003");
    await waitFor("the first signal", () => output.includes("SIGINT"));
    // A later signal that is passed on: what the terminal's key led to has arrived by then.
    process.kill(Number(wrapper), "SIGTERM");
    expect(await closed).toEqual([9, null]);
    expect(output.split("SIGINT\r\n")).toHaveLength(2);
  });

  test.each([
    ["1 (sh) S 0 7 7 34816 7 4194304 1", true],
    ["1 (a) b) S 0 7 7 34816 8 4194304 1", false],
    ["1 (sh) S 0 7 7 0 -1 4194304 1", false],
    ["", false],
  ])("whether a terminal's keys reach a process: %j is %s", (stat, isInForeground) => {
    expect(foregroundOf(stat)).toBe(isInForeground);
  });
});

describe("what is no lock", () => {
  test("a file is left alone, and the command does not run", async () => {
    const path = join(temporaryFolder(), "thesis.txt");
    writeFileSync(path, "Chapter 1");
    const args = ["run", "--lock", path, "--timeout", "100", "--", ...node("console.log('ran')")];
    const { code, stdout, stderr } = await runProgram(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("cannot lock: this file is no lock");
    expect(readFileSync(path, "utf8")).toBe("Chapter 1");
  });

  test("a file or a symbolic link is not waited for without end", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "thesis.txt");
    writeFileSync(path, "Chapter 1");
    const paths = [path];
    // Windows gives links to few users.
    if (process.platform !== "win32") {
      symlinkSync(path, join(folder, "link.lock"));
      paths.push(join(folder, "link.lock"));
    }
    for (const lock of paths) {
      const args = ["run", "--lock", lock, "--", ...node("console.log('ran')")];
      const { code, stdout, stderr } = await runProgram(args);
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(stderr).toBe(`pidentity: cannot lock: this file is no lock: ${lock}\n`);
    }
    expect(readFileSync(path, "utf8")).toBe("Chapter 1");
  });

  test("a directory is another library's lock: it is waited for, and left alone", async () => {
    const path = join(temporaryFolder(), "d.lock");
    mkdirSync(path);
    const args = ["run", "--lock", path, "--no-wait", "--", ...node("console.log('ran')")];
    const { code, stdout, stderr } = await runProgram(args);
    expect({ code, stdout }).toEqual({ code: 75, stdout: "" });
    expect(stderr).toContain("a directory is there: another library's lock, held or left");
    expect(existsSync(path)).toBe(true);
  });
});

test("without the addon the command runs, and standard error says what a killed wrapper would mean", async () => {
  const lockPath = newLockPath();
  const args = ["run", "--lock", lockPath, "--", ...node("console.log('ran')")];
  const { code, stdout, stderr } = await runProgram(args, { PIDENTITY_NO_NATIVE: "1" });
  expect({ code, stdout }).toEqual({ code: 0, stdout: "ran\n" });
  expect(stderr).toContain("no native addon: if this program is killed");
});

test.each([
  [["--lock", "a.lock"], "a command is required, behind --"],
  [["--lock", "a.lock", "--"], "a command is required, behind --"],
  [["--", "true"], "--lock FILE is required"],
  [["--lock", "a.lock", "ls", "--", "x"], 'this is before it: "ls"'],
  [["--lock", "a.lock", "ls", "-l"], "unknown option: -l"],
  [["--lock", "a.lock", "--timeout", "soon", "--", "true"], "--timeout must be an integer"],
  [
    ["--lock", "a.lock", "--timeout", "5", "--no-wait", "--", "true"],
    "--no-wait cannot be combined",
  ],
])("wrong usage is refused: run %j", async (args, message) => {
  const { code, stderr, stdout } = await runHere(["run", ...args]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(message);
  expect(existsSync("a.lock")).toBe(false);
});
