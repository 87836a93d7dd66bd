/**
 * What processes, file names and people hand to the command: names of any length and kind, in time that grows as they
 * do. The inputs are so large that a step which looks at the rest for each character would take minutes to hours: the
 * tests' own time limit is the judge.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, onTestFinished, test, vi } from "vitest";

import {
  cutToWidth,
  displayWidth,
  padToWidth,
  shortenToWidth,
  wrapToWidth,
} from "../../lib/cli/terminal/display-width.js";
import { printable } from "../../lib/util/printable.js";
import { programName } from "../../lib/cli/locks/program-name.js";
import { layOutTable } from "../../lib/cli/terminal/table.js";
import { run } from "../../lib/cli/run.js";
import { type RunningChild, startReady } from "../support/child.js";
import { recordingIo, recordingStream, runHere, runProgram } from "../support/command-line.js";
import { endedPid, liveOwner, lockDirectory } from "../support/lock-directory.js";
import { ROOT } from "../support/programs.js";
import { requireNative, requirePosix, requireRoot } from "../support/require.js";

const MAIN = join(ROOT, "dist/cli/main.js");

/** The longest argument that Linux takes is 131 071 bytes long (MAX_ARG_STRLEN). */
const LONGEST_ARGUMENT = 131_000;

/** A process that lives until the test ends, under a name of its own choice. */
async function startNamed(argv0: string): Promise<RunningChild> {
  const idle = ["-e", "console.log(1); process.stdin.resume()"];
  return await startReady(process.execPath, idle, { argv0 });
}

describe("a process that calls itself 131 000 slashes", () => {
  // Several: one alone would cost 20 s.
  const startSlashes = (): Promise<RunningChild[]> =>
    Promise.all([1, 2, 3, 4].map(() => startNamed(`${"/".repeat(LONGEST_ARGUMENT)}x`)));

  test.for([
    ["a pipe", {}],
    ["a terminal", { isTTY: true, columns: 80, env: { NO_COLOR: "1" } }],
    ["a terminal of unknown size", { isTTY: true, env: { NO_COLOR: "1" } }],
  ] as const)(
    "is named in the doctor's report at once, on %s",
    async ([, surroundings], context) => {
      requirePosix(context, "a program that is started under another name");
      const directory = lockDirectory();
      const processes = await startSlashes();
      for (const { pid } of processes) directory.writePlain(`s-${String(pid)}`, { pid });
      const { stdout } = await runHere(["locks", directory.path], surroundings);
      expect(stdout).toMatch(/Found 4 session lock files/u);
      const json = await runHere(["locks", directory.path, "--json"], surroundings);
      const { locks } = JSON.parse(json.stdout) as { locks: { program: string }[] };
      expect(locks.map(({ program }) => program)).toEqual(["x", "x", "x", "x"]);
    },
  );

  test("is shown by ps, cut to the terminal or whole in a pipe", async (context) => {
    requirePosix(context, "a program that is started under another name");
    const [process] = await startSlashes();
    const pid = String(process?.pid);
    const wide = await runHere(["ps", pid], { isTTY: true, columns: 80 });
    expect(wide.stdout.split("\n").every((line) => displayWidth(line) <= 200)).toBe(true);
    const piped = await runHere(["ps", pid]);
    expect(piped.stdout).toContain(`${"/".repeat(LONGEST_ARGUMENT)}x -e `);
  });
});

/** Texts that one step or another once looked through again and again. */
const PIECES: readonly (readonly [string, string])[] = [
  ["slashes", "/"],
  ["backslashes", "\\"],
  ["blanks", " "],
  ["line ends", "\n"],
  ["words", "a "],
  ["Han characters", "漢"],
  ["words of Han characters", "漢字 "],
  ["control characters", "\u001B"],
  ["letters with a mark", "e\u0301"],
  ["marks alone", "\u0301"],
  ["halves of flags", "🇩"],
  ["pictures that are joined", "👩\u200d"],
  ["halves of characters", "\ud800"],
  ["option values", "="],
];

describe("a text of 100 000 characters takes time as it is long, whatever it consists of", () => {
  test.each(PIECES)("%s", (_what, piece) => {
    const text = `${piece.repeat(100_000 / piece.length)}!`;
    programName([text]);
    programName(["node", text]);
    programName(["node", `--eval=${text}`]);
    const shown = printable(text);
    displayWidth(shown);
    cutToWidth(shown, 80);
    shortenToWidth(shown, 80);
    padToWidth(shown, 80);
    expect(wrapToWidth(shown, Infinity)).toEqual([shown]);
    for (const columns of [80, 65_535]) {
      wrapToWidth(shown, columns, "  ");
      const cells = [[{ text: "1" }, { text: shown }]];
      const titles = [{ title: "A" }, { title: "B", shrinkTo: 8 }];
      const { rows } = layOutTable(titles, cells, recordingStream(true, columns));
      expect(rows).toHaveLength(1);
    }
  });
});

