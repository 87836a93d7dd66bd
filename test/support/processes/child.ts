/** Child processes that are known to run their program, and that do not outlive the test. */
import { type ChildProcess, execFile, spawn, type SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { dirname, join, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

import { onTestFinished } from "vitest";

import { ROOT } from "./programs.js";

/**
 * The reason why a child that has ended and was waited for is gone. Windows knows an ended process as
 * long as any process holds a handle to it, the system included.
 */
export const ENDED =
  process.platform === "win32" ? /^(?:no-such-process|exited)$/u : /^no-such-process$/u;

export interface RunningChild {
  readonly pid: number;
  readonly process: ChildProcess;
  /** The next line of its standard output; rejects when it ends first. */
  line(): Promise<string>;
  /** Sends a line to its standard input. */
  say(line: string): void;
  /** Sends `signal` and waits until it is reaped. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Resolves with the exit code, null after a signal. */
  exited(): Promise<number | null>;
}

/** Starts a program whose output the test reads line by line. Killed at the test's end. */
export async function start(
  file: string,
  args: readonly string[] = [],
  options: SpawnOptions = {},
): Promise<RunningChild> {
  const child = spawn(file, args, { ...options, stdio: ["pipe", "pipe", "pipe"] });
  const end = new Promise<number | null>((resolve) => {
    child.once("close", (code) => resolve(code));
  });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    if (child.pid !== undefined) await end;
  });
  let errors = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const lines = readLines(child, () => `${file} ended: ${errors}`);
  // Refused input only matters to a test when the answer to it is missing.
  child.stdin?.on("error", () => {});
  await once(child, "spawn");
  if (child.pid === undefined) throw new Error(`no pid: ${file}`);
  return {
    pid: child.pid,
    process: child,
    line: lines,
    say: (line) => void child.stdin?.write(`${line}\n`),
    async kill(signal = "SIGKILL") {
      child.kill(signal);
      await end;
    },
    exited: () => end,
  };
}

/** {@link start}, and wait for the program's first line, which it prints once it is what it shall be. */
export async function startReady(
  file: string,
  args: readonly string[] = [],
  options: SpawnOptions = {},
): Promise<RunningChild & { readonly first: string }> {
  const child = await start(file, args, options);
  return { ...child, first: await child.line() };
}

/** URL of the folder that is published, with a slash at its end. */
export const DIST = pathToFileURL(join(ROOT, "dist", sep)).href;

/** URL of the folder with one file for each module of lib/, with a slash at its end. */
export const COMPILED = pathToFileURL(join(ROOT, "build/modules", sep)).href;

/**
 * A Node process that runs `script` (an ES module) with `p`, the package, in scope: the published files, or,
 * when the script imports modules that are not published, the compiled ones. Never both: each has a state of
 * its own.
 */
export function nodeArguments(script: string, entry?: string): string[] {
  const usesModules = script.includes(COMPILED);
  if (usesModules && (entry !== undefined || script.includes(DIST))) {
    throw new Error(`the script would run two copies of the package: ${script}`);
  }
  const used = entry === undefined ? undefined : pathToFileURL(entry).href;
  const p = used ?? `${usesModules ? COMPILED : DIST}index.js`;
  const source = `import * as p from ${JSON.stringify(p)};\n${script}`;
  return ["--input-type=module", "--eval", source];
}

/** Runs a module file to its end; gives its standard output. */
export async function runExample(file: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: dirname(file) });
  return stdout.replaceAll("\r\n", "\n");
}

/** Runs a Node script (see {@link nodeArguments}) to its end; its last line of output is JSON. */
export async function runNode(
  script: string,
  {
    entry,
    node = process.execPath,
    prefix = [],
    ...options
  }: SpawnOptions & { entry?: string; node?: string; prefix?: readonly string[] } = {},
): Promise<unknown> {
  const [file = "", ...args] = [...prefix, node, ...nodeArguments(script, entry)];
  const child = spawn(file, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  let errors = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  if (code !== 0) throw new Error(`node ended with ${String(code ?? signal)}: ${errors || output}`);
  const last = output.trimEnd().split("\n").at(-1) ?? "";
  try {
    return JSON.parse(last) as unknown;
  } catch (cause) {
    throw new Error(`not JSON: ${output}${errors}`, { cause });
  }
}

function readLines(child: ChildProcess, whyEnded: () => string): () => Promise<string> {
  let pending = "";
  let ended = false;
  const waiters: (() => void)[] = [];
  const wake = (): void => waiters.splice(0).forEach((waiter) => waiter());
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    pending += text;
    wake();
  });
  child.once("close", () => {
    ended = true;
    wake();
  });
  return async () => {
    for (;;) {
      const end = pending.indexOf("\n");
      if (end !== -1) {
        const line = pending.slice(0, end);
        pending = pending.slice(end + 1);
        return line;
      }
      if (ended) throw new Error(whyEnded());
      await new Promise<void>((resolve) => waiters.push(resolve));
    }
  };
}
