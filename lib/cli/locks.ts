/** `pidentity locks`: a doctor for the session locks of some directories. */
import { statSync } from "node:fs";
import { resolve } from "node:path";

import type { KeptReason, SessionLockInspection } from "../session-lock/inspection.js";
import { cleanStaleLockFiles } from "../session-lock/sweep.js";
import { realLockFs } from "../util/lock-fs.js";
import { parseArguments, parsePositiveInteger, requireSome } from "./arguments.js";
import { type Command, EXIT, type ExitCode } from "./command.js";
import type { CliIo, CliStream } from "./io.js";
import { countLocks, describeLock, whyKept, whyRemoved } from "./lock-words.js";
import { paint } from "./paint.js";
import { jsonDocument, printable } from "./printable.js";
import { ProgressBar } from "./progress-bar.js";

export const locks: Command = {
  name: "locks",
  usage: "<dir…> [--fix] [--stale-ms N] [--json]",
  summary: "the session locks of directories: whose, how old, stale or not",
  help: `Judges every session lock (*.jsonl.lock) in each directory, not in the ones below, and says which are
stale and why. Without --fix nothing is touched. A lock is only removed on proof that its owner is gone.

Options:
  --fix          remove the stale locks that can safely be removed
  --stale-ms N   age in milliseconds beyond which a lock is too old; it is reported, but a live owner's
                 lock is never removed for its age (default 1800000, or the environment's
                 OPENCLAW_SESSION_WRITE_LOCK_STALE_MS)
  --json         one JSON document: {"locks": […], "counts": {…}, "problems": […]}

Exit code: 0 when no stale lock is left, 1 when there is one, 2 on wrong usage or when a directory or a
lock could not be read or a lock not be removed (I/O).

Example:
  pidentity locks ~/.openclaw/agents/*/sessions --fix
`,
  run: async (args, io) => {
    const { values, positionals } = parseArguments(args, {
      fix: { type: "boolean" },
      json: { type: "boolean" },
      "stale-ms": { type: "string" },
    });
    requireSome("directory", positionals);
    const staleText = values["stale-ms"];
    const staleMs =
      staleText === undefined ? undefined : parsePositiveInteger("--stale-ms", staleText);
    const fix = values.fix ?? false;

    const report = await examine(distinct(positionals), { fix, staleMs }, io);
    for (const problem of report.problems) io.stderr.write(`pidentity: ${printable(problem)}\n`);
    for (const notice of report.notices) io.stderr.write(`pidentity: ${printable(notice)}\n`);
    io.stdout.write(values.json ? toJson(report) : toText(report, fix, io.stdout));
    return exitCodeOf(report);
  },
};

interface Treatment {
  readonly fix: boolean;
  readonly staleMs: number | undefined;
}

interface Report {
  readonly locks: readonly SessionLockInspection[];
  /** Directories that could not be examined, and why. */
  readonly problems: readonly string[];
  /** What the sweep noticed beside locks: odd files, leftovers that it could not remove. */
  readonly notices: readonly string[];
}

/** One directory after another; what cannot be examined does not keep the rest from it. */
async function examine(
  directories: readonly string[],
  { fix, staleMs }: Treatment,
  io: CliIo,
): Promise<Report> {
  const found: SessionLockInspection[] = [];
  const problems: string[] = [];
  const notices: string[] = [];
  for (const sessionsDir of directories) {
    const bar = new ProgressBar(io);
    try {
      // For a program a missing directory is one without locks; for a person it is a typing error.
      statSync(sessionsDir);
      const { locks: judged } = await cleanStaleLockFiles({
        sessionsDir,
        staleMs,
        removeStale: fix,
        env: io.env,
        onProgress: ({ checked, total }) => bar.update(checked, total),
        log: {
          warn: (message) => {
            // Each removal has its line in the report.
            if (!message.startsWith("removed stale session lock: ")) notices.push(message);
          },
        },
      });
      for (const lock of judged) found.push(lock);
    } catch (error) {
      problems.push(describeProblem(sessionsDir, error));
    } finally {
      bar.clear();
    }
  }
  return { locks: found, problems, notices };
}

/** The same directory twice would be counted, and fixed, twice. */
function distinct(directories: readonly string[]): string[] {
  const byPath = new Map<string, string>();
  for (const directory of directories) {
    const path = resolve(directory);
    if (!byPath.has(path)) byPath.set(path, directory);
  }
  return [...byPath.values()];
}

function describeProblem(sessionsDir: string, error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return `no such directory: ${sessionsDir}`;
  return `cannot examine directory (${code ?? message}): ${sessionsDir}`;
}

function toText({ locks: found, problems }: Report, fix: boolean, stream: CliStream): string {
  // "Found 0" is a finding only where somebody could look.
  if (found.length === 0 && problems.length > 0) return "";
  const lines = [`Found ${countLocks(found.length)}.`];
  for (const lock of found) {
    lines.push(lockLine(lock, stream));
    const remark = remarkOn(lock, fix);
    if (remark !== null) lines.push(paint(stream, "dim", `  ${remark}`));
  }
  const removed = found.filter((lock) => lock.removed).length;
  if (removed > 0) lines.push(`Removed ${countLocks(removed, "stale session")}.`);
  const removable = found.filter((lock) => lock.removable).length;
  if (!fix && removable > 0 && canRemove()) {
    lines.push(`Run again with --fix to remove ${countLocks(removable, "stale session")}.`);
  }
  return `${lines.join("\n")}\n`;
}

function lockLine(lock: SessionLockInspection, stream: CliStream): string {
  const { path, pid, age, stale } = describeLock(lock);
  const isGood = !lock.stale && lock.keptReason !== "unreadable";
  const verdict = isGood ? stale : paint(stream, "yellow", stale);
  const ending = lock.removed ? ` ${paint(stream, "green", "[removed]")}` : "";
  return `${path} ${pid} ${age} ${verdict}${ending}`;
}

/** What was done about a lock, or would be. null: the line says it all. */
function remarkOn(lock: SessionLockInspection, fix: boolean): string | null {
  const { removed, removable, keptReason } = lock;
  if (removed) return null;
  if (removable && !fix) {
    return canRemove()
      ? `--fix would remove it: ${whyRemoved(lock)}`
      : `--fix would keep it: there is no safe way to remove it without the native addon`;
  }
  if (keptReason === null) return null;
  return `${fix ? "kept" : "--fix would keep it"}: ${whyKept(lock)}`;
}

/** Without the addon only Windows has a guard (design: files that are deleted on close). */
function canRemove(): boolean {
  return process.platform === "win32" || realLockFs.canLock();
}

function toJson({ locks: found, problems }: Report): string {
  const stale = found.filter((lock) => lock.stale).length;
  const removed = found.filter((lock) => lock.removed).length;
  return jsonDocument({
    locks: found.map(({ error, ...lock }) => ({ ...lock, error: error?.message ?? null })),
    counts: { total: found.length, stale, removed, kept: found.length - removed },
    problems,
  });
}

const IO_ERRORS: ReadonlySet<KeptReason | null> = new Set(["unreadable", "error"]);

function exitCodeOf({ locks: found, problems }: Report): ExitCode {
  if (problems.length > 0 || found.some(({ keptReason }) => IO_ERRORS.has(keptReason))) {
    return EXIT.failure;
  }
  return found.some(({ stale, removed }) => stale && !removed) ? EXIT.no : EXIT.ok;
}