test("a word is wrapped on a terminal of one column, however long", () => {
  expect(wrapToWidth("x".repeat(300_000), 1)).toHaveLength(300_000);
  expect(wrapToWidth("漢".repeat(300_000), 2)).toHaveLength(300_000);
});

test("graphemes are measured as one, also where a long text is looked at in parts", () => {
  const pieces = ["e\u0301\u0323", "🇩🇪", "👩\u200d👩\u200d👧", "漢", "a", "❤\ufe0f", "क्षि"];
  for (const piece of pieces) {
    const width = displayWidth(piece);
    for (const lead of ["", "a", "ab", "漢"]) {
      const text = lead + piece.repeat(500);
      expect(displayWidth(text)).toBe(displayWidth(lead) + 500 * width);
      expect(cutToWidth(text, 100)).toMatch(/…$/u);
    }
  }
});

describe("a program's name", () => {
  test.each([
    ["of 255 characters is told whole", "x".repeat(255), "x".repeat(255)],
    ["longer than a file's can be is cut", "x".repeat(256), `${"x".repeat(254)}…`],
    ["is never cut within a character", `${"x".repeat(253)}🙂🙂`, `${"x".repeat(253)}…`],
    ["without a path is none of its separators", "/usr/bin///", "bin"],
    ["of separators only is none", "////", null],
  ])("%s", (_what, argument, name) => {
    expect(programName([argument])).toBe(name);
  });
});

describe("the doctor on a terminal of few columns", () => {
  test("tells of a thousand locks that cannot be read, however many lines that makes", async () => {
    const directory = lockDirectory();
    for (let index = 0; index < 800; index++) {
      const name = `${"n".repeat(230)}-${String(index)}`;
      directory.writeText(name, "");
      // Larger than a lock may be, and all of it a hole.
      truncateSync(directory.lockOf(name), 70_000);
    }
    const surroundings = { isTTY: true, columns: 1, env: { NO_COLOR: "1" } };
    const { code, stdout } = await runHere(["locks", directory.path], surroundings);
    expect(code).toBe(1);
    expect(stdout.split("\n").length).toBeGreaterThan(200_000);
  });
});

test("the words about a missing addon are put on one line, however many blanks are in them", async () => {
  // Windows takes less in one variable.
  const blanks = process.platform === "win32" ? 30_000 : LONGEST_ARGUMENT - 1000;
  const path = `x${" ".repeat(blanks)}y`;
  const { stdout } = await runProgram(["native"], { PIDENTITY_NATIVE_PATH: path });
  expect(stdout).toContain("error: ");
  const [, error = ""] = stdout.split("\n").filter((line) => !line.startsWith("backend"));
  expect(error.length + stdout.length).toBeGreaterThan(blanks);
});

test("a hundred thousand options in one word are wrong usage", async () => {
  const { code, stderr } = await runHere(["ps", `-${"x".repeat(LONGEST_ARGUMENT)}`]);
  expect(code).toBe(2);
  expect(stderr).toMatch(/\nSee pidentity ps --help\n$/u);
});

test.for([
  ["ps", ["ps"]],
  ["ps --json", ["ps", "--json"]],
  ["verify", ["verify", "t".repeat(100_000), "u".repeat(100_000)]],
  ["verify --json", ["verify", "t".repeat(100_000), "u".repeat(100_000), "--json"]],
] as const)(
  "%s writes a long answer in pieces: as one it may be longer than a string can be",
  async ([command, args], context) => {
    requirePosix(context, "a program that is started under another name");
    const { pid } = await startNamed("y".repeat(LONGEST_ARGUMENT));
    const io = recordingIo();
    const write = vi.spyOn(io.stdout, "write");
    const pids = command.startsWith("ps") ? [String(pid), String(process.pid)] : [];
    await run([...args, ...pids], io);
    expect(write.mock.calls.length).toBeGreaterThan(1);
    expect(io.stdout.text()).toMatch(/^\S[^]*\S\n$/u);
    expect(io.stdout.text().length).toBeGreaterThan(LONGEST_ARGUMENT);
  },
);

