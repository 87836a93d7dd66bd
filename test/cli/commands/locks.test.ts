import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { STALE_REASONS } from "../../../lib/cli/locks/explanations.js";
import { runHere, runProgram } from "../../support/command-line.js";
import { endedPid, liveOwner, lockDirectory } from "../../support/locks/lock-directory.js";
import { writePlainLock } from "../../support/locks/lock-holder.js";
import { requireNative, requirePosix, requireRoot } from "../../support/require.js";
import { AS_NOBODY, readablePackage } from "../../support/processes/unprivileged.js";

const HOUR_MS = 3_600_000;
// Two hours and a second or two, however slow the machine: the smaller unit is cut off.
const TWO_HOURS = 2 * HOUR_MS + 1000;

describe("the report in a pipe", () => {
  test("an empty directory has no lock, and nothing is wrong", async () => {
    const { path } = lockDirectory();
    expect(await runHere(["locks", path])).toEqual({
      code: 0,
      stdout: "Found 0 session lock files.\n",
      stderr: "",
    });
  });

  test("one lock is one file", async () => {
    const owner = await liveOwner();
    const directory = lockDirectory();
    directory.writePlain("a", owner);
    const { code, stdout } = await runHere(["locks", directory.path]);
    expect(stdout).toMatch(/^Found 1 session lock file\.\n/u);
    expect(stdout).toContain(`\n${directory.lockOf("a")} pid=${owner.pid} (alive) age=`);
    expect(stdout).toMatch(/ stale=no\n$/u);
    expect(code).toBe(0);
  });

  test("the age has its two largest units", async () => {
    const owner = await liveOwner();
    const directory = lockDirectory();
    directory.writePlain("a", { ...owner, ageMs: TWO_HOURS + 180_000 });
    const { stdout } = await runHere(["locks", directory.path]);
    expect(stdout).toContain(" age=2h3m stale=yes (too-old)\n");
  });

  test("a dead owner's lock says what --fix would do, and does not do it", async (context) => {
    requireNative(context);
    const pid = await endedPid();
    const directory = lockDirectory();
    directory.writePlain("a", { pid, ageMs: TWO_HOURS });
    const { code, stdout } = await runHere(["locks", directory.path]);
    expect(stdout).toBe(
      "Found 1 session lock file.\n" +
        `${directory.lockOf("a")} pid=${pid} (dead) age=2h stale=yes (dead-pid, too-old)\n` +
        "  --fix would remove it: its process has ended\n" +
        "Run again with --fix to remove 1 stale session lock file.\n",
    );
    expect(code).toBe(1);
    expect(existsSync(directory.lockOf("a"))).toBe(true);
  });

  test.for([
    [
      "no-token",
      { nonce: "0".repeat(32) },
      "let its writer read /proc and the boot id, or, once it has ended: pidentity break",
    ],
    ["malformed", { owner: "pi9.of.a.newer.version" }, "run a version of this command as new as"],
  ] as const)(
    "a lock that cannot be decided from here is not taken for nothing to do: %s",
    async ([reason, fields, remedy]) => {
      const { path, lockOf } = lockDirectory();
      writePlainLock(path, "a", { pid: await endedPid(), ...fields });
      for (const fix of [[], ["--fix"]]) {
        const { code, stdout } = await runHere(["locks", path, ...fix]);
        expect(stdout).toContain(` stale=unknown (${reason})\n`);
        expect(stdout).toContain(`nothing proves that its owner is gone (${reason}); `);
        expect(stdout).toContain(remedy);
        expect(code).toBe(1);
      }
      expect(existsSync(lockOf("a"))).toBe(true);
    },
  );

  test("--keep-plain keeps a dead owner's plain lock, and says that it is undecided", async () => {
    const { path, lockOf } = lockDirectory();
    writePlainLock(path, "a", { pid: await endedPid() });
    const { code, stdout } = await runHere(["locks", path, "--fix", "--keep-plain"]);
    expect(stdout).toContain(" stale=unknown (plain-lock)\n");
    expect(code).toBe(1);
    expect(existsSync(lockOf("a"))).toBe(true);
  });

  test("a live owner's old lock says why --fix would keep it", async () => {
    const owner = await liveOwner();
    const directory = lockDirectory();
    directory.writePlain("a", { ...owner, ageMs: TWO_HOURS });
    const { code, stdout } = await runHere(["locks", directory.path]);
    expect(stdout).toContain("stale=yes (too-old)\n  --fix would keep it: its owner still runs\n");
    expect(stdout).not.toContain("Run again");
    expect(code).toBe(1);
  });

  test("a lock without pid says unknown, twice", async () => {
    const directory = lockDirectory();
    directory.writeText("a", "{");
    const { code, stdout } = await runHere(["locks", directory.path]);
    expect(stdout).toContain(
      `${directory.lockOf("a")} pid=unknown age=unknown stale=yes (missing-pid, invalid-createdAt)\n` +
        "  --fix would keep it: it is so young that its writer may still be writing it\n",
    );
    expect(code).toBe(1);
  });

  test("a recycled pid belongs to another process now, and the lock is stale", async (context) => {
    requireNative(context);
    const owner = await liveOwner();
    const directory = lockDirectory();
    directory.writePlain("a", { pid: owner.pid, starttime: owner.starttime - 1000 });
    const { stdout } = await runHere(["locks", directory.path]);
    expect(stdout).toMatch(
      / pid=\d+ \(now another process\) age=\S+ stale=yes \(recycled-pid\)\n/u,
    );
    expect(stdout).toContain("--fix would remove it: its pid belongs to another process now\n");
  });

  test("a hostile file name cannot drive the terminal", async (context) => {
    requirePosix(context, "control characters in file names");
    const directory = lockDirectory();
    directory.writeText("\u001B[2J\u202E\n", "{}");
    const { stdout } = await runHere(["locks", directory.path]);
    expect(stdout).toContain(String.raw`\x1b[2J\u202e\n.jsonl.lock`);
    expect(stdout).not.toContain("\u001B");
    const json = await runHere(["locks", directory.path, "--json"]);
    expect(json.stdout.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    const { locks } = JSON.parse(json.stdout) as { locks: { lockPath: string }[] };
    expect(locks[0]?.lockPath).toBe(directory.lockOf("\u001B[2J\u202E\n"));
  });
});

describe("--fix", () => {
  test("removes what is proven abandoned, keeps the rest, and counts", async (context) => {
    requireNative(context);
    const owner = await liveOwner();
    const directory = lockDirectory();
    const pid = await endedPid();
    directory.writePlain("a-dead", { pid });
    directory.writePlain("b-live", owner);
    directory.writePlain("c-old", { ...owner, ageMs: TWO_HOURS });
    directory.writeText("d-torn", '{"pid":', { ageMs: HOUR_MS });
    const { code, stdout } = await runHere(["locks", directory.path, "--fix"]);
    expect(stdout).toMatch(/^Found 4 session lock files\.\n/u);
    expect(stdout).toMatch(
      /a-dead\S+ pid=\d+ \(dead\) age=\S+ stale=yes \(dead-pid\) \[removed\]\n/u,
    );
    expect(stdout).toMatch(/b-live\S+ pid=\d+ \(alive\) age=\S+ stale=no\n/u);
    expect(stdout).toMatch(/c-old\S+ .* stale=yes \(too-old\)\n {2}kept: its owner still runs\n/u);
    expect(stdout).toMatch(/d-torn\S+ .*\(missing-pid, invalid-createdAt\) \[removed\]\n/u);
    expect(stdout).toMatch(/\nRemoved 2 stale session lock files\.\n$/u);
    expect(readdirSync(directory.path).toSorted()).toEqual([
      "b-live.jsonl.lock",
      "c-old.jsonl.lock",
    ]);
    // One stale lock remains.
    expect(code).toBe(1);
  });

  test("exits with 0 when nothing stale is left, and knows the singular", async (context) => {
    requireNative(context);
    const directory = lockDirectory();
    directory.writePlain("a", { pid: await endedPid() });
    const { code, stdout, stderr } = await runHere(["locks", directory.path, "--fix"]);
    expect(stdout).toContain("Removed 1 stale session lock file.\n");
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect(existsSync(directory.lockOf("a"))).toBe(false);
  });

  test("goes over several directories, each once, with one count", async (context) => {
    requireNative(context);
    const pid = await endedPid();
    const [first, second] = [lockDirectory(), lockDirectory()];
    first.writePlain("a", { pid });
    second.writePlain("b", { pid });
    const again = `${first.path}/.`;
    const args = ["locks", first.path, second.path, again];
    expect((await runHere(args)).stdout).toMatch(/^Found 2 session lock files\.\n/u);
    const { code, stdout } = await runHere([...args, "--fix"]);
    expect(stdout).toMatch(/^Found 2 session lock files\.\n/u);
    expect(stdout).toContain("Removed 2 stale session lock files.\n");
    expect(code).toBe(0);
  });

  test("without the addon nothing is removed, and both runs say so beforehand", async (context) => {
    // Windows has a guard without it.
    requirePosix(context, "Windows has a guard without the addon");
    const directory = lockDirectory();
    directory.writePlain("a", { pid: await endedPid() });
    const env = { PIDENTITY_NO_NATIVE: "1" };
    const look = await runProgram(["locks", directory.path], env);
    expect(look.stdout).toContain("--fix would keep it: there is no safe way to remove it");
    expect(look.stdout).not.toContain("Run again");
    const fix = await runProgram(["locks", directory.path, "--fix"], env);
    expect(fix.stdout).toContain("  kept: there is no safe way to remove it here (kernel locks");
    expect([look.code, fix.code]).toEqual([1, 1]);
    expect(existsSync(directory.lockOf("a"))).toBe(true);
  });
});

test("what --fix removed is told by the report, and not once more as a notice", async (context) => {
  requireNative(context);
  const directory = lockDirectory();
  directory.writePlain("dead", { pid: await endedPid() });
  directory.writePlain("live", await liveOwner());
  const { stdout, stderr } = await runHere(["locks", directory.path, "--fix", "--json"]);
  expect(JSON.parse(stdout)).toMatchObject({ counts: { removed: 1 }, notices: [] });
  expect(stderr).toBe("");
});

describe("--stale-ms", () => {
  test("sets the age of too old, before the environment and the default", async () => {
    const owner = await liveOwner();
    const directory = lockDirectory();
    directory.writePlain("a", { ...owner, ageMs: 60_000 });
    const env = { OPENCLAW_SESSION_WRITE_LOCK_STALE_MS: "30000" };
    const codeOf = async (args: string[], terminal = {}): Promise<number | null> =>
      (await runHere(["locks", directory.path, ...args], terminal)).code;
    expect(await codeOf([])).toBe(0);
    expect(await codeOf([], { env })).toBe(1);
    expect(await codeOf(["--stale-ms", "5000"])).toBe(1);
    expect(await codeOf(["--stale-ms=3600000"], { env })).toBe(0);
  });
});

describe("--json", () => {
  test("is one document with every lock, the counts and the problems", async (context) => {
    requireNative(context);
    const owner = await liveOwner();
    const pid = await endedPid();
    const directory = lockDirectory();
    directory.writePlain("a", { pid });
    directory.writePlain("b", owner);
    const missing = join(directory.path, "missing");
    const args = ["locks", directory.path, missing, "--json", "--fix"];
    const { code, stdout } = await runHere(args, { isTTY: true });
    expect(JSON.parse(stdout)).toEqual({
      schemaVersion: 1,
      locks: [
        expect.objectContaining({
          lockPath: directory.lockOf("a"),
          pid,
          staleReasons: ["dead-pid"],
          removed: true,
          keptReason: null,
          error: null,
          program: null,
        }),
        expect.objectContaining({
          pid: owner.pid,
          stale: false,
          ownerState: "same",
          program: "node -e",
        }),
      ],
      counts: { total: 2, stale: 1, removed: 1, kept: 1 },
      problems: [`no such directory: ${missing}`],
      notices: [],
    });
    expect(code).toBe(2);
  });

  test("of nothing is a document, too", async () => {
    const { stdout } = await runHere(["locks", lockDirectory().path, "--json"]);
    expect(JSON.parse(stdout)).toEqual({
      schemaVersion: 1,
      counts: { total: 0, stale: 0, removed: 0, kept: 0 },
      problems: [],
      notices: [],
      locks: [],
    });
  });

  test("with --explain explains each reason that occurs, and no other", async (context) => {
    requireNative(context);
    const directory = lockDirectory();
    directory.writePlain("a", { pid: await endedPid(), ageMs: TWO_HOURS });
    directory.writeText("b", "{");
    const args = ["locks", directory.path, "--json", "--explain"];
    const { explanations } = JSON.parse((await runHere(args)).stdout) as {
      explanations: Record<string, { meaning: string; remedy: string }>;
    };
    const { meaning, remedy } = STALE_REASONS["dead-pid"];
    expect(explanations["dead-pid"]).toEqual({ meaning, remedy });
    expect(Object.keys(explanations)).toEqual([
      "missing-pid",
      "dead-pid",
      "invalid-createdAt",
      "too-old",
      "in-grace",
    ]);
  });
});

describe("I/O errors exit with 2 and name the path", () => {
  test("a directory that does not exist is reported, and the others are examined", async () => {
    const owner = await liveOwner();
    const directory = lockDirectory();
    directory.writePlain("a", owner);
    const missing = join(directory.path, "sesions");
    const { code, stdout, stderr } = await runHere(["locks", missing, directory.path]);
    expect(stderr).toBe(`pidentity: no such directory: ${missing}\n`);
    expect(stdout).toContain("Found 1 session lock file.\n");
    expect(code).toBe(2);
  });

  test("no count is printed where no directory could be read", async () => {
    const missing = join(lockDirectory().path, "missing");
    expect((await runHere(["locks", missing])).stdout).toBe("");
  });

  test("a lock that is far too large remains, and does not turn every answer into an I/O error", async (context) => {
    requireNative(context);
    const directory = lockDirectory();
    directory.writeText("a", "x".repeat(70_000), { ageMs: HOUR_MS });
    directory.writePlain("b", { pid: await endedPid() });
    for (const options of [[], ["--fix"], ["--fix", "--json"], []]) {
      const { code, stdout } = await runHere(["locks", directory.path, ...options]);
      expect(stdout).toMatch(/cannot be|larger than 65536 bytes/u);
      expect(code).toBe(1);
    }
    expect(existsSync(directory.lockOf("b"))).toBe(false);
  });
});

test("a directory with a lock's name is told of, and is no lock", async (context) => {
  requirePosix(context, "symbolic links without privilege");
  const directory = lockDirectory();
  mkdirSync(directory.lockOf("odd"));
  symlinkSync("nowhere", directory.lockOf("dangling"));
  const { code, stdout, stderr } = await runHere(["locks", directory.path]);
  expect(stdout).toBe("Found 0 session lock files.\n");
  for (const name of ["odd", "dangling"]) {
    expect(stderr).toContain(`pidentity: skipped, not a regular file: ${directory.lockOf(name)}\n`);
  }
  expect(code).toBe(0);
});

describe("on a terminal", () => {
  test("the table has a row for each lock, with its owner's program and what --fix does", async (context) => {
    requireNative(context);
    const owner = await liveOwner();
    const pid = await endedPid();
    const directory = lockDirectory();
    directory.writePlain("a-dead", { pid });
    directory.writePlain("b-live", owner);
    directory.writePlain("c-old", { ...owner, ageMs: TWO_HOURS });
    const terminal = { isTTY: true, columns: 80, env: { NO_COLOR: "1" } };
    const { code, stdout } = await runHere(["locks", directory.path], terminal);
    const [summary, blank, header, ...rows] = stdout.split("\n");
    expect(summary).toBe(
      "Found 3 session lock files. 2 are stale: --fix would remove 1 and keep 1.",
    );
    expect(blank).toBe("");
    expect(header).toMatch(/^SESSION +PID +ALIVE +PROGRAM +AGE +VERDICT +--FIX$/u);
    expect(rows.slice(0, 3).map((row) => row.split(/ {2,}/u))).toEqual([
      ["a-dead", String(pid), "no", "-", expect.any(String), "process has ended", "removes"],
      ["b-live", String(owner.pid), "yes", "node -e", expect.any(String), "in use", "-"],
      ["c-old", String(owner.pid), "yes", "node -e", "2h", "old, owner runs", "keeps"],
    ]);
    expect(code).toBe(1);
    const fix = await runHere(["locks", directory.path, "--fix"], terminal);
    expect(fix.stdout).toContain("2 were stale: 1 removed, 1 kept.\n");
    expect(fix.stdout).toMatch(/^a-dead .* process has ended +removed$/mu);
    expect(fix.stdout).toContain("\nRemoved 1 stale session lock file.\n");
  });

  test("colour is for users who have not refused it", async (context) => {
    requireNative(context);
    const pid = await endedPid();
    const outputOf = async (terminal: object): Promise<string> => {
      const directory = lockDirectory();
      directory.writePlain("a", { pid });
      return (await runHere(["locks", directory.path, "--fix"], terminal)).stdout;
    };
    const colored = await outputOf({ isTTY: true });
    expect(colored).toContain("\u001B[32mremoved\u001B[39m");
    const env = { NO_COLOR: "1" };
    expect(await outputOf({ isTTY: true, env })).not.toContain("\u001B");
    expect(await outputOf({ isTTY: true, env: { TERM: "dumb" } })).not.toContain("\u001B");
    expect(await outputOf({})).not.toContain("\u001B");
  });

  test("a hostile file name cannot drive the terminal", async (context) => {
    requirePosix(context, "control characters in file names");
    const directory = lockDirectory();
    directory.writeText("\u001B[2J\u202E\n", "{}");
    const terminal = { isTTY: true, env: { NO_COLOR: "1" } };
    const { stdout } = await runHere(["locks", directory.path], terminal);
    expect(stdout).toContain(String.raw`\x1b[2J\u202e\n`);
    expect(stdout.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  test("a thousand rows are enough, and what is wrong comes first", async (context) => {
    requireNative(context);
    const pid = await endedPid();
    const owner = await liveOwner();
    const directory = lockDirectory();
    for (let index = 0; index < 1100; index++) directory.writePlain(`fine-${index}`, owner);
    directory.writePlain("z-dead", { pid });
    const terminal = { isTTY: true, columns: 80, env: { NO_COLOR: "1" } };
    const { stdout } = await runHere(["locks", directory.path], terminal);
    expect(stdout).toMatch(
      /^Found 1101 session lock files\. 1 is stale: --fix would remove it\.\n/u,
    );
    expect(stdout).toMatch(/^z-dead /mu);
    expect(stdout.match(/^fine-/gmu)).toHaveLength(999);
    expect(stdout).toContain("\n… and 101 more session lock files, none of them stale\n");
    // A pipe gets every lock.
    const piped = await runHere(["locks", directory.path]);
    expect(piped.stdout.match(/^.*fine-.*stale=no$/gmu)).toHaveLength(1100);
  });
});

describe("--explain", () => {
  test("says below the lines what each reason means and what to do", async (context) => {
    requireNative(context);
    const directory = lockDirectory();
    directory.writePlain("a", { pid: await endedPid() });
    const look = await runHere(["locks", directory.path]);
    const { stdout } = await runHere(["locks", directory.path, "--explain"]);
    const { meaning, remedy } = STALE_REASONS["dead-pid"];
    const explanation = `\ndead-pid (1 lock)\n  ${meaning}\n  What to do: ${remedy}\n`;
    expect(stdout.replace(/age=\S+/u, "")).toBe(look.stdout.replace(/age=\S+/u, "") + explanation);
  });

  test("has nothing to say where nothing is wrong", async () => {
    const { path } = lockDirectory();
    expect((await runHere(["locks", path, "--explain"])).stdout).toBe(
      "Found 0 session lock files.\n",
    );
  });
});

describe("--state-dir", () => {
  /** A gateway's state directory with a dead lock for each of two agents. */
  async function stateDirectory(): Promise<string> {
    const { path } = lockDirectory();
    const pid = await endedPid();
    for (const agent of ["main", "other"]) {
      const sessions = join(path, "agents", agent, "sessions");
      mkdirSync(sessions, { recursive: true });
      writePlainLock(sessions, agent, { pid });
    }
    mkdirSync(join(path, "agents", "new"));
    return path;
  }

  test("examines and fixes every agent's sessions, each state directory once", async (context) => {
    requireNative(context);
    const path = await stateDirectory();
    const args = ["locks", "--state-dir", path, `--state-dir=${join(path, "agents", "..")}`];
    const look = await runHere(args);
    expect(look).toMatchObject({ code: 1, stderr: "" });
    expect(look.stdout).toMatch(/^Found 2 session lock files\.\n/u);
    const fix = await runHere([...args, "--fix"]);
    expect(fix).toMatchObject({ code: 0, stderr: "" });
    expect(fix.stdout).toContain("Removed 2 stale session lock files.\n");
  });

  test("on a terminal each directory is named once above its locks", async (context) => {
    requireNative(context);
    const path = await stateDirectory();
    const terminal = { isTTY: true, env: { NO_COLOR: "1" } };
    const { stdout } = await runHere(["locks", "--state-dir", path], terminal);
    for (const agent of ["main", "other"]) {
      const heading = join(path, "agents", agent, "sessions");
      expect(stdout).toContain(`\n${heading}\n${agent}`);
    }
  });

  test("reports a directory that is no state directory", async () => {
    const { path } = lockDirectory();
    const { code, stdout, stderr } = await runHere(["locks", "--state-dir", path]);
    expect(stderr).toBe(`pidentity: no such directory: ${join(path, "agents")}\n`);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });
});

test("a directory that the user may not change: nothing removed, the error told", async (context) => {
  requireRoot(context, "to become a user without rights");
  requireNative(context);
  const { entry, node } = readablePackage();
  const directory = lockDirectory();
  directory.writePlain("a", { pid: await endedPid() });
  chmodSync(directory.path, 0o755);
  const [setpriv, ...options] = AS_NOBODY;
  const main = join(entry, "../cli/main.js");
  const args = [...options, node, main, "locks", directory.path, "--fix"];
  const { status, stdout } = spawnSync(setpriv, args, { encoding: "utf8", cwd: "/" });
  expect(stdout).toContain("stale=yes (dead-pid)\n  kept: removing it failed (EACCES");
  expect(status).toBe(2);
  expect(existsSync(directory.lockOf("a"))).toBe(true);
});

test("a long sweep shows a bar on standard error, takes it away, and shows none in a pipe", async () => {
  const directory = lockDirectory();
  directory.writeText("a", "{}");
  // Every look at the clock finds a second gone.
  const clockOf = (): (() => number) => {
    let ms = 0;
    return () => (ms += 1000);
  };
  const args = ["locks", directory.path];
  const shown = await runHere(args, { isTTY: true, columns: 80, now: clockOf() });
  expect(shown.stderr).toContain("100% of 1 locks");
  expect(shown.stderr.endsWith("\r\u001B[K")).toBe(true);
  expect(shown.stdout).not.toContain("% of");
  expect((await runHere([...args, "--json"], { now: clockOf() })).stderr).toBe("");
});
