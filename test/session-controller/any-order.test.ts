/** Everything in any order, concurrently: what must hold whatever happens. */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";

import fc from "fast-check";
import { expect, test } from "vitest";

import { createControllerIn } from "../../lib/session-controller/controller.js";
import { Latch } from "../../lib/session-controller/locks/latch.js";
import type {
  AcquireControlledLock,
  ControlledLock,
  ControllerLockOptions,
  SessionController,
  SessionWrite,
} from "../../lib/session-controller/index.js";
import { resolveControllerOptions } from "../../lib/session-controller/options.js";
import { realSessionFs } from "../../lib/session-controller/fence/session-file.js";
import { SessionWriteLockTimeoutError } from "../../lib/session-lock/errors.js";
import { acquireSessionWriteLock } from "../../lib/session-lock/index.js";
import { findErrorByCode } from "../../lib/util/find-error.js";
import { takeNameAway } from "../support/locks/lock-holder.js";
import { memoryLocks } from "../support/locks/memory-lock.js";
import { FIRST_LINE, sessionFileWith } from "../support/locks/run-controller.js";
import { waitFor } from "../support/wait-for.js";

/** What a write does, one after the other. `pause` ends when the test goes on with it. */
const STEPS = [
  "append",
  "pause",
  "nested append",
  "unawaited nested pause",
  "release",
  "abort",
  "timeout abort",
  "reacquire",
  "dispose",
  "publish",
  "throw",
] as const;
type Step = (typeof STEPS)[number];

/** What happens around the writes. `go on` ends the oldest pause, `turns` lets some I/O get done. */
const PEACEFUL = [
  "release",
  "abort",
  "timeout abort",
  "cancel",
  "reacquire",
  "cleanup",
  "publish",
  "dispose",
  "go on",
  "go on",
  "turns",
  "turns",
] as const;
const STRANGER = "stranger locks and appends";
const HOSTILE = [
  ...PEACEFUL,
  "time passes",
  "waits time out",
  "lock is taken away",
  "stranger appends",
  STRANGER,
] as const;
type Event = (typeof HOSTILE)[number] | readonly Step[];

/** The lock that the controller and the stranger compete for. */
interface LockSource {
  readonly acquire: (
    options: ControllerLockOptions & { readonly signal?: AbortSignal },
  ) => Promise<ControlledLock>;
  readonly takeAway: () => void;
}

function inMemory(): LockSource {
  const locks = memoryLocks();
  return {
    acquire: locks.acquire,
    takeAway: () => {
      if (locks.holder() !== null) locks.displace();
    },
  };
}

/** Its holder has to ask whether it still has the lock. */
function inMemoryUnsignalled(): LockSource {
  const { acquire, takeAway } = inMemory();
  return {
    acquire: async (options) => {
      const { release, assertHeld, withFence } = await acquire(options);
      return { release, assertHeld, withFence };
    },
    takeAway,
  };
}

function onDisk(sessionFile: string): LockSource {
  return {
    acquire: ({ signal, ...options }) =>
      acquireSessionWriteLock({ ...options, ...(signal && { signal }), env: {} }),
    takeAway: () => {
      if (existsSync(`${sessionFile}.lock`)) takeNameAway(`${sessionFile}.lock`);
    },
  };
}

/** The locks of the controller, and what must not become of them. */
class OwnLocks {
  readonly releases: number[] = [];
  /** Acquired and not yet released. */
  readonly out = new Set<ControlledLock>();
  readonly #waits = new Set<AbortController>();
  readonly #acquire: LockSource["acquire"];
  readonly #complain: (what: string) => void;
  #isOfAnother = false;

  constructor(acquire: LockSource["acquire"], complain: (what: string) => void) {
    this.#acquire = acquire;
    this.#complain = complain;
  }

