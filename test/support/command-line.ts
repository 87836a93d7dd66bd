/** Two ways to run `pidentity`: inside the test, and as people do. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

import { onTestFinished } from "vitest";

import {
  type CliEvents,
  type CliIo,
  type CliStream,
  wantsColor,
} from "../../lib/cli/terminal/io.js";
import { run } from "../../lib/cli/run.js";
import { ROOT } from "./processes/programs.js";

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface IoOptions {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  /** Default: as `isTTY`. */
  readonly hasKeyboard?: boolean;
  readonly now?: () => number;
  readonly wallClock?: () => number;
  readonly events?: CliEvents;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Runs a command in this process, with streams that remember what was written. */
export async function runHere(args: readonly string[], options: IoOptions = {}): Promise<Outcome> {
  const io = recordingIo(options);
  const code = await run(args, io);
  return { code, stdout: io.stdout.text(), stderr: io.stderr.text() };
}

export type RecordingStream = CliStream & { text(): string };

/** A command's input and output, with streams that remember; no event happens by itself. */
export function recordingIo({
  isTTY = false,
  columns,
  rows,
  hasKeyboard = isTTY,
  env = {},
  now = () => 0,
  wallClock = Date.now,
  events = NO_EVENTS,
}: IoOptions = {}): CliIo & { stdout: RecordingStream; stderr: RecordingStream } {
  const stdout = recordingStream(isTTY, columns, env, rows);
  const stderr = recordingStream(isTTY, columns, env, rows);
  return { stdout, stderr, hasKeyboard, env, now, wallClock, events };
}

/** A stream that remembers; see {@link runHere}. */
export function recordingStream(
  isTTY: boolean,
  columns?: number,
  env: CliIo["env"] = {},
  rows?: number,
): RecordingStream {
  let written = "";
  return {
    isTTY,
    columns,
    rows,
    hasColor: wantsColor(isTTY, env),
    write: (text) => void (written += text),
    text: () => written,
  };
}

const ignore = (): (() => void) => () => {};
const NO_EVENTS: CliEvents = {
  onKeys: ignore,
  onResize: ignore,
  onSignal: ignore,
  onExit: ignore,
  endBySignal: () => {},
};

/** A terminal on which a person presses these keys when asked. */
export function answering(keys: string, whenAsked = (): void => {}): CliEvents {
  return {
    ...NO_EVENTS,
    onKeys: (listener) => {
      whenAsked();
      queueMicrotask(() => listener(keys));
      return () => {};
    },
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
