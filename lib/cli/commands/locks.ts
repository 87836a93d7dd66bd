/** `pidentity locks`: a doctor for the session locks of some directories, and for any lock that is named. */
import type { SessionLockInspection } from "../../session-lock/reasons.js";
import { printable, quote } from "../../util/printable.js";
import { parseArguments } from "../arguments.js";
import { type Command, EXIT, type ExitCode, UsageError } from "../command.js";
import { formatLocalTime } from "../terminal/duration.js";
import {
  examineLocks,
  type LockDirectories,
  type LocksReport,
  type SweepRequest,
} from "../locks/examine.js";
import { explanationOf, reasonsIn } from "../locks/explain.js";
import { shortenToWidth, wrapToWidth } from "../terminal/display-width.js";
import { canMoveCursor, type CliIo, writeInChunks } from "../terminal/io.js";
import { jsonDocumentParts } from "../json-document.js";
import { JUDGEMENT_OPTIONS, judgementOptions } from "../locks/judgement-options.js";
import { locksLines } from "../locks/lines.js";
import { locksScreen, selectLocks } from "../locks/screen.js";
import { type OwnerPrograms, ownerPrograms, programOf } from "../locks/owner-programs.js";
import { paint } from "../terminal/paint.js";
import { ProgressBar } from "../terminal/progress-bar.js";
import { watch } from "../terminal/watch.js";
import { isWrong } from "../locks/describe.js";
import { isHolderStopped } from "../locks/stopped.js";
import { examineAny, toAnyPlaces } from "../locks/any/answer.js";

/** Terminals keep about that many lines of their past. */
const MOST_ROWS = 1000;

/** Summary, blank line, header, and the line that counts the rest. */
const LINES_AROUND_ROWS = 5;

export const locks: Command = {
  name: "locks",
  usage: "<dir…|file…> | --state-dir DIR [--all] [--fix] [option…]",
  summary: "a doctor for lock files: whose, how old, stale or not and why",
  help: `Judges every session lock (*.jsonl.lock) in each directory, not in the ones
below, and says which are stale and why. Without --fix nothing is touched. A
lock is only removed on proof that its owner is gone.

On a terminal the answer is a table as wide as the terminal: each lock's
session, the pid it names, whether its owner is alive, the program that has the
pid, the lock's age, the verdict, and what --fix does. Elsewhere it is one line
for each lock, with the full path, that stays as it is.

A file, or --all with a directory, judges locks of every form that is known
here, and says which process is behind each, by what evidence, or that nothing
names one: locks and pid files of this package, pid files (a number or JSON),
locks of gateways and of sessions.json, proper-lockfile's directories, git's
*.lock and gc.pid, SingletonLock of Chromium, lock of Firefox, postmaster.pid,
swap files of Vim, links of Emacs and Mercurial, X displays, and what dpkg,
APT, Cargo and LevelDB lock through the kernel. Locks of other programs are
never touched.

Options:
  --all            judge every kind of lock in each directory, not in the ones
                   below
  --fix            remove the stale locks that can safely be removed; only those
                   of this package
  --state-dir DIR  a gateway's state directory: examines DIR/agents/*/sessions;
                   may be repeated
  --explain        say what each reason in the answer means, and what to do
  --watch          look again every second, until q or Ctrl-C; on a terminal
                   only, removes nothing
  --stale-ms N     age in milliseconds beyond which a lock is too old; it is
                   reported, but a live owner's lock is never removed for its
                   age (default 1800000, or the environment's
                   OPENCLAW_SESSION_WRITE_LOCK_STALE_MS)
  --owner NAME     a further program that writes such locks, beside openclaw and
                   its forks: NAME, NAME-<word>, NAME.mjs and the like are
                   recognised by their command lines; may be repeated
  --keep-plain     keep what other programs wrote (no token, no kernel lock),
                   whatever its pid looks like: where containers share a volume
  --json           one JSON document:
                   {"schemaVersion", "counts", "problems", "notices", "locks"};
                   of a file or with --all each lock has "kind", "state" (held,
                   free, stale, undecided), "evidence" and more

Exit code: 0 when no stale lock is left, 1 when there is one, or one that cannot
be read or be decided from here, 2 on wrong usage, when there is no such file or
directory, or when a directory or a lock's name could not be read, or a lock not
be removed (I/O). With --watch that of the last look.

Examples:
  pidentity locks ~/.openclaw/agents/main/sessions
  pidentity locks --state-dir ~/.openclaw --fix
  pidentity locks --state-dir ~/.openclaw --watch
  pidentity locks sessions --json | jq '.locks[] | select(.stale).lockPath'
  pidentity locks .git/index.lock /run/sshd.pid
  pidentity locks --all ~/.config/chromium
`,
  run: async (args, io) => {
    const { values, positionals } = parseArguments(args, {
      all: { type: "boolean" },
      explain: { type: "boolean" },
      fix: { type: "boolean" },
      json: { type: "boolean" },
      ...JUDGEMENT_OPTIONS,
      "state-dir": { type: "string", multiple: true },
      watch: { type: "boolean" },
    });
    const { explain = false, fix = false, json = false } = values;
    const stateDirs = values["state-dir"] ?? [];
    const places = toAnyPlaces(positionals, stateDirs, values.all === true);
    const request: SweepRequest = { fix, ...judgementOptions(values) };
    if (places !== null) {
      if (values.watch) {
        throw new UsageError("--watch needs directories of sessions, without --all and files");
      }
      return await examineAny(places, request, { fix, explain, json, mostRows: MOST_ROWS }, io);
    }
    const directories = toDirectories(positionals, stateDirs);
    if (values.watch) {
      checkWatchable({ fix, json }, io);
      return await watchLocks(directories, request, { explain }, io);
    }

    const bar = new ProgressBar(io);
    let report: LocksReport;
    try {
      report = await examineLocks(directories, request, {
        env: io.env,
        onProgress: (checked, total) => bar.update(checked, total),
      });
    } finally {
      bar.clear();
    }
    for (const line of remarksOf(report)) io.stderr.write(`pidentity: ${line}\n`);
    writeInChunks(io.stdout, await answer(report, { fix, explain, json }, io));
    return exitCodeOf(report);
  },
};