  readonly acquire: AcquireControlledLock = async (options) => {
    if (this.#isOfAnother) this.#complain("it waits again for what it could not have");
    const lock = await this.#waitFor(options);
    this.out.add(lock);
    const index = this.releases.push(0) - 1;
    return {
      lost: lock.lost,
      assertHeld: lock.assertHeld,
      withFence: lock.withFence,
      release: async () => {
        this.releases[index] = (this.releases[index] ?? 0) + 1;
        try {
          await lock.release();
        } finally {
          // The controller needs some microtasks to take note.
          setImmediate(() => this.out.delete(lock));
        }
      },
    };
  };

  async #waitFor(options: ControllerLockOptions): Promise<ControlledLock> {
    const wait = new AbortController();
    this.#waits.add(wait);
    try {
      return await this.#acquire({ ...options, signal: wait.signal });
    } catch (error) {
      // Nothing of ours is in the way: another holder has the session.
      if (this.out.size === 0) setImmediate(() => (this.#isOfAnother = true));
      throw error;
    } finally {
      this.#waits.delete(wait);
    }
  }

  timeOut(sessionFile: string): void {
    for (const wait of this.#waits) {
      wait.abort(new SessionWriteLockTimeoutError(1e6, "owner=unknown", `${sessionFile}.lock`));
    }
  }

  /** Whether the session's lock is one of them. */
  get areHeld(): boolean {
    return [...this.out].some(isHeld);
  }
}

const EXPECTED_FAILURES = [
  "SESSION_TAKEOVER",
  "SESSION_WRITE_LOCK_LOST",
  // Behind another write of the same run.
  "SESSION_WRITE_LOCK_TIMEOUT",
  "STEP_FAILED",
] as const;

class Trial {
  readonly complaints: string[] = [];
  readonly locks: OwnLocks;
  readonly #sessionFile: string;
  readonly #lockSource: LockSource;
  /** The writes that are in the middle; with `isDisplaced` the lock was taken from under them. */
  readonly #inTheMiddle = new Set<{ isDisplaced: boolean }>();
  #hasCleanupBegun = false;
  readonly #timers = new Set<() => void>();
  readonly #pauses: Latch[] = [];
  readonly #pending = new Set<string>();
  #lines = 0;
  #expectedText = FIRST_LINE;

  constructor(sessionFile: string, lockSource: LockSource) {
    this.#sessionFile = sessionFile;
    this.#lockSource = lockSource;
    this.locks = new OwnLocks(lockSource.acquire, (what) => void this.complaints.push(what));
  }

  async run(events: readonly Event[]): Promise<SessionController> {
    const controller = await createControllerIn(
      resolveControllerOptions({
        acquire: this.locks.acquire,
        sessionFile: this.#sessionFile,
        // Longer than the test's own time limit.
        timeoutMs: 1_000_000,
        env: {},
        log: { warn: (line) => this.complaints.push(line) },
      }),
      {
        fs: realSessionFs,
        startTimer: (_ms, fire) => {
          this.#timers.add(fire);
          return { stop: () => void this.#timers.delete(fire), keepAlive: () => {} };
        },
      },
    );
    for (const event of events) {
      await this.#happen(event, controller);
      await turns(1);
    }
    await this.#windUp((name) => !name.startsWith(STRANGER));
    await turns(2);
    if (this.#hasCleanupBegun && this.locks.out.size > 0) {
      this.complaints.push("a lock was kept beside the cleanup's");
    }
    // What the run still holds goes with it, and the stranger has its turn.
    this.#track("last dispose", controller.dispose());
    await this.#windUp(() => true);
    return controller;
  }

  /** What is wrong with how it went; nothing, one hopes. */
  faults(): readonly string[] {
    const faults = [...this.complaints];
    if (this.locks.releases.some((count) => count > 1)) faults.push("a lock was released twice");
    const text = readFileSync(this.#sessionFile, "utf8");
    if (text !== this.#expectedText) {
      faults.push(
        `the file has ${JSON.stringify(text)}, not ${JSON.stringify(this.#expectedText)}`,
      );
    }
    return faults;
  }

  async #happen(event: Event, controller: SessionController): Promise<void> {
    if (typeof event !== "string") {
      return this.#track(`write ${event.join(", ")}`, this.#write(event, controller));
    }
    switch (event) {
      case "release":
        return this.#track(event, controller.releaseForPrompt());
      case "abort":
        return this.#track(event, controller.releaseForAbort());
      case "timeout abort":
        return controller.abort({ timeout: true });
      case "cancel":
        return controller.abort({ timeout: false });
      case "reacquire":
        return this.#track(event, controller.reacquireAfterPrompt());
      case "cleanup":
        return this.#track(event, this.#cleanUp(controller));
      case "publish":
        return this.#track(event, controller.publishOwnedWrite());
      case "dispose":
        return this.#track(event, controller.dispose());
      case "go on":
        return this.#pauses.shift()?.open();
      case "turns":
        return await turns(20);
      case "time passes":
        return this.#timers.forEach((fire) => fire());
      case "waits time out":
        return this.locks.timeOut(this.#sessionFile);
      case "lock is taken away":
        if (this.locks.areHeld) this.#inTheMiddle.forEach((write) => (write.isDisplaced = true));
        return this.#lockSource.takeAway();
      case "stranger appends":
        return this.#appendAsStranger();
      case STRANGER:
        return this.#track(event, this.#lockAsStranger());
    }
  }

  async #write(steps: readonly Step[], controller: SessionController): Promise<void> {
    const write = { isDisplaced: false };
    await controller.withWriteLock(async (scope) => {
      this.#inTheMiddle.add(write);
      try {
        await this.#perform(steps, scope, controller);
      } finally {
        this.#inTheMiddle.delete(write);
      }
    });
    if (write.isDisplaced) this.complaints.push("a write resolved that had lost its lock");
  }

  async #perform(
    steps: readonly Step[],
    write: SessionWrite,
    controller: SessionController,
  ): Promise<void> {
    for (const step of steps) {
      switch (step) {
        case "append":
          this.#append(write, controller);
          break;
        case "pause":
          await this.#pause();
          break;
        case "nested append":
          await controller.withWriteLock((inner) => this.#append(inner, controller));
          break;
        case "unawaited nested pause":
          this.#track(
            step,
            controller.withWriteLock(() => this.#pause()),
          );
          break;
        case "release":
          await controller.releaseForPrompt();
          break;
        case "abort":
          await controller.releaseForAbort();
          break;
        case "timeout abort":
          controller.abort({ timeout: true });
          break;
        case "reacquire":
          await controller.reacquireAfterPrompt();
          break;
        case "dispose":
          await controller.dispose();
          break;
        case "publish":
          await controller.publishOwnedWrite();
          break;
        case "throw":
          throw Object.assign(new Error("step failed"), { code: "STEP_FAILED" });
      }
    }
  }

  #append({ appendFenced }: SessionWrite, controller: SessionController): void {
    const wasTakenOver = controller.hasTakeover();
    const line = `${JSON.stringify({ line: ++this.#lines })}\n`;
    appendFenced(line);
    this.#expectedText += line;
    if (wasTakenOver) this.complaints.push("a write after the takeover");
  }

  #appendAsStranger(): void {
    const line = `${JSON.stringify({ stranger: ++this.#lines })}\n`;
    appendFileSync(this.#sessionFile, line);
    this.#expectedText += line;
  }

  async #lockAsStranger(): Promise<void> {
    const lock = await this.#lockSource.acquire({
      sessionFile: this.#sessionFile,
      timeoutMs: 1e6,
    });
    await this.#pause();
    if (isHeld(lock)) this.#appendAsStranger();
    await lock.release();
  }

  async #cleanUp(controller: SessionController): Promise<void> {
    this.#hasCleanupBegun = true;
    const lock = await controller.acquireForCleanup();
    await this.#pause();
    await Promise.all([lock.release(), lock.release()]);
  }

  async #pause(): Promise<void> {
    const pause = new Latch();
    this.#pauses.push(pause);
    await pause.opened;
  }

  /** Its end is waited for, and its failure must be one of those that are documented. */
  #track(what: string, work: Promise<unknown>): void {
    const name = `${what} (${String(++this.#lines)})`;
    this.#pending.add(name);
    work
      .catch((error: unknown) => {
        const known = findErrorByCode(error, EXPECTED_FAILURES);
        if (known === null) this.complaints.push(`${what}: ${String(error)}`);
      })
      .finally(() => this.#pending.delete(name));
  }

  /** All pauses end. Then no call may wait any more of those that `isWaitedFor`. */
  async #windUp(isWaitedFor: (name: string) => boolean): Promise<void> {
    const pending = (): readonly string[] => [...this.#pending].filter(isWaitedFor);
    const isOver = (): boolean => {
      this.#pauses.splice(0).forEach((pause) => pause.open());
      return pending().length === 0 && this.#timers.size === 0;
    };
    try {
      await waitFor("the end of all", isOver, { deadlineMs: 20_000 });
    } catch (cause) {
      throw new Error(`pending: ${pending().join("; ")}`, { cause });
    }
  }
}

