/** `pidentity run`: runs a command while it holds a lock. */
import os from "node:os";

import { acquirePidFile } from "../../file-lock/acquire-pid-file.js";
import type { FileLock } from "../../file-lock/file-lock.js";
import {
  FileLockError,
  FileLockFileError,
  FileLockStaleError,
  FileLockTimeoutError,
} from "../../file-lock/errors.js";
import { heldLock } from "../../lock/held-locks.js";
import { obstacleAt } from "../../lock/lock-path.js";
import { realLockFs } from "../../lock/protocol/lock-fs.js";
import { loadNative } from "../../native/load.js";
import { absolutePath, tidyPath } from "../../util/absolute-path.js";
import { onAbort } from "../../util/on-abort.js";
import { nextTurn } from "../../util/time-slice.js";
import { oneLine, printable, quote } from "../../util/printable.js";
import { parseArguments, parseTimeout } from "../arguments.js";
import { loosenChildren, tieChildren } from "../child/child-tie.js";
import { holderOf } from "../child/holder.js";
import { type ChildEnd, runChild } from "../child/run-child.js";
import { SignalRelay } from "../child/signal-relay.js";
import { WaitNotice } from "../child/wait-notice.js";
import { type Command, EXIT, UsageError } from "../command.js";
import type { CliIo } from "../terminal/io.js";

/** EX_TEMPFAIL of sysexits.h: trying again later is reasonable. */
const NOT_TO_BE_HAD = 75;

export const runUnderLock: Command = {
  name: "run",
  usage: "--lock FILE [--timeout MS | --no-wait] -- command…",
  summary: "runs a command while it holds a lock, like flock(1)",
  help: `Takes the lock FILE, runs the command, and gives the lock up when it has ended.
FILE is the lock itself: it is made, and removed at the end; a file that is no
lock is left alone. A lock whose owner has died is taken over at once, on any
file system; while a living one is waited for, standard error says which process
has it. When all goes well nothing is printed.

The command inherits the kernel lock: if this program is killed (SIGKILL) the
lock stays held until the command has ended. On Windows the command ends with
this program, batch files are run by cmd.exe, and PowerShell needs the -- in
quotes ('--'). SIGTERM and other signals are passed on to the command; Ctrl-C
reaches it from the terminal.

Options:
  --lock FILE    the lock file; required
  --timeout MS   wait no longer than so many milliseconds (default: no limit)
  --no-wait      do not wait; the same as --timeout 0
  --label TEXT   text for others who look at the lock: at most 1024 bytes

Exit code: that of the command, 128 and the signal's number when it died of a
signal; 75 when another process has the lock, 127 when the command was not
found, 126 when it could not be executed, 2 on wrong usage, or when the lock
file cannot be made or is no lock (I/O).

Examples:
  pidentity run --lock /run/lock/backup.lock --no-wait -- backup --full
  pidentity run --lock jobs.lock --timeout 60000 -- sh -c 'step1 && step2'
`,
  run: async (args, io) => {
    const request = parseRequest(args);
    const relay = new SignalRelay();
    try {
      const { code, signal } = await runLocked(request, relay, io);
      relay.stop();
      // As a shell expects it of a program that was interrupted. It may survive, as pid 1 does.
      if (signal !== null && ENDS_BY.has(signal)) {
        // The listeners for locks go a turn after the last lock; until then the signal would wait for one of them.
        await nextTurn();
        await nextTurn();
        io.events.endBySignal(signal);
      }
      return code;
    } finally {
      relay.stop();
    }
  },
};

/** Not SIGQUIT and the like, which would have this program dump its memory, too. */
const ENDS_BY: ReadonlySet<NodeJS.Signals> = new Set(["SIGINT", "SIGTERM", "SIGHUP"]);

interface Request {
  readonly lockPath: string;
  readonly timeoutMs: number;
  readonly label: string | undefined;
  readonly command: readonly string[];
}

/** @throws UsageError */
function parseRequest(args: readonly string[]): Request {
  const end = args.indexOf("--");
  const { values, positionals } = parseArguments(end === -1 ? args : args.slice(0, end), {
    label: { type: "string" },
    lock: { type: "string" },
    "no-wait": { type: "boolean" },
    timeout: { type: "string" },
  });
  const [stray] = positionals;
  if (stray !== undefined) {
    throw new UsageError(
      `the command must stand behind --, and this is before it: ${quote(stray)}${dropped(end)}`,
    );
  }
  const { lock, label, timeout, "no-wait": noWait = false } = values;
  if (lock === undefined || lock === "") throw new UsageError("--lock FILE is required");
  if (noWait && timeout !== undefined) {
    throw new UsageError("--no-wait cannot be combined with --timeout");
  }
  const command = end === -1 ? [] : args.slice(end + 1);
  if (command.length === 0) throw new UsageError("a command is required, behind --");
  const patience = timeout === undefined ? Infinity : parseTimeout("--timeout", timeout);
  const lockPath = tidyPath(absolutePath(lock));
  return { lockPath, timeoutMs: noWait ? 0 : patience, label, command };
}