/** @throws UsageError unless exactly one kind of directory is given */
function toDirectories(
  sessionsDirs: readonly string[],
  stateDirs: readonly string[],
): LockDirectories {
  if (sessionsDirs.length === 0 && stateDirs.length === 0) {
    throw new UsageError("at least one directory is required");
  }
  const [first] = sessionsDirs;
  if (first !== undefined && stateDirs.length > 0) {
    // Its directories would be counted, and fixed, twice.
    throw new UsageError(`--state-dir cannot be combined with a directory: ${quote(first)}`);
  }
  return { sessionsDirs, stateDirs };
}

/** @throws UsageError naming --watch and what it cannot go with */
function checkWatchable(
  { fix, json }: { readonly fix: boolean; readonly json: boolean },
  { stdout, env }: CliIo,
): void {
  // Each look would remove locks again, which the user has asked for once.
  if (fix) throw new UsageError("--fix cannot be combined with --watch, which removes nothing");
  if (json) throw new UsageError("--json cannot be combined with --watch, which is for people");
  if (!canMoveCursor(stdout.isTTY, env)) {
    throw new UsageError("--watch needs a terminal that can move its cursor");
  }
}

interface Form {
  readonly fix: boolean;
  readonly explain: boolean;
  readonly json: boolean;
}

async function answer(
  report: LocksReport,
  { fix, explain, json }: Form,
  { stdout }: CliIo,
): Promise<Iterable<string>> {
  if (json) return toJson(report, await ownerPrograms(report.locks), explain);
  if (!stdout.isTTY) return locksLines(report, { fix, explain });
  const shown = selectLocks(report.locks, MOST_ROWS);
  const programs = await ownerPrograms(shown);
  const lines = locksScreen(report, { fix, explain, shown, programs, hints: true }, stdout);
  return lines.map((line) => `${line}\n`);
}

async function watchLocks(
  directories: LockDirectories,
  request: SweepRequest,
  { explain }: { readonly explain: boolean },
  io: CliIo,
): Promise<ExitCode> {
  const look = (signal: AbortSignal): Promise<LocksReport> =>
    examineLocks(directories, request, { env: io.env, signal });
  const draw = async (report: LocksReport, rows: number): Promise<string[]> => {
    const { stdout } = io;
    const columns = stdout.columns ?? Infinity;
    const [, time = ""] = formatLocalTime(io.wallClock()).split(" ");
    const title = `pidentity locks at ${time}, q ends`;
    const head = [
      paint(stdout, "dim", shortenToWidth(title, columns)),
      "",
      ...remarksOf(report).flatMap((line) => wrapToWidth(line, columns, "  ")),
    ];
    // Locks that do not fit are counted in a line of their own; a cut would hide that some of them are stale.
    const shown = selectLocks(report.locks, Math.max(1, rows - head.length - LINES_AROUND_ROWS));
    const programs = await ownerPrograms(shown);
    const options = { fix: false, explain, shown, programs, hints: false };
    return [...head, ...locksScreen(report, options, stdout)];
  };
  const last = await watch({ look, draw }, io);
  return last === null ? EXIT.failure : exitCodeOf(last);
}

/** What standard error is told beside the answer. */
function remarksOf({ problems, notices }: LocksReport): string[] {
  return [...problems, ...notices];
}

function toJson(
  { locks: found, counts, problems, notices }: LocksReport,
  programs: OwnerPrograms,
  explain: boolean,
): Iterable<string> {
  const toEntry = ({ error, ...lock }: SessionLockInspection): object => ({
    ...lock,
    error: error === undefined ? null : printable(error.message),
    heldFrom: lock.heldFrom ?? null,
    stopped: isHolderStopped(lock),
    program: programOf(lock, programs),
  });
  const explanations = explain ? { explanations: explanationsFor(found) } : {};
  const body = { counts, problems, notices, ...explanations };
  return jsonDocumentParts(body, "locks", mapLazily(found, toEntry));
}

function explanationsFor(found: readonly SessionLockInspection[]): object {
  const reasons = [...reasonsIn(found).keys()];
  return Object.fromEntries(
    reasons.map((reason) => {
      const { meaning, remedy } = explanationOf(reason);
      return [reason, { meaning, remedy }];
    }),
  );
}

function* mapLazily<T, U>(items: Iterable<T>, toOther: (item: T) => U): Generator<U> {
  for (const item of items) yield toOther(item);
}

function exitCodeOf({ locks: found, problems }: LocksReport): ExitCode {
  // Only what was asked for and could not be done: a lock that cannot be read stays for good, and must not hide
  // from a script whether the rest went well.
  const hasFailed = problems.length > 0 || found.some(({ keptReason }) => keptReason === "error");
  if (hasFailed) return EXIT.failure;
  return found.some((lock) => isWrong(lock) && !lock.removed) ? EXIT.no : EXIT.ok;
}
