import { expect, test } from "vitest";

import { nativeStatus } from "../../../lib/process/backends/select-backend.js";
import { runHere, runProgram } from "../../support/command-line.js";
import { requireNative } from "../../support/require.js";

test("with the addon its file is printed, and the exit code is 0", async (context) => {
  requireNative(context);
  const { code, stdout } = await runHere(["native"]);
  expect(stdout).toMatch(/^backend: native\npath: .+\.node\nThe OS answers /u);
  expect(code).toBe(0);
  const json = await runHere(["native", "--json"]);
  const { path } = nativeStatus();
  expect(JSON.parse(json.stdout)).toEqual({
    schemaVersion: 1,
    backend: "native",
    path,
    error: null,
    causes: [],
  });
});

test("without the addon the reason is printed, that nothing is broken, and the exit code is 1", async () => {
  const { code, stdout } = await runProgram(["native"], { PIDENTITY_NO_NATIVE: "1" });
  const backend = process.platform === "linux" ? "procfs" : "basic";
  const [first, second, third] = stdout.split("\n");
  expect(first).toBe(`backend: ${backend}`);
  expect(second).toMatch(/^error: the native addon is switched off .*PIDENTITY_NO_NATIVE=1$/u);
  expect(third).toMatch(/^Nothing is broken: /u);
  expect(code).toBe(1);
});

test("a missing binary is told in one sentence, with the loader's own message as the cause", async () => {
  // No prebuilds of this platform: what a user sees on one that the package does not ship.
  const env = {
    PREBUILDS_ONLY: "1",
    npm_config_arch: "no-such-arch",
    PIDENTITY_NATIVE_PATH: "",
  };
  const { code, stdout } = await runProgram(["native", "--json"], env);
  const answer = JSON.parse(stdout) as { error: string; causes: string[]; path: null };
  expect(answer.error).toMatch(/^this installation has no native addon for \w+-\w+: /u);
  expect(answer.causes[0]).toContain("No native build was found");
  expect(answer.path).toBeNull();
  expect(code).toBe(1);
  const { stdout: text } = await runProgram(["native"], env);
  expect(text).toMatch(
    /\nerror: this installation has no native addon .*\ncause: No native build was found.*\nNothing is /u,
  );
});
