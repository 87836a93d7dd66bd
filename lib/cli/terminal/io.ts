/** What commands use of their process: streams, the environment, clocks, keys and signals. */
import { isatty } from "node:tty";
import { runtimeMs, wallMs } from "../../util/clocks.js";

/** One output stream. */
export interface CliStream {
  readonly isTTY: boolean;
  /** Width in character cells; undefined where that has no meaning (a pipe, a file). */
  readonly columns: number | undefined;
  /** Height in lines; undefined likewise. */
  readonly rows: number | undefined;
  /** Whether escape sequences for colour may be written. */
  readonly hasColor: boolean;
  write(text: string): void;
}

const CHUNK_LENGTH = 65_536;

/** Writes texts in the order given, in chunks: a system call for each would cost more than making them. */
export function writeInChunks(stream: CliStream, texts: Iterable<string>): void {
  let chunk = "";
  for (const text of texts) {
    chunk += text;
    if (chunk.length < CHUNK_LENGTH) continue;
    stream.write(chunk);
    chunk = "";
  }
  if (chunk !== "") stream.write(chunk);
}

/** What a command that stays on the screen listens to. Each function stops listening with its result. */
export interface CliEvents {
  /** Keys as they are typed, unechoed, Ctrl-C included. Nothing comes where there is no keyboard. */
  onKeys(listener: (keys: string) => void): () => void;
  /** The terminal has another size now. */
  onResize(listener: () => void): () => void;
  /** The process was sent a signal that asks it to end. */
  onSignal(listener: (signal: NodeJS.Signals) => void): () => void;
  /** The process ends in whatever way; the listener can only work synchronously. */
  onExit(listener: () => void): () => void;
  /** Ends the process by that signal, as if it had no listener. */
  endBySignal(signal: NodeJS.Signals): void;
}

/** What a command may touch beside its arguments. */
export interface CliIo {
  readonly stdout: CliStream;
  readonly stderr: CliStream;
  /** Standard input is a terminal: a person can answer. */
  readonly hasKeyboard: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A monotonic clock, milliseconds. */
  readonly now: () => number;
  /** The wall clock, milliseconds since the Unix epoch. */
  readonly wallClock: () => number;
  readonly events: CliEvents;
}

/**
 * Colour only on a terminal that understands it, and only where the user has not refused it
 * (no-color.org: `NO_COLOR` present and not empty).
 */
export function wantsColor(isTTY: boolean, env: CliIo["env"]): boolean {
  const { NO_COLOR: refusal } = env;
  return isTTY && (refusal === undefined || refusal === "") && canMoveCursor(isTTY, env);
}

/** A terminal that obeys escape sequences, at least those that move the cursor. */
export function canMoveCursor(isTTY: boolean, { TERM: terminal }: CliIo["env"]): boolean {
  return isTTY && terminal !== "dumb";
}

/** The streams, the environment, the clocks and the terminal of this process. */
export function processIo(): CliIo {
  const { env } = process;
  return {
    stdout: toCliStream(process.stdout, env),
    stderr: toCliStream(process.stderr, env),
    // Not process.stdin.isTTY: looking at that begins to read a pipe, which may be meant for another program.
    hasKeyboard: isatty(0),
    env,
    now: runtimeMs,
    wallClock: wallMs,
    events: PROCESS_EVENTS,
  };
}

function toCliStream(stream: NodeJS.WriteStream, env: CliIo["env"]): CliStream {
  // Node types it as true; on a pipe or a file it is absent.
  const isTTY = (stream.isTTY as boolean | undefined) === true;
  return {
    isTTY,
    // A terminal may be resized while the command works.
    get columns() {
      return isTTY ? sizeOf(stream.columns) : undefined;
    },
    get rows() {
      return isTTY ? sizeOf(stream.rows) : undefined;
    },
    hasColor: wantsColor(isTTY, env),
    write: (text) => void stream.write(text),
  };
}

/** A terminal that does not tell its size has a size of 0. */
function sizeOf(cells: number | undefined): number | undefined {
  return cells === undefined || cells <= 0 ? undefined : cells;
}

const SIGNALS: readonly NodeJS.Signals[] =
  process.platform === "win32" ? ["SIGINT", "SIGBREAK", "SIGHUP"] : ["SIGINT", "SIGTERM", "SIGHUP"];

const PROCESS_EVENTS: CliEvents = {
  onKeys(listener) {
    const { stdin } = process;
    if (!stdin.isTTY) return () => {};
    const onData = (keys: Buffer): void => listener(keys.toString("latin1"));
    stdin.setRawMode(true);
    stdin.on("data", onData).resume();
    return () => {
      stdin.off("data", onData).pause();
      stdin.setRawMode(false);
    };
  },
  onResize(listener) {
    process.stdout.on("resize", listener);
    return () => void process.stdout.off("resize", listener);
  },
  onSignal(listener) {
    for (const signal of SIGNALS) process.on(signal, listener);
    return () => {
      for (const signal of SIGNALS) process.off(signal, listener);
    };
  },
  onExit(listener) {
    process.on("exit", listener);
    return () => void process.off("exit", listener);
  },
  endBySignal: (signal) => void process.kill(process.pid, signal),
};
