/** Two ways to run `pidentity`: inside the test, and as people do. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

import { onTestFinished } from "vitest";

import { type CliIo, type CliStream, wantsColor } from "../../lib/cli/io.js";
import { run } from "../../lib/cli/run.js";
import { ROOT } from "./programs.js";

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Surroundings {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly now?: () => number;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Runs a command in this process, with streams that remember what was written. */
export async function runHere(
  args: readonly string[],
  { isTTY = false, columns, env = {}, now = () => 0 }: Surroundings = {},
): Promise<Outcome> {
  const stdout = recordingStream(isTTY, columns, env);
  const stderr = recordingStream(isTTY, columns, env);
  const io: CliIo = { stdout, stderr, env, now };
  const code = await run(args, io);
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

/** A stream that remembers; see {@link runHere}. */
export function recordingStream(
  isTTY: boolean,
  columns?: number,
  env: CliIo["env"] = {},
): CliStream & { text(): string } {
  let written = "";
  return {
    isTTY,
    columns,
    hasColor: wantsColor(isTTY, env),
    write: (text) => void (written += text),
    text: () => written,
  };
}

/** Starts the built program; ended with the test. */
export function startProgram(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): ChildProcess {
  const child = spawn(process.execPath, [join(ROOT, "dist/cli/main.js"), ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

/** Runs the built program to its end. */
export async function runProgram(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const child = startProgram(args, env);
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}
