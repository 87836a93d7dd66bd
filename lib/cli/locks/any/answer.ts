/** `pidentity locks` of files, or with `--all`: the arguments, the examination, the answer, the exit code. */
import { quote } from "../../../util/printable.js";
import { EXIT, type ExitCode, UsageError } from "../../command.js";
import { type CliIo, writeInChunks } from "../../terminal/io.js";
import { ProgressBar } from "../../terminal/progress-bar.js";
import type { SweepRequest } from "../examine.js";
import { examineAnyLocks, type AnyLockPlaces } from "./examine.js";
import { type AnyLocksReport, isOpen } from "./examined.js";
import { isLockArgument } from "./find-files.js";
import { anyLocksJson } from "./json.js";
import { anyLocksLines } from "./lines.js";
import { anyLocksScreen } from "./screen.js";

interface AnyForm {
  readonly fix: boolean;
  readonly explain: boolean;
  readonly json: boolean;
  /** A terminal is shown so many locks at the most. */
  readonly mostRows: number;
}

/**
 * What is to be judged whatever its form; null: the session locks of directories.
 *
 * @throws UsageError where the arguments ask for both
 */
export function toAnyPlaces(
  given: readonly string[],
  stateDirs: readonly string[],
  all: boolean,
): AnyLockPlaces | null {
  if (all && stateDirs.length > 0) {
    throw new UsageError("--all takes directories, and cannot be combined with --state-dir");
  }
  if (all && given.length === 0) throw new UsageError("at least one directory is required");
  const distinct = [...new Set(given)];
  const files = distinct.filter(isLockArgument);
  if (files.length === 0 && !all) return null;
  const directories = distinct.filter((argument) => !files.includes(argument));
  const [directory] = directories;
  if (directory !== undefined && !all) {
    throw new UsageError(`beside a file a directory needs --all: ${quote(directory)}`);
  }
  return { files, directories };
}

/** Judges what the arguments name, and answers in one of the forms. */
export async function examineAny(
  places: AnyLockPlaces,
  request: SweepRequest,
  { fix, explain, json, mostRows }: AnyForm,
  io: CliIo,
): Promise<ExitCode> {
  const bar = new ProgressBar(io);
  let report: AnyLocksReport;
  try {
    report = await examineAnyLocks(places, request, {
      env: io.env,
      onProgress: (checked, total) => bar.update(checked, total),
    });
  } finally {
    bar.clear();
  }
  const { stdout, stderr } = io;
  for (const line of [...report.problems, ...report.notices]) stderr.write(`pidentity: ${line}\n`);
  if (json) writeInChunks(stdout, anyLocksJson(report, { fix }));
  else if (!stdout.isTTY) writeInChunks(stdout, anyLocksLines(report, { fix, explain }));
  else {
    const lines = anyLocksScreen(report, { fix, explain, mostRows }, stdout);
    writeInChunks(
      stdout,
      lines.map((line) => `${line}\n`),
    );
  }
  const hasFailed =
    report.problems.length > 0 || report.locks.some(({ own }) => own?.keptReason === "error");
  if (hasFailed) return EXIT.failure;
  return report.locks.some(isOpen) ? EXIT.no : EXIT.ok;
}
