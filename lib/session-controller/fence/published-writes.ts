/**
 * Own writes, known to all fences of this thread: what one controller writes must not look to another like the
 * change of another process.
 *
 * Two copies of this module in one thread know each other's writes: see util/thread.ts.
 */
import { threadState } from "../../util/thread.js";
import type { SessionFileFingerprint } from "./fingerprint.js";

/** One controller's fence, as all copies of the module see it. */
export interface FenceOfThread {
  /** Whether it is to find out about changes at all. */
  readonly isArmed: boolean;
  /**
   * A write of this thread has changed the file.
   *
   * @param before - What it changed; null: not to be known; undefined: whatever was there.
   */
  readonly advance: (
    before: SessionFileFingerprint | null | undefined,
    after: SessionFileFingerprint,
  ) => void;
}

interface ThreadState {
  /** By canonical session path. Weak: a controller that is not disposed of can be collected. */
  readonly fences: Map<string, Set<WeakRef<FenceOfThread>>>;
}

const state = threadState<ThreadState>(Symbol.for("pidentity.session-controller.v1"), () => ({
  fences: new Map(),
}));

export function addFence(sessionPath: string, fence: FenceOfThread): void {
  const { fences } = state();
  const known = fences.get(sessionPath);
  if (known === undefined) fences.set(sessionPath, new Set([new WeakRef(fence)]));
  else known.add(new WeakRef(fence));
  collected.register(fence, sessionPath);
}

const collected = new FinalizationRegistry(liveFences);

/** Whether any other fence of that session wants to be told of writes. */
export function isFencedByOthers(sessionPath: string, fence: FenceOfThread): boolean {
  return liveFences(sessionPath).some((other) => other !== fence && other.isArmed);
}

/** Tells the other fences of that session about a write. */
export function publishWrite(
  sessionPath: string,
  fence: FenceOfThread,
  before: SessionFileFingerprint | null | undefined,
  after: SessionFileFingerprint,
): void {
  for (const other of liveFences(sessionPath)) {
    if (other !== fence) other.advance(before, after);
  }
}

/** Removes the fences that were collected. */
function liveFences(sessionPath: string): readonly FenceOfThread[] {
  const { fences } = state();
  const known = fences.get(sessionPath);
  if (known === undefined) return [];
  const live: FenceOfThread[] = [];
  for (const reference of known) {
    const fence = reference.deref();
    if (fence === undefined) known.delete(reference);
    else live.push(fence);
  }
  if (known.size === 0) fences.delete(sessionPath);
  return live;
}
