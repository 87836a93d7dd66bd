/**
 * Long texts from processes, file names and users are handled in time that grows as their length does. The inputs are
 * so large that a step which looks at the rest for each character would take minutes to hours: then the test's time
 * limit fails it.
 */
import { truncateSync } from "node:fs";

import { describe, expect, test, vi } from "vitest";

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
import { type RunningChild, startReady } from "../support/processes/child.js";
import {
  answering,
  recordingIo,
  recordingStream,
  runHere,
  runProgram,
} from "../support/command-line.js";
import { lockDirectory } from "../support/locks/lock-directory.js";
import { requireNative, requirePosix } from "../support/require.js";

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
  ] as const)("is named in the doctor's report at once, on %s", async ([, terminal], context) => {
    requirePosix(context, "a program that is started under another name");
    const directory = lockDirectory();
    const processes = await startSlashes();
    for (const { pid } of processes) directory.writePlain(`s-${String(pid)}`, { pid });
    const { stdout } = await runHere(["locks", directory.path], terminal);
    expect(stdout).toMatch(/Found 4 session lock files/u);
    const json = await runHere(["locks", directory.path, "--json"], terminal);
    const { locks } = JSON.parse(json.stdout) as { locks: { program: string }[] };
    expect(locks.map(({ program }) => program)).toEqual(["x", "x", "x", "x"]);
  });

  test("is shown by ps, cut to the terminal or whole in a pipe", async (context) => {
    requirePosix(context, "a program that is started under another name");
    const [process] = await startSlashes();
    const pid = String(process?.pid);
    const wide = await runHere(["ps", pid], { isTTY: true, columns: 80 });
    expect(wide.stdout.split("\n").every((line) => displayWidth(line) <= 200)).toBe(true);
    const piped = await runHere(["ps", pid]);
    expect(piped.stdout).toContain(`${"/".repeat(LONGEST_ARGUMENT)}x -e `);
  });

  test("is shown among all, in a list, in a tree and before it is ended", async (context) => {
    requirePosix(context, "a program that is started under another name");
    requireNative(context);
    const process = await startNamed(`${"/".repeat(LONGEST_ARGUMENT)}x`);
    const pid = String(process.pid);
    for (const args of [["ps"], ["tree"], ["kill", pid]]) {
      const terminal = { isTTY: true, columns: 120, env: { NO_COLOR: "1" } };
      const wide = await runHere(args, { ...terminal, events: answering("n") });
      const line = wide.stdout.split("\n").find((text) => text.startsWith(`${pid} `)) ?? "";
      expect(displayWidth(line)).toBe(120);
      const piped = await runHere(args);
      expect(piped.stdout).toContain(`${"/".repeat(LONGEST_ARGUMENT)}x -e `);
    }
  });
});

/** Units of texts that some step once looked through again for each character. */
const REPEATED: readonly (readonly [string, string])[] = [
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

describe("a text of 100 000 characters is laid out in time that grows as its length does", () => {
  test.each(REPEATED)("of %s", (_what, unit) => {
    const text = `${unit.repeat(100_000 / unit.length)}!`;
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

test("a word without spaces is wrapped on a terminal of one column, however long it is", () => {
  expect(wrapToWidth("x".repeat(300_000), 1)).toHaveLength(300_000);
  expect(wrapToWidth("漢".repeat(300_000), 2)).toHaveLength(300_000);
});

test("graphemes are measured as one, also where a long text is looked at in parts", () => {
  const graphemes = ["e\u0301\u0323", "🇩🇪", "👩\u200d👩\u200d👧", "漢", "a", "❤\ufe0f", "क्षि"];
  for (const grapheme of graphemes) {
    const width = displayWidth(grapheme);
    for (const lead of ["", "a", "ab", "漢"]) {
      const text = lead + grapheme.repeat(500);
      expect(displayWidth(text)).toBe(displayWidth(lead) + 500 * width);
      expect(cutToWidth(text, 100)).toMatch(/…$/u);
    }
  }
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
    const terminal = { isTTY: true, columns: 1, env: { NO_COLOR: "1" } };
    const { code, stdout } = await runHere(["locks", directory.path], terminal);
    expect(code).toBe(1);
    expect(stdout.split("\n").length).toBeGreaterThan(200_000);
  });
});

test("the reason for a missing addon is put on one line, however many blanks are in it", async () => {
  // Windows takes less in one variable.
  const blanks = process.platform === "win32" ? 30_000 : LONGEST_ARGUMENT - 1000;
  const path = `x${" ".repeat(blanks)}y`;
  const { stdout } = await runProgram(["native"], { PIDENTITY_NATIVE_PATH: path });
  expect(stdout).toContain("error: ");
  const [, error = ""] = stdout.split("\n").filter((line) => !line.startsWith("backend"));
  expect(error.length + stdout.length).toBeGreaterThan(blanks);
});

test("a hundred thousand options in one argument are wrong usage", async () => {
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
  "%s writes a long answer in chunks, since one string may be too short for it",
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
