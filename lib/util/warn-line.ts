/** Where the package tells what no error can tell. */
import { fs, setImmediate } from "./node-modules.js";
import { isMainThread } from "./thread.js";

export type WarnLine = (line: string) => void;

const STDERR_FD = 2;

/**
 * Standard error, one line each. Never throws, and never ends the process: a line that has no reader any more
 * (EPIPE, a full disk) is lost.
 */
export const warnOnStderr: WarnLine = (line) => {
  const text = `${line}\n`;
  try {
    if (isMainThread()) writeTo(process.stderr, text);
    // A worker's process.stderr is written by the main thread: its failure would be an uncaught exception there.
    else fs.writeSync(STDERR_FD, text);
  } catch {
    // Refused at once.
  }
};

/** Errors of our own writes; each reaches the write's callback before it is emitted. */
const ownErrors = new WeakSet<Error>();
/** Writes that have not ended yet. */
let pending = 0;

/**
 * A stream without listener for `error` throws what it has to tell as an uncaught exception, some turns after the
 * write. So there is a listener until then; what the host's own writes fail with it passes on.
 */
function writeTo(stream: NodeJS.WriteStream, text: string): void {
  if (pending++ === 0) stream.on("error", onError);
  let hasEnded = false;
  const end = (): void => {
    if (hasEnded) return;
    hasEnded = true;
    if (--pending === 0) stream.off("error", onError);
  };
  // What an earlier write has failed with, which is not told yet: this one then fails with the same.
  const { errored } = stream;
  try {
    stream.write(text, (error) => {
      if (error instanceof Error && error !== errored) ownErrors.add(error);
      setImmediate(end).unref();
    });
  } catch (error) {
    end();
    throw error;
  }
}

function onError(this: NodeJS.WriteStream, error: Error): void {
  if (ownErrors.has(error)) return;
  // As if this listener were not there.
  if (this.listenerCount("error") === 1) throw error;
}
