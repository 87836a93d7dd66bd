/** A call that leaves something behind each time: descriptors, memory. The long form is in leaks.mjs itself. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

import { ROOT } from "../support/processes/programs.js";
import { requireLinux, requireNative } from "../support/require.js";

const SCRIPT = join(ROOT, "test/native/leaks.mjs");
const WHY_LINUX =
  "its descriptors and allocator; Windows counts handles in test/lab/windows/native";
// Under emulation a thread takes a second to start.
const DEADLINE_MS = 600_000;

async function run(...args: readonly string[]): Promise<{ code: unknown; output: string }> {
  const child = spawn(process.execPath, ["--expose-gc", SCRIPT, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  }
  const [code] = (await once(child, "close")) as [number | null];
  return { code, output };
}

test(
  "no function of the addon leaks descriptors or memory, on success or failure",
  async (context) => {
    requireNative(context);
    requireLinux(context, WHY_LINUX);
    const { code, output } = await run("--calls", "4000");
    expect(output).toMatch(/^\d+ passed, 0 failed\n$/mu);
    expect(code).toBe(0);
  },
  DEADLINE_MS,
);

test(
  "a leak in the addon would be found",
  async (context) => {
    requireNative(context);
    requireLinux(context, WHY_LINUX);
    const { code, output } = await run("--calls", "4000", "--self-check");
    expect(output).toMatch(/^\d+ passed, 0 failed\n$/mu);
    expect(code).toBe(0);
  },
  DEADLINE_MS,
);
