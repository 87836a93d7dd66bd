/** `pidentity break`: removes by hand a lock that the rules keep, once its evidence was shown. */
import { type BrokenLock, lookAtLock, refusalOf } from "../../lock/break.js";
import { describeRefusal, LockNotBrokenError } from "../../lock/break-error.js";
import type { BreakRefusal } from "../../lock/break-refusal.js";
import { realLockFs } from "../../lock/protocol/lock-fs.js";
import { evidenceOf } from "../../lock/reclaim.js";
import type { Judgement, JudgingPolicy } from "../../lock/verdict/judge.js";
import { breakLock as breakFileLock } from "../../file-lock/break-lock.js";
import { FILE_LOCK_POLICY } from "../../file-lock/policy.js";
import { inspectProcess } from "../../process/inspect.js";
import type { ProcessInfo } from "../../process/process-info.js";
import {
  breakLock as breakSessionLock,
  SESSION_LOCK_POLICY,
} from "../../session-lock/break-lock.js";
import { resolveSessionWriteLockOptions } from "../../session-lock/limits.js";
import { ownerRecogniser } from "../../session-lock/openclaw-owner.js";
import { presentInspection, type SessionLockInspection } from "../../session-lock/reasons.js";
import { SESSION_LOCK_SUFFIX } from "../../session-lock/sweep/list-locks.js";
import { absolutePath, tidyPath } from "../../util/absolute-path.js";
import { oneLine, printable, quote } from "../../util/printable.js";
import { parseArguments } from "../arguments.js";
import { type Command, EXIT, type ExitCode, UsageError } from "../command.js";
import { jsonDocument } from "../json-document.js";
import { isOwnerUnknown } from "../locks/describe.js";
import {
  JUDGEMENT_OPTIONS,
  type JudgementOptions,
  judgementOptions,
} from "../locks/judgement-options.js";
import { evidenceLines } from "../locks/evidence.js";
import { heldBy } from "../locks/held-by.js";
import { ask } from "../terminal/ask.js";
import type { CliIo } from "../terminal/io.js";

export const breakCommand: Command = {
  name: "break",
  usage: "<lock> --reason TEXT [--force] [--yes] [option…]",
  summary: "removes by hand a lock that is kept, once you know better",
  help: `Shows who owns the lock file, whether that process is alive, and why the lock is
kept; then removes exactly the lock that was shown. One that was taken meanwhile
is left alone. On a terminal it asks first. What was done is one line on
standard error, with the reason.

Use it for a lock whose owner is gone although that cannot be proven from here,
such as one of a host that was scrapped. A living owner's needs --force: it
finds its lock lost, and may be writing until then; to end the owner is better.

Options:
  --reason TEXT  why, for the log; required
  --force        also when the owner is proven alive; or when it is proven gone,
                 but its file lies on another device: no process may be using
                 the lock through another mount then
  --yes          do not ask; required where there is no terminal to ask on
  --stale-ms N   as of "pidentity locks": the lock is shown as that judges it
  --owner NAME   as of "pidentity locks"; may be repeated
  --keep-plain   as of "pidentity locks"; a process that is proven to be the
                 owner takes --force all the same
  --json         one JSON document instead of lines: {"schemaVersion",
                 "lockPath", "outcome", "refusal", "reason", "force", "error",
                 "lock", "evidence", "command"}

Exit code: 0 when the lock is gone, 1 when it was kept, 2 on wrong usage, when
there is no such file, or when it cannot be read or removed (I/O).

Examples:
  pidentity break /shared/jobs.lock --reason "host db2 was scrapped"
  pidentity break jobs.lock --reason "cleaning up" --yes
`,
  run: async (args, io) => {
    const { values, positionals } = parseArguments(args, {
      force: { type: "boolean" },
      json: { type: "boolean" },
      ...JUDGEMENT_OPTIONS,
      reason: { type: "string" },
      yes: { type: "boolean" },
    });
    const { force = false, json = false, yes = false } = values;
    const [given, extra] = positionals;
    if (given === undefined || given === "") throw new UsageError("the lock file is required");
    if (extra !== undefined) throw new UsageError(`only one lock can be broken: ${quote(extra)}`);
    const reason = values.reason?.trim() ?? "";
    if (reason === "") throw new UsageError("--reason is required, and must say something");

    const lockPath = tidyPath(absolutePath(given));
    const judgement = await lookAtLock(
      lockPath,
      policyFor(lockPath, judgementOptions(values), io.env),
      realLockFs,
    );
    if (judgement === null) {
      io.stderr.write(`pidentity: no such lock file: ${printable(lockPath)}\n`);
      return EXIT.failure;
    }
    const shown = show(judgement);
    // The document is the only thing on standard output.
    const output = json ? io.stderr : io.stdout;
    const mayAsk = !yes && io.hasKeyboard && io.stderr.isTTY;
    if (!json || mayAsk) for (const line of shown.lines) output.write(`${line}\n`);
    const end = await carryOut(judgement, { reason, force, yes, mayAsk }, io);
    io.stderr.write(`pidentity: ${end.line}\n`);
    if (json) io.stdout.write(toJson(shown, { reason, force }, end));
    return end.code;
  },
};

