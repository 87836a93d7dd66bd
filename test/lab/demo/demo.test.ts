import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chownSync, cpSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

import { ROOT } from "../../support/processes/programs.js";
import { requireNative, requireRoot } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { AS_NOBODY, NOBODY, readablePackage } from "../../support/processes/unprivileged.js";

const DEMO = join(ROOT, "test/lab/demo/demo.mjs");

interface DemoRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly leftBehind: readonly string[];
}

/** Runs the demo with a temporary directory of its own, which shows what it leaves behind. */
async function runDemo(env: Readonly<Record<string, string>> = {}): Promise<DemoRun> {
  const folder = temporaryFolder();
  const child = spawn(process.execPath, [DEMO], {
    env: { ...process.env, TMPDIR: folder, TEMP: folder, TMP: folder, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr, leftBehind: readdirSync(folder) };
}

test(
  "every verdict of the demo is as it has to be, and it tidies up",
  { timeout: 90_000 },
  async () => {
    const { code, stdout, stderr, leftBehind } = await runDemo();
    expect(stderr).toBe("");
    for (const line of [
      /^live-owner .* fresh +kept /mu,
      /^live-plain .* fresh +kept /mu,
      /^killed-owner .* dead-pid +removed +its process has ended$/mu,
      /^recycled-pid .* recycled-pid +removed +its pid belongs to another process now$/mu,
      /^foreign-program .* non-openclaw-owner +removed /mu,
      /^malformed-old .* missing-pid, invalid-createdAt +removed /mu,
      /^malformed-new .* missing-pid, invalid-createdAt +kept +it is so young /mu,
      /^empty .* missing-pid, invalid-createdAt +removed /mu,
      /^too-old .* too-old +kept +its owner still runs$/mu,
      /^and 1000 more locks of one killed process: 1000 removed$/mu,
      /^1009 locks, 1007 stale, 1005 removed, 4 kept$/mu,
      /^every verdict is as it has to be$/mu,
    ]) {
      expect(stdout).toMatch(line);
    }
    expect(code).toBe(0);
    expect(leftBehind).toEqual([]);
  },
);

test("without the addon the demo fails with a reason instead of showing half of it", async () => {
  const { code, stdout, stderr, leftBehind } = await runDemo({ PIDENTITY_NO_NATIVE: "1" });
  expect(stderr).toContain("the demo needs the addon");
  expect(stdout).toBe("");
  expect(code).toBe(1);
  expect(leftBehind).toEqual([]);
});

test("an ordinary user can run it, too", { timeout: 90_000 }, (context) => {
  requireRoot(context, "to become a user without rights");
  requireNative(context);
  const { entry, node } = readablePackage();
  const root = join(entry, "../..");
  cpSync(join(ROOT, "test/lab/demo"), join(root, "test/lab/demo"), { recursive: true });
  const folder = temporaryFolder();
  chownSync(folder, NOBODY, NOBODY);
  const [setpriv, ...options] = AS_NOBODY;
  const { status, stdout, stderr } = spawnSync(
    setpriv,
    [...options, node, join(root, "test/lab/demo/demo.mjs")],
    { encoding: "utf8", cwd: "/", env: { ...process.env, TMPDIR: folder } },
  );
  expect(stderr).toBe("");
  expect(stdout).toContain("every verdict is as it has to be");
  expect(status).toBe(0);
  expect(readdirSync(folder)).toEqual([]);
});
