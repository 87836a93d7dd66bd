/** Waiting for one's turn at something within this thread, first come first served. */
import { startTimer } from "./timers.js";
import { onAbort } from "./on-abort.js";

/** A place in a queue. */
export interface Turn {
  /** Called once when it is this one's turn. */
  readonly start: () => void;
  /** Called instead, out of order, when the thing is in use and this one may share it; null: may not. */
  readonly join: (() => void) | null;
}

/** Those who wait, by what they wait for, in order of arrival; the first one of each has its turn. */
export type TurnQueues = Map<string, Turn[]>;

/** `turn`: ours until `handOn` is called. `joined`: it is in use and may be shared. */
export type TurnResult =
  | { readonly kind: "turn"; readonly handOn: () => void }
  | { readonly kind: "joined" | "timeout" };

/**
 * @param budgetMs - Milliseconds, as many as you like.
 * @throws the signal's reason (rejection) when aborted; the place in the queue is given up
 */
export async function waitForTurn(
  queues: TurnQueues,
  key: string,
  budgetMs: number,
  { mayJoin, signal }: { readonly mayJoin: boolean; readonly signal: AbortSignal | undefined },
): Promise<TurnResult> {
  signal?.throwIfAborted();
  const queue = queues.get(key);
  if (queue === undefined) return takeFreeTurn(queues, key);
  let turn: Turn | undefined;
  let stopTimer: (() => void) | undefined;
  let stopListening: (() => void) | undefined;
  const handOn = (): void => {
    if (turn !== undefined) leaveQueue(queues, key, turn);
  };
  let kind: TurnResult["kind"] = "timeout";
  try {
    kind = await new Promise<TurnResult["kind"]>((resolve, reject) => {
      stopListening = onAbort(signal, () => reject(signal?.reason as Error));
      stopTimer = startTimer(() => resolve("timeout"), budgetMs, { keepsAlive: true });
      turn = {
        start: () => resolve("turn"),
        join: mayJoin ? () => resolve("joined") : null,
      };
      queue.push(turn);
    });
    return kind === "turn" ? { kind, handOn } : { kind };
  } finally {
    stopTimer?.();
    stopListening?.();
    if (kind !== "turn") handOn();
  }
}

/** Nobody is in the queue: no timer, nothing to wait for. */
function takeFreeTurn(queues: TurnQueues, key: string): TurnResult {
  const turn: Turn = { start: () => {}, join: null };
  queues.set(key, [turn]);
  return { kind: "turn", handOn: () => leaveQueue(queues, key, turn) };
}

/** Leaves the queue, from any place in it; when it was this one's turn, the next one's starts. */
function leaveQueue(queues: TurnQueues, key: string, turn: Turn): void {
  const queue = queues.get(key);
  const place = queue?.indexOf(turn) ?? -1;
  if (queue === undefined || place === -1) return;
  queue.splice(place, 1);
  if (queue.length === 0) queues.delete(key);
  else if (place === 0) queue[0]?.start();
}