/** PowerShell takes a bare -- for its own, where it starts a script: so npx and npm's start scripts never see it. */
function dropped(end: number): string {
  return process.platform === "win32" && end === -1 ? "; in PowerShell write '--', in quotes" : "";
}

type End = Pick<ChildEnd, "code" | "signal">;

async function runLocked(request: Request, relay: SignalRelay, io: CliIo): Promise<End> {
  let lock: FileLock;
  try {
    lock = await acquire(request, relay, io);
  } catch (error) {
    if (relay.earlySignal !== null) return endedEarly(relay.earlySignal);
    return await notAcquired(error, request, io);
  }
  try {
    // It came while the lock was being taken.
    if (relay.earlySignal !== null) return endedEarly(relay.earlySignal);
    return await runHolding(lock, request, relay, io);
  } finally {
    await release(lock, io);
  }
}

async function acquire(
  { lockPath, timeoutMs, label }: Request,
  relay: SignalRelay,
  io: CliIo,
): Promise<FileLock> {
  const end = new AbortController();
  const stopListening = onAbort(relay.early, () => end.abort());
  if (relay.early.aborted) end.abort();
  const notice = new WaitNotice(lockPath, io, () => {
    const cause = new Error("this file is no lock");
    end.abort(new FileLockFileError("file", { lockPath, cause }));
  });
  try {
    // FILE is the lock itself, as with flock(1).
    return await acquirePidFile({
      path: lockPath,
      timeoutMs,
      label,
      signal: end.signal,
      onWait: () => void notice.tell(),
    });
  } finally {
    stopListening();
    notice.end();
  }
}

async function notAcquired(error: unknown, request: Request, io: CliIo): Promise<End> {
  if (!(error instanceof FileLockError)) {
    if (error instanceof RangeError || error instanceof TypeError) {
      throw new UsageError(error.message, { cause: error });
    }
    throw error;
  }
  const { lockPath, timeoutMs } = request;
  const path = printable(lockPath);
  // A directory is another library's lock, held or left.
  const isDirectory = obstacleAt(lockPath, realLockFs) === "directory";
  if (error instanceof FileLockFileError && !isDirectory) {
    const { cause } = error;
    const why = cause instanceof Error ? cause.message : error.message;
    io.stderr.write(`pidentity: cannot lock: ${printable(oneLine(why))}: ${path}\n`);
    return { code: EXIT.failure, signal: null };
  }
  const holder = (await holderOf(lockPath))?.clause ?? "it was given up just now";
  const patience = timeoutMs === 0 ? "" : ` within ${String(timeoutMs)} ms`;
  const stale =
    error instanceof FileLockStaleError
      ? `; stale (${error.staleReasons.join(", ")}) and kept (${error.keptReason ?? "unknown"})`
      : "";
  const what = error instanceof FileLockTimeoutError ? `no lock${patience}` : "no lock";
  io.stderr.write(`pidentity: ${what}: ${holder}${stale}: ${path}\n`);
  return { code: NOT_TO_BE_HAD, signal: null };
}

async function runHolding(
  lock: FileLock,
  { command }: Request,
  relay: SignalRelay,
  io: CliIo,
): Promise<End> {
  let what = "runs on";
  const stopListening = onAbort(lock.lost, () => {
    const why = lock.lost.reason instanceof Error ? lock.lost.reason.message : "lost";
    io.stderr.write(`pidentity: the command ${what} without its lock: ${printable(why)}\n`);
  });
  try {
    const isTied = tieChildren();
    const end = await runChild(command, isTied ? null : descriptorToKeep(lock, io), relay);
    loosenChildren();
    what = "ended";
    lookAgain(lock);
    if (end.error !== null) {
      const why = end.code === 127 ? "command not found" : printable(oneLine(end.error.message));
      io.stderr.write(`pidentity: ${why}: ${quote(command[0] ?? "")}\n`);
    }
    return end;
  } finally {
    stopListening();
  }
}

/** The watchdog looks now and then, and a short command ends before it does. Its listener tells what is found. */
function lookAgain(lock: FileLock): void {
  try {
    lock.assertHeld();
  } catch {
    // Lost, or the file cannot be read: the release says so.
  }
}

/** null: this process's own life is what the lock depends on. */
function descriptorToKeep(lock: FileLock, { stderr }: CliIo): number | null {
  const published = heldLock(lock.lockPath)?.published;
  // Windows' locks are the process's that took them.
  const isInheritable = process.platform !== "win32";
  if (isInheritable && published !== undefined && published.kernelLock !== null) {
    return published.fd;
  }
  const { error } = loadNative();
  const why = error === undefined ? "no kernel lock that it could inherit" : "no native addon";
  stderr.write(
    `pidentity: ${why}: if this program is killed, the lock is free although the command runs: ` +
      `${printable(lock.lockPath)}\n`,
  );
  return null;
}

function endedEarly(signal: NodeJS.Signals): End {
  return { code: 128 + (os.constants.signals[signal] ?? 0), signal };
}

/** The command has ended: what goes wrong here changes nothing about that. */
async function release(lock: FileLock, { stderr }: CliIo): Promise<void> {
  try {
    await lock.release();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    stderr.write(`pidentity: the lock stays: ${printable(text)}\n`);
  }
}
