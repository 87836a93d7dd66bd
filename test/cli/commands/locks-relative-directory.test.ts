import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, onTestFinished, test } from "vitest";

import { runHere } from "../../support/command-line.js";
import { endedPid, lockDirectory } from "../../support/locks/lock-directory.js";
import { requireNative } from "../../support/require.js";

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
