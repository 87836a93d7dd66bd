import { readdirSync } from "node:fs";

import { describe, expect, test } from "vitest";

import { type RunningChild, startReady } from "../../support/processes/child.js";
import { runHere } from "../../support/command-line.js";
import { lockDirectory } from "../../support/locks/lock-directory.js";
import { requireNative, requirePosix } from "../../support/require.js";

/** A process that lives until the test ends, under a name of its own choice. */
async function startNamed(argv0: string): Promise<RunningChild> {
  const idle = ["-e", "console.log(1); process.stdin.resume()"];
  return await startReady(process.execPath, idle, { argv0 });
}

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
