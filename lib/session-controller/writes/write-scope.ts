/**
 * The reach of one outermost `withWriteLock`: calls from inside it run directly, calls from work that outlived
 * it do not.
 */
import type { AcquiredLock } from "../locks/acquired-lock.js";
import { AsyncLocalStorage } from "../../util/node-modules.js";
import { UseCount } from "../locks/use-count.js";

/** What is to happen when a scope has ended; asked for inside it, where the caller cannot wait for that end. */
export type AtScopeEnd = "release" | "reacquire";

// One for all controllers: on Node 20 each instance slows down every promise of the process, for good.
const innermost = new AsyncLocalStorage<WriteScope>();

export class WriteScope {
  atEnd: AtScopeEnd | null = null;
  /** The lock that its writes are made under. */
  readonly handle: AcquiredLock;
  readonly #owner: object;
  /** The scope around it, of any controller. */
  readonly outer: WriteScope | null;
  readonly #nested = new UseCount();
  readonly #background: Promise<void>[] = [];
  #isActive = true;

  /** @param owner - Whose scope it is. */
  constructor(owner: object, handle: AcquiredLock) {
    this.#owner = owner;
    this.handle = handle;
    // Ended ones are of no use and would pile up where each write leads to the next.
    this.outer = firstActive(innermost.getStore() ?? null);
  }

  get isActive(): boolean {
    return this.#isActive;
  }

  /** Runs `run` inside; ends when its nested calls, awaited or not, have settled. */
  async run<T>(run: () => T | Promise<T>): Promise<T> {
    try {
      return await innermost.run(this, run);
    } finally {
      while (!this.#nested.isIdle) await this.#nested.whenIdle();
      this.#isActive = false;
    }
  }

  /** A call from inside. */
  async nest<T>(run: () => T | Promise<T>): Promise<T> {
    const end = this.#nested.begin();
    try {
      return await run();
    } finally {
      end();
    }
  }

  /** Work that was begun from inside, whose end cannot come before the scope's. */
  defer(work: Promise<void>): void {
    this.#background.push(work);
    // Told by backgroundSettled, which the end of a stuck scope never comes to.
    work.catch(() => {});
  }

  /** To be awaited after the end. @throws (rejection) the first error of deferred work */
  async backgroundSettled(): Promise<void> {
    for (const work of this.#background) await work;
  }

  /** The active scope of `owner` that the caller is in. */
  static of(owner: object): WriteScope | null {
    let scope = firstActive(innermost.getStore() ?? null);
    while (scope !== null && scope.#owner !== owner) scope = firstActive(scope.outer);
    return scope;
  }
}

function firstActive(scope: WriteScope | null): WriteScope | null {
  let candidate = scope;
  while (candidate !== null && !candidate.isActive) candidate = candidate.outer;
  return candidate;
}
