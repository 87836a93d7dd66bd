/** One write in its scope: refused after a takeover; the file is compared before it and trusted after it. */
import { checkArgument } from "../../util/check-options.js";
import { checkSynchronous, type Synchronous } from "../../util/synchronous.js";
import { checkFunction, checkTextOrBytes } from "../../util/check-values.js";
import { appendWhole } from "./append.js";
import { SessionWriteScopeError } from "../errors.js";
import type { Fence } from "../fence/fence.js";
import { capture, firstFailure, throwFirst, valueOf } from "../outcome.js";
import type { SessionFs } from "../fence/session-file.js";
import type { Takeover } from "../takeover.js";
import type { WriteScope } from "./write-scope.js";

/** What a write may use. */
export interface SessionWrite {
  /** Aborts with a {@link SessionTakeoverError} when the session was taken over: writing must stop. */
  readonly signal: AbortSignal;
  /**
   * Appends `data` to the session file, all of it or nothing, and only while the session is this run's: after
   * a displacement it throws before a byte is written. Writes made in any other way have no such protection.
   *
   * Synchronous, and valid until the `withWriteLock` that gave it has ended.
   *
   * @param data - Text (written as UTF-8) or bytes: whole lines. A line feed is added where the last one has none, and
   *   before the first where a killed writer has left the file's last line without one.
   * @throws SessionTakeoverError after a takeover; SessionWriteScopeError after the scope's end; the lock's own
   *   error when its fence is busy; the file system's error; TypeError for anything but text and bytes. Nothing
   *   of `data` is in the file then, unless an AggregateError says so.
   */
  readonly appendFenced: (data: string | Uint8Array) => void;
  /**
   * Runs a write of another kind to the session file, such as one that cuts off half a line, only while the session is
   * this run's. Synchronous, and valid as long as `appendFenced`; neither is to be called inside
   * (this package's locks throw a LockInFenceError).
   *
   * @returns what `write` returns
   * @throws as `appendFenced`, but nothing undoes what `write` has done before it threw; TypeError for a promise
   */
  readonly withFence: <T>(write: Synchronous<T>) => T;
}

/** A write's code. */
export type RunWrite<T> = (write: SessionWrite) => T | Promise<T>;

/** What all writes of a run have in common. */
export interface WriteContext {
  readonly sessionFile: string;
  readonly fs: SessionFs;
  readonly fence: Fence;
  readonly takeover: Takeover;
}

/**
 * An outermost write.
 *
 * @throws (rejection) SessionTakeoverError when another writer has changed the file or the lock was lost; what
 *   `run` rejects with; the file system's error
 */
export async function runOutermost<T>(
  scope: WriteScope,
  run: RunWrite<T>,
  context: WriteContext,
): Promise<T> {
  const { fence, takeover } = context;
  const { handle } = scope;
  // After a takeover the file is not read any more.
  takeover.refuse();
  const verdict = await fence.enter();
  const outcome = await capture(async () => {
    if (verdict.kind === "changed") takeover.markChanged(verdict.found, verdict.cause);
    takeover.refuse();
    // Finds a displacement that the lock's signal has not told of yet.
    handle.assertHeld();
    return await scope.run(() => run(writeIn(scope, context)));
  });
  if (!outcome.ok) takeover.markIfLost(outcome.error);
  const left = await capture(() =>
    fence.leave(takeover.isMarked ? null : () => handle.assertHeld()),
  );
  if (!left.ok) takeover.markIfLost(left.error);
  // Whether or not the file was compared: a lock that was displaced in the middle guarded nothing.
  const held = await capture(() => (takeover.isMarked ? undefined : handle.assertHeld()));
  if (!held.ok) takeover.markIfLost(held.error);
  takeover.refuse(firstFailure([outcome, left, held]));
  throwFirst([outcome, left, held]);
  return valueOf(outcome);
}

/** A write inside another one: under the same lock, within the same look at the file. */
export async function runNested<T>(
  scope: WriteScope,
  run: RunWrite<T>,
  context: WriteContext,
): Promise<T> {
  const outcome = await capture(() => scope.nest(() => run(writeIn(scope, context))));
  context.takeover.refuse(firstFailure([outcome]));
  return valueOf(outcome);
}

const LINE_FEED = 0x0a;

/** Another run's line must not begin within this one. */
function withLineFeed(chunk: Uint8Array): Uint8Array {
  if (chunk.length === 0 || chunk.at(-1) === LINE_FEED) return chunk;
  return Buffer.concat([chunk, Buffer.of(LINE_FEED)]);
}

function writeIn(scope: WriteScope, { sessionFile, fs, takeover }: WriteContext): SessionWrite {
  const fenced = <T>(write: () => T): T => {
    if (!scope.isActive) throw new SessionWriteScopeError(sessionFile, "ended");
    try {
      return scope.handle.withFence(write);
    } catch (error) {
      takeover.markIfLost(error);
      takeover.refuse({ error });
      throw error;
    }
  };
  return {
    signal: takeover.signal,
    appendFenced: (data) => {
      takeover.refuse();
      checkArgument("data", data, checkTextOrBytes);
      const chunk = withLineFeed(typeof data === "string" ? Buffer.from(data) : data);
      fenced(() => appendWhole(sessionFile, chunk, fs));
    },
    withFence: (write) => {
      takeover.refuse();
      checkFunction("write", write);
      return fenced(() => {
        const answer = write();
        // A lock without a fence of its own takes any function.
        checkSynchronous("write", answer);
        return answer;
      });
    },
  };
}
