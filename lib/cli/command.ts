/** What every command of `pidentity` is. */
import type { CliIo } from "./terminal/io.js";

/**
 * What a command tells the shell.
 *
 * - `ok`: everything asked about is as it should be
 * - `no`: the answer is no: a process is gone, a stale lock remains
 * - `failure`: the question was wrong or could not be asked (usage, I/O)
 * - `unknown`: asked properly, and nothing is proven either way
 */
export const EXIT = { ok: 0, no: 1, failure: 2, unknown: 3 } as const;

/** A value of {@link EXIT}. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The command was called wrongly: its message is for the person who typed it. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly code = "PIDENTITY_USAGE";
}

/** One command: its help texts and its work. */
export interface Command {
  readonly name: string;
  /** Arguments as the usage line shows them. */
  readonly usage: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What `--help` says below the usage line. */
  readonly help: string;
  /**
   * @param args - The arguments behind the command's name.
   * @returns the exit code: one of {@link EXIT}, but for `run`, which passes on what its own command ends with.
   * @throws UsageError (also as a rejection) when they are wrong.
   */
  readonly run: (args: readonly string[], io: CliIo) => number | Promise<number>;
}