describe("identify as the command of a container", () => {
  const inNamespace = (...args: string[]): ReturnType<typeof spawnSync> & { stderr: string } =>
    spawnSync("unshare", ["--pid", "--fork", "--mount-proc", process.execPath, MAIN, ...args], {
      encoding: "utf8",
    });

  test("says that the process which started it lies outside, and what to do", (context) => {
    requireRoot(context, "a pid namespace");
    const { status, stdout, stderr } = inNamespace("identify");
    expect(stderr).toBe(
      "pidentity: cannot name the process that started this command (other-pid-namespace): it runs outside this " +
        "container (pid namespace) and has no pid in here; give a pid, e.g. of the container's main process: " +
        "pidentity identify 1\n",
    );
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  });

  test("says so as JSON, without a pid", (context) => {
    requireRoot(context, "a pid namespace");
    const { status, stdout } = inNamespace("identify", "--json");
    expect(JSON.parse(String(stdout))).toEqual({
      schemaVersion: 1,
      pid: null,
      token: null,
      reason: "other-pid-namespace",
    });
    expect(status).toBe(1);
  });

  test("names the container's main process when it is asked to, and the remedy holds", (context) => {
    requireRoot(context, "a pid namespace");
    requireNative(context);
    const { status, stdout } = inNamespace("identify", "1");
    expect(String(stdout)).toMatch(/^pi1\.linux\./u);
    expect(status).toBe(0);
  });

  test("ps shows no parent of a process whose parent lies outside", (context) => {
    requireRoot(context, "a pid namespace");
    const { stdout } = inNamespace("ps", "1");
    expect(String(stdout)).toMatch(/^1 +alive +- /mu);
    expect(JSON.parse(String(inNamespace("ps", "1", "--json").stdout))).toMatchObject({
      processes: [{ pid: 1, state: "alive", parentPid: null }],
    });
  });

  test("a shell in the container is named as everywhere", (context) => {
    requireRoot(context, "a pid namespace");
    requireNative(context);
    const command = `"${process.execPath}" "${MAIN}" identify; true`;
    const { stdout } = spawnSync(
      "unshare",
      ["--pid", "--fork", "--mount-proc", "sh", "-c", command],
      { encoding: "utf8" },
    );
    expect(stdout).toMatch(/^pi1\.linux\.[^.]+\.[^.]+\.[^.]+\.\d+\.1\./u);
  });
});

describe("--owner", () => {
  test("names a further program whose plain locks are not foreign, and may be repeated", async (context) => {
    requirePosix(context, "a program that is started under another name");
    requireNative(context);
    const owner = await startNamed("mygateway-agent");
    const directory = lockDirectory();
    directory.writePlain("s", { pid: owner.pid });
    const stranger = await runHere(["locks", directory.path]);
    expect(stranger).toMatchObject({ code: 1, stderr: "" });
    expect(stranger.stdout).toContain("stale=yes (non-openclaw-owner)\n");
    const args = ["locks", directory.path, "--owner", "other", "--owner=MyGateway", "--fix"];
    const known = await runHere(args);
    expect(known.stdout).toContain("stale=no\n");
    expect(known.code).toBe(0);
    expect(readdirSync(directory.path)).toEqual(["s.jsonl.lock"]);
  });

  test("takes nothing from the names that are known", async (context) => {
    requirePosix(context, "a program that is started under another name");
    const owner = await startNamed("moltbot");
    const directory = lockDirectory();
    directory.writePlain("s", { pid: owner.pid });
    const args = ["locks", directory.path, "--owner", "other"];
    expect((await runHere(args)).stdout).toContain("stale=no\n");
  });

  test.each(["", "  ", "/usr/bin/mygateway", "bin\\mygateway"])("refuses %j", async (name) => {
    const args = ["locks", lockDirectory().path, `--owner=${name}`];
    const { code, stderr } = await runHere(args);
    expect(stderr).toBe(
      `pidentity: --owner must be a program's name without a path: "${name}"\nSee pidentity locks --help\n`,
    );
    expect(code).toBe(2);
  });
});

describe("a directory that is given by a relative path", () => {
  function workIn(directory: string): void {
    const before = process.cwd();
    process.chdir(directory);
    onTestFinished(() => process.chdir(before));
  }

  test("is shown as it was given, and examined where it was at the call", async (context) => {
    requireNative(context);
    const directory = lockDirectory();
    const other = lockDirectory();
    const sessions = join(directory.path, "sessions");
    mkdirSync(join(sessions, "odd.jsonl.lock"), { recursive: true });
    writeFileSync(join(sessions, "s.jsonl.lock"), JSON.stringify({ pid: await endedPid() }));
    workIn(directory.path);
    const examining = runHere(["locks", "./sessions", "missing", "--fix"]);
    process.chdir(other.path);
    const { code, stdout, stderr } = await examining;
    expect(stdout).toContain(`\n${join("sessions", "s.jsonl.lock")} pid=`);
    expect(stdout).toContain("[removed]");
    expect(stderr).toBe(
      "pidentity: no such directory: missing\n" +
        `pidentity: skipped, not a regular file: ${join("sessions", "odd.jsonl.lock")}\n`,
    );
    expect(code).toBe(2);
    expect(readdirSync(sessions)).toEqual(["odd.jsonl.lock"]);
  });

  test("may be a state directory, with the same agent's sessions only once", async (context) => {
    requireNative(context);
    const directory = lockDirectory();
    const sessions = join(directory.path, "state", "agents", "main", "sessions");
    mkdirSync(sessions, { recursive: true });
    writeFileSync(join(sessions, "s.jsonl.lock"), JSON.stringify({ pid: await endedPid() }));
    workIn(directory.path);
    const args = ["locks", "--state-dir", "state", "--state-dir", join(directory.path, "state")];
    const { stdout } = await runHere(args);
    const shown = join("state", "agents", "main", "sessions", "s.jsonl.lock");
    expect(stdout).toMatch(/^Found 1 session lock file\.\n/u);
    expect(stdout).toContain(`\n${shown} pid=`);
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
