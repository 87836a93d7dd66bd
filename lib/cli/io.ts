/** The outside world as commands see it: two streams, the environment and a clock. */

/** One output stream. */
export interface CliStream {
  readonly isTTY: boolean;
  /** Width in character cells; undefined where that has no meaning (a pipe, a file). */
  readonly columns: number | undefined;
  /** Whether escape sequences for colour are welcome. */
  readonly hasColor: boolean;
  write(text: string): void;
}

/** What a command may touch beside its arguments. */
export interface CliIo {
  readonly stdout: CliStream;
  readonly stderr: CliStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A monotonic clock, milliseconds. */
  readonly now: () => number;
}

/**
 * Colour only on a terminal that understands it, and only for people who have not refused it
 * (no-color.org: `NO_COLOR` present and not empty).
 */
export function wantsColor(isTTY: boolean, env: CliIo["env"]): boolean {
  const { NO_COLOR: refusal, TERM: terminal } = env;
  return isTTY && (refusal === undefined || refusal === "") && terminal !== "dumb";
}

/** The streams, the environment and the clock of this process. */
export function processIo(): CliIo {
  const { env } = process;
  return {
    stdout: toCliStream(process.stdout, env),
    stderr: toCliStream(process.stderr, env),
    env,
    now: () => performance.now(),
  };
}

function toCliStream(stream: NodeJS.WriteStream, env: CliIo["env"]): CliStream {
  // Node types it as true; on a pipe or a file it is absent.
  const isTTY = (stream.isTTY as boolean | undefined) === true;
  return {
    isTTY,
    // A terminal may be resized while the command works.
    get columns() {
      return isTTY ? stream.columns : undefined;
    },
    hasColor: wantsColor(isTTY, env),
    write: (text) => void stream.write(text),
  };
}
