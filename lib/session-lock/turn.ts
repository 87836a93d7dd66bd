/** Waiting for one's turn at a lock within this thread, first come first served. */
import { joinQueue, leaveQueue, type Turn } from "./held-locks.js";

/** `turn`: ours until `handOn` is called. `joined`: the lock is held and may be shared. */
export type TurnResult =
  | { readonly kind: "turn"; readonly handOn: () => void }
  | { readonly kind: "joined" | "timeout" };

/** @throws the signal's reason (rejection) when aborted; the place in the queue is given up */
export async function waitForTurn(
  lockPath: string,
  budgetMs: number,
  { mayJoin, signal }: { readonly mayJoin: boolean; readonly signal: AbortSignal | undefined },
): Promise<TurnResult> {
  signal?.throwIfAborted();
  let turn: Turn | undefined;
  let timer: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  const handOn = (): void => {
    if (turn !== undefined) leaveQueue(lockPath, turn);
  };
  let kind: TurnResult["kind"] = "timeout";
  try {
    kind = await new Promise<TurnResult["kind"]>((resolve, reject) => {
      onAbort = () => reject(signal?.reason as Error);
      signal?.addEventListener("abort", onAbort, { once: true });
      // What a timer cannot count is no limit.
      if (budgetMs < 2 ** 31) timer = setTimeout(() => resolve("timeout"), budgetMs);
      turn = {
        start: () => resolve("turn"),
        join: mayJoin ? () => resolve("joined") : null,
      };
      joinQueue(lockPath, turn);
    });
    return kind === "turn" ? { kind, handOn } : { kind };
  } finally {
    clearTimeout(timer);
    if (onAbort !== undefined) signal?.removeEventListener("abort", onAbort);
    if (kind !== "turn") handOn();
  }
}