function isHeld(lock: ControlledLock): boolean {
  try {
    lock.assertHeld?.();
    return true;
  } catch {
    return false;
  }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
}

const steps = (names: readonly Step[]): fc.Arbitrary<readonly Step[]> =>
  fc.array(fc.constantFrom(...names), { maxLength: 5 });

/** What seldom comes together by chance. */
const ENCOUNTERS: readonly (readonly Event[])[] = [
  [["pause"], "turns", "lock is taken away", "go on"],
  ["release", "turns", STRANGER, "turns", ["append"], "waits time out", "turns"],
  ["release", "turns", STRANGER, "turns", "reacquire", "waits time out", "turns"],
];

const eventsOf = (
  names: readonly Event[],
  encounters: readonly (readonly Event[])[],
): fc.Arbitrary<readonly Event[]> => {
  const single = fc.oneof(steps(STEPS), fc.constantFrom(...names)).map((event) => [event]);
  const several = fc.oneof(
    { arbitrary: single, weight: 12 },
    ...(encounters.length > 0 ? [fc.constantFrom(...encounters)] : []),
  );
  return fc.array(several, { minLength: 1, maxLength: 25 }).map((events) => events.flat());
};

const LOCKS = [
  ["in memory", inMemory, 200],
  ["in memory, lost without a signal", inMemoryUnsignalled, 200],
  ["on disk", onDisk, 60],
] as const;