/** As `pidentity locks` judges such a lock. */
function policyFor(
  lockPath: string,
  { staleMs, ownerNames, plainLocks }: JudgementOptions,
  env: CliIo["env"],
): JudgingPolicy {
  if (!isSessionLock(lockPath)) {
    return { ...FILE_LOCK_POLICY, plainLocks, staleMs: staleMs ?? Infinity };
  }
  const { isOwnerArgv } = SESSION_LOCK_POLICY;
  return {
    ...SESSION_LOCK_POLICY,
    plainLocks,
    staleMs: resolveSessionWriteLockOptions(null, { staleMs, env }).staleMs,
    isOwnerArgv: ownerNames.length === 0 ? isOwnerArgv : ownerRecogniser(ownerNames),
  };
}

function isSessionLock(lockPath: string): boolean {
  return lockPath.endsWith(SESSION_LOCK_SUFFIX);
}

/** The lock as it is shown. */
interface Shown {
  readonly judgement: Judgement;
  readonly lock: SessionLockInspection;
  readonly holder: ProcessInfo | null;
  readonly lines: readonly string[];
}

function show(judgement: Judgement): Shown {
  const lock = presentInspection(judgement.inspection);
  const isKnownHere = !isOwnerUnknown(lock) && heldBy(judgement) !== "out-of-sight";
  const holder = isKnownHere && lock.pid !== null ? inspectProcess(lock.pid) : null;
  return { judgement, lock, holder, lines: evidenceLines(judgement, lock, holder) };
}

interface Wish {
  readonly reason: string;
  readonly force: boolean;
  readonly yes: boolean;
  readonly mayAsk: boolean;
}

interface End {
  readonly code: ExitCode;
  readonly outcome: BrokenLock["outcome"] | "kept";
  /** `declined`: the answer was no. */
  readonly refusal: BreakRefusal | "declined" | null;
  /** For standard error. */
  readonly line: string;
}

async function carryOut(judgement: Judgement, wish: Wish, io: CliIo): Promise<End> {
  const { reading, policy, inspection } = judgement;
  const { lockPath } = reading;
  const refusal = refusalOf(judgement, wish.force) ?? (await livingOwner(judgement, wish.force));
  if (reading.kind === "unreadable" || refusal !== null) {
    const kept = { lockPath, refusal: refusal ?? "unreadable", guardPath: null } as const;
    const evidence = evidenceOf(judgement);
    const cause = reading.kind === "unreadable" ? { cause: reading.error } : {};
    return keptEnd({ ...kept, ...cause, evidence, inspection: policy.present(inspection) });
  }
  if (!wish.yes && !wish.mayAsk) {
    throw new UsageError("there is no terminal to ask on: say --yes to remove the lock unasked");
  }
  if (!wish.yes && !(await ask("Remove this lock?", io))) {
    const line = `kept, as answered: ${printable(lockPath)}`;
    return { code: EXIT.no, outcome: "kept", refusal: "declined", line };
  }
  const breakLock = isSessionLock(lockPath) ? breakSessionLock : breakFileLock;
  try {
    const { reason, force } = wish;
    const { outcome } = await breakLock(lockPath, { expectedBytes: reading.bytes, reason, force });
    return { code: EXIT.ok, outcome, refusal: null, line: logLine(judgement, outcome, wish) };
  } catch (error) {
    if (!(error instanceof LockNotBrokenError)) throw error;
    return keptEnd(error);
  }
}

/** `--keep-plain` lets no pid prove anything: an owner that is alive is respected all the same. */
async function livingOwner(
  { reading: { lockPath }, policy }: Judgement,
  force: boolean,
): Promise<BreakRefusal | null> {
  if (policy.plainLocks === "judge") return null;
  const judged = await lookAtLock(lockPath, { ...policy, plainLocks: "judge" }, realLockFs);
  return judged === null ? null : refusalOf(judged, force);
}

function keptEnd(kept: Parameters<typeof describeRefusal>[0]): End {
  const { refusal, lockPath } = kept;
  const isFailure = refusal === "unreadable" || refusal === "error";
  const remedy = refusal === "owner-alive" ? "; see --force in pidentity break --help" : "";
  const line = `kept (${refusal}): ${describeRefusal(kept)}${remedy}: ${lockPath}`;
  const code = isFailure ? EXIT.failure : EXIT.no;
  return { code, outcome: "kept", refusal, line: printable(oneLine(line)) };
}

/** For a log: which lock, whose, and why. */
function logLine(
  { inspection }: Judgement,
  outcome: BrokenLock["outcome"],
  { reason, force }: Wish,
): string {
  const { lockPath, pid, ownerState, ownerReason } = inspection;
  if (outcome === "vanished") return printable(`the lock is gone already: ${lockPath}`);
  const owner = `${pid === null ? "no pid" : `pid=${String(pid)}`}, owner ${ownerState}: ${ownerReason}`;
  const how = force ? "removed by force" : "removed";
  return printable(oneLine(`${how} ${lockPath} (${owner}), reason: ${reason}`));
}

function toJson(
  { judgement, lock, holder }: Shown,
  { reason, force }: Pick<Wish, "reason" | "force">,
  { outcome, refusal, line }: End,
): string {
  const { error: readError, ...facts } = lock;
  const error = readError === undefined ? null : printable(readError.message);
  return jsonDocument({
    lockPath: lock.lockPath,
    outcome,
    refusal,
    reason,
    force,
    error: outcome === "kept" ? line : null,
    lock: { ...facts, removed: outcome === "removed", error },
    evidence: evidenceOf(judgement),
    command: holder?.args ?? null,
  });
}
