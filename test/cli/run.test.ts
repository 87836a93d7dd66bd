import { readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { runHere } from "../support/command-line.js";
import { ROOT } from "../support/processes/programs.js";

const NAMES = [
  "ps",
  "tree",
  "identify",
  "verify",
  "wait",
  "kill",
  "locks",
  "break",
  "run",
  "native",
];

describe("help", () => {
  test("names every command and goes to standard output", async () => {
    const { code, stdout, stderr } = await runHere(["--help"]);
    expect(code).toBe(0);
    expect(stderr).toBe("");
    for (const name of NAMES) expect(stdout).toContain(`pidentity ${name} `);
  });

  test("without any argument is an error and leaves standard output empty", async () => {
    const { code, stdout, stderr } = await runHere([]);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain("Usage:");
  });

  test.each(NAMES)("of %s has usage, exit codes and examples", async (name) => {
    for (const option of ["--help", "-h"]) {
      const { code, stdout } = await runHere([name, option]);
      expect(code).toBe(0);
      expect(stdout).toMatch(new RegExp(`^Usage: pidentity ${name} `, "u"));
      expect(stdout).toContain("Exit code:");
      expect(stdout).toMatch(new RegExp(`Examples:\\n  pidentity ${name}`, "u"));
    }
  });

  test("fits into a terminal of 80 columns", async () => {
    for (const args of [["--help"], ...NAMES.map((name) => [name, "--help"])]) {
      const { stdout } = await runHere(args);
      for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    }
  });

  test("behind -- is an argument, not a question", async () => {
    const { code, stderr } = await runHere(["ps", "--", "--help"]);
    expect(code).toBe(2);
    expect(stderr).toContain('pid must be an integer of 1 or more: "--help"');
  });
});

test("--version is the package's", async () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    version: string;
  };
  expect(await runHere(["--version"])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
});

describe("wrong usage says what is wrong, exits with 2 and prints no answer", () => {
  test.each([
    [
      ["frobnicate"],
      'unknown command, expected one of ps, tree, identify, verify, wait, kill, locks, break, run, native: "frobnicate"',
    ],
    [["--frobnicate"], "unknown option: --frobnicate"],
    [["ps", "1", "--jsn"], "unknown option: --jsn"],
    [["ps", "1", "-x"], "unknown option: -x"],
    [["identify", "--fix"], "unknown option: --fix"],
    [["verify", "--tokens=x"], "unknown option: --tokens"],
    [["locks", ".", "--fixed"], "unknown option: --fixed"],
    [["native", "--path"], "unknown option: --path"],
    [["ps", "1", "--json=yes"], "option takes no value: --json"],
    [["locks", ".", "--stale-ms"], "option needs a value: --stale-ms"],
    [["locks", ".", "--stale-ms", "--fix"], "option needs a value: --stale-ms"],
    [["locks", ".", "--stale-ms", "1m"], '--stale-ms must be an integer of 1 or more: "1m"'],
    [["locks", ".", "--stale-ms=0"], '--stale-ms must be an integer of 1 or more: "0"'],
    [["locks", ".", "--stale-ms=-5"], '--stale-ms must be an integer of 1 or more: "-5"'],
    [["tree", "--all"], "unknown option: --all"],
    [["tree", "1", "2"], 'only one pid can be shown: "2"'],
    [["kill"], "at least one pid or token is required"],
    [["verify"], "at least one token is required"],
    [["locks"], "at least one directory is required"],
    [["locks", "a", "--state-dir"], "option needs a value: --state-dir"],
    [["locks", "a", "--state-dir", "b"], '--state-dir cannot be combined with a directory: "a"'],
    [["locks", "a", "--watch"], "--watch needs a terminal that can move its cursor"],
    [
      ["locks", "a", "--watch", "--fix"],
      "--fix cannot be combined with --watch, which removes nothing",
    ],
    [
      ["locks", "a", "--watch", "--json"],
      "--json cannot be combined with --watch, which is for people",
    ],
    [["identify", "1", "2"], 'only one pid can be named: "2"'],
    [["native", "x"], 'native takes no arguments: "x"'],
    // A property of every object is no option.
    [["ps", "--constructor"], "unknown option: --constructor"],
  ])("%j", async (args, complaint) => {
    const { code, stdout, stderr } = await runHere(args);
    expect(stderr.split("\n")[0]).toBe(`pidentity: ${complaint}`);
    expect(stderr).toContain("--help");
    expect(code).toBe(2);
    expect(stdout).toBe("");
  });

  test.each(["0", "-0", "1.5", "0x10", "1e3", "abc", "", " 1", "+1", "99999999999999999999"])(
    "the pid %j is quoted with what was expected",
    async (text) => {
      const { code, stderr } = await runHere(["ps", "--", text]);
      expect(stderr).toContain(`pid must be an integer of 1 or more: "${text}"`);
      expect(code).toBe(2);
    },
  );

  test("a hostile argument cannot drive the terminal through the error", async () => {
    const hostile = "\u001B]0;owned\u0007";
    for (const args of [[hostile], ["ps", hostile], ["ps", `--${hostile}`]]) {
      const { stderr } = await runHere(args, { isTTY: true });
      expect(stderr).toContain("\\x1b]0;owned\\x07");
      expect(stderr).not.toContain("\u001B");
    }
  });
});
