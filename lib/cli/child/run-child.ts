/**
 * Starts a command and waits for its end: the only place of this package where a process is started. It is part of the
 * program `pidentity` and of no library.
 */
import { spawn, type StdioOptions } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import os from "node:os";
import { delimiter, join } from "node:path";

import { errorCode } from "../../util/error-code.js";
import type { SignalRelay } from "./signal-relay.js";
import { type SpawnedCommand, windowsCommand } from "./windows-command.js";

/** How it ended; `code` as a shell tells it. */
export interface ChildEnd {
  readonly code: number;
  /** What it died of; null: it has exited, or never ran. */
  readonly signal: NodeJS.Signals | null;
  /** Why it could not be started; null: it was. */
  readonly error: Error | null;
}

/** As POSIX shells have it (XCU 2.8.2). */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;
const SIGNALLED = 128;

/**
 * @param kept - A descriptor that the child keeps open for as long as it, or a process that it starts, lives. null: none.
 */
export function runChild(
  [file = "", ...args]: readonly string[],
  kept: number | null,
  relay: SignalRelay,
): Promise<ChildEnd> {
  return new Promise((resolve) => {
    const failed = (error: unknown): void => {
      const code = isNotFound(error, file) ? NOT_FOUND : NOT_EXECUTABLE;
      resolve({ code, signal: null, error: explained(error as Error) });
    };
    try {
      const { file: program, args: words, windowsVerbatimArguments } = spawnedCommand(file, args);
      const child = spawn(program, [...words], {
        stdio: stdioWith(kept),
        windowsVerbatimArguments,
      });
      relay.relayTo(child);
      child.once("error", (error) => {
        // Also of a signal that could not be sent: then it runs.
        if (child.pid === undefined) failed(error);
      });
      child.once("exit", (code, signal) => {
        const number = signal === null ? 0 : os.constants.signals[signal];
        resolve({ code: code ?? SIGNALLED + number, signal, error: null });
      });
    } catch (error) {
      // Some refusals are thrown: a NUL byte, an argument list that is too long.
      failed(error);
    }
  });
}

function spawnedCommand(file: string, args: readonly string[]): SpawnedCommand {
  if (process.platform !== "win32") return { file, args, windowsVerbatimArguments: false };
  return windowsCommand(file, args, { env: process.env, isFile });
}

function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
  } catch {
    // A program of the Store's can be started, but not looked at.
    return false;
  }
}

/** Windows has no word for what is no program (ERROR_BAD_EXE_FORMAT): `spawn UNKNOWN`. */
function explained(error: Error): Error {
  if (errorCode(error) !== "UNKNOWN") return error;
  const message = "Windows cannot start this file: name the program that runs it before it";
  return new Error(message, { cause: error });
}

/** execvp(3) says EACCES, too, when a folder of PATH may not be searched and no other has such a file. */
function isNotFound(error: unknown, file: string): boolean {
  const code = errorCode(error);
  return code === "ENOENT" || (code === "EACCES" && !file.includes("/") && !isOnPath(file));
}

function isOnPath(name: string): boolean {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.some((folder) => existsSync(join(folder, name)));
}

/**
 * This process's own three, and `kept` under the same number. Under another one it may take the place of the pipe by which
 * libuv's child tells that it cannot execute the file: the error is then written into the lock. Numbers that are ignored
 * stay closed in the child. Node itself has those open that shell scripts give to files of their own (3 to 9).
 */
function stdioWith(kept: number | null): StdioOptions {
  const own = ["inherit", "inherit", "inherit"] as const;
  if (kept === null) return [...own];
  const between = Array.from({ length: kept - own.length }, () => "ignore" as const);
  return [...own, ...between, kept];
}
