import { spawnSync } from "node:child_process";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { ROOT } from "../../support/processes/programs.js";
import { requireNative, requireRoot } from "../../support/require.js";

const MAIN = join(ROOT, "dist/cli/main.js");

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
