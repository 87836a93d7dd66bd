/** A store in memory between which and its client something goes wrong, as a network does. */
import { type LeaseGrant, memoryLeases } from "../../lib/lease/index.js";
import { LeaseStoreError } from "../../lib/lease/errors.js";
import type { LeaseAttempt, LeaseRequest, LeaseStore } from "../../lib/lease/store.js";

type Operation = "acquire" | "renew" | "release";

/**
 * What happens to one request: it is executed and answered; neither; executed, and its answer lost; executed, and answered
 * once `answer` is called; executed and answered once `execute` is.
 */
export type Trouble =
  | "none"
  | "unreachable"
  | "refused"
  | "answer-lost"
  | { readonly answered: Promise<void> }
  | { readonly executed: Promise<void> };

export interface TroubledStore extends LeaseStore {
  /** The same store without trouble: another client's. */
  readonly clear: LeaseStore;
  /** For the requests to come. */
  trouble: Readonly<Partial<Record<Operation, Trouble>>>;
  /** How often was asked. */
  readonly asked: Record<Operation, number>;
}

export function troubledStore(): TroubledStore {
  const clear = memoryLeases();
  const asked = { acquire: 0, renew: 0, release: 0 };
  const through = async <T>(operation: Operation, execute: () => Promise<T>): Promise<T> => {
    asked[operation]++;
    const trouble = store.trouble[operation] ?? "none";
    if (trouble === "none") return await execute();
    if (trouble === "unreachable" || trouble === "refused") {
      throw failed(operation, trouble === "unreachable");
    }
    if (trouble === "answer-lost") {
      await execute();
      throw failed(operation, true);
    }
    if ("executed" in trouble) {
      await trouble.executed;
      return await execute();
    }
    const answer = await execute();
    await trouble.answered;
    return answer;
  };
  const store: TroubledStore = {
    name: "troubled",
    clear,
    asked,
    trouble: {},
    tryAcquire: async (request: LeaseRequest): Promise<LeaseAttempt> =>
      await through("acquire", async () => await clear.tryAcquire(request)),
    renew: async (grant: LeaseGrant, ttlMs: number, signal: AbortSignal): Promise<boolean> =>
      await through("renew", async () => await clear.renew(grant, ttlMs, signal)),
    release: async (grant: LeaseGrant, signal: AbortSignal): Promise<void> =>
      await through("release", async () => await clear.release(grant, signal)),
    watch: (key, onChange) => clear.watch(key, onChange),
  };
  return store;
}

function failed(operation: Operation, retryable: boolean): LeaseStoreError {
  const cause = new Error(retryable ? "connection refused" : "permission denied");
  return new LeaseStoreError({ store: "troubled", operation, retryable, cause });
}

/** A promise and what resolves it. */
export function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}
