/** Queues for things that one caller of this thread uses at a time, first come first served. */
import { startTimer } from "./timers.js";
import { abortReason, onAbort, throwIfAborted } from "./on-abort.js";

/** A caller in a queue. All copies of this package in a thread share the queues: the two names stay as they are. */
export interface QueuedCaller {
  /** Called once when the caller has become the first of its queue. */
  readonly start: () => void;
  /** Called instead, out of order, when the thing is in use and the caller may share it; null: it may not. */
  readonly join: (() => void) | null;
}

/** Callers by what they wait for, in order of arrival; the first of each queue uses the thing. */
export type CallerQueues = Map<string, QueuedCaller[]>;

/** The caller may use it until it calls `leave`. */
export interface FirstPlace {
  readonly kind: "first";
  readonly leave: () => void;
}

/** `joined`: it is in use and may be shared. */
export type QueueResult = FirstPlace | { readonly kind: "joined" | "timeout" };

/**
 * @param budgetMs - Milliseconds, Infinity included.
 * @throws the signal's reason (rejection) when aborted; the place in the queue is given up
 */
export async function waitInQueue(
  queues: CallerQueues,
  key: string,
  budgetMs: number,
  { mayJoin, signal }: { readonly mayJoin: boolean; readonly signal: AbortSignal | undefined },
): Promise<QueueResult> {
  throwIfAborted(signal);
  const queue = queues.get(key);
  if (queue === undefined) return beFirst(queues, key);
  let caller: QueuedCaller | undefined;
  let stopTimer: (() => void) | undefined;
  let stopListening: (() => void) | undefined;
  const leave = (): void => {
    if (caller !== undefined) leaveQueue(queues, key, caller);
  };
  let kind: QueueResult["kind"] = "timeout";
  try {
    kind = await new Promise<QueueResult["kind"]>((resolve, reject) => {
      stopListening = onAbort(signal, () => reject(abortReason(signal)));
      stopTimer = startTimer(() => resolve("timeout"), budgetMs, { keepsAlive: true });
      caller = {
        start: () => resolve("first"),
        join: mayJoin ? () => resolve("joined") : null,
      };
      queue.push(caller);
    });
    return kind === "first" ? { kind, leave } : { kind };
  } finally {
    stopTimer?.();
    stopListening?.();
    if (kind !== "first") leave();
  }
}

/** Becomes the first of an empty queue, with no timer and nothing to wait for; null: it is not empty. */
export function enterFreeQueue(queues: CallerQueues, key: string): FirstPlace | null {
  return queues.has(key) ? null : beFirst(queues, key);
}

function beFirst(queues: CallerQueues, key: string): FirstPlace {
  const caller: QueuedCaller = { start: () => {}, join: null };
  queues.set(key, [caller]);
  return { kind: "first", leave: () => leaveQueue(queues, key, caller) };
}

/** Leaves the queue, from any place in it; when the caller was the first, the next one starts. */
function leaveQueue(queues: CallerQueues, key: string, caller: QueuedCaller): void {
  const queue = queues.get(key);
  const place = queue?.indexOf(caller) ?? -1;
  if (queue === undefined || place === -1) return;
  queue.splice(place, 1);
  if (queue.length === 0) queues.delete(key);
  else if (place === 0) queue[0]?.start();
}