test.each(LOCKS)(
  "with a lock %s no lock is released twice, nothing is written after a takeover, and no call waits for ever",
  { timeout: 300_000 },
  async (_name, lockSourceOf, numRuns) => {
    const property = fc.asyncProperty(eventsOf(HOSTILE, ENCOUNTERS), async (events) => {
      const sessionFile = sessionFileWith();
      const trial = new Trial(sessionFile, lockSourceOf(sessionFile));
      await trial.run(events);
      expect(trial.faults()).toEqual([]);
    });
    await fc.assert(property, { numRuns });
  },
);

test.each(LOCKS)(
  "with a lock %s that no other process wants there is no takeover",
  { timeout: 300_000 },
  async (_name, lockSourceOf, numRuns) => {
    const property = fc.asyncProperty(eventsOf(PEACEFUL, []), async (events) => {
      const sessionFile = sessionFileWith();
      const trial = new Trial(sessionFile, lockSourceOf(sessionFile));
      const controller = await trial.run(events);
      expect(trial.faults()).toEqual([]);
      expect(controller.hasTakeover()).toBe(false);
      expect(await controller.withWriteLock(() => dirname(sessionFile))).toBe(dirname(sessionFile));
      // Each lock that was taken was given back.
      expect(trial.locks.releases.every((count) => count === 1)).toBe(true);
    });
    await fc.assert(property, { numRuns });
  },
);
