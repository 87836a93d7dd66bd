/** A signal by shape, as polyfills make them: no `throwIfAborted`, perhaps no `reason`. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, onTestFinished, test } from "vitest";

import { acquireFileLock } from "../../lib/file-lock/index.js";
import {
  endProcess,
  identifyProcess,
  inspectProcesses,
  listProcesses,
  waitForProcessExit,
} from "../../lib/index.js";
import { acquireLease, memoryLeases } from "../../lib/lease/index.js";
import { acquireSessionFileOwner } from "../../lib/session-controller/index.js";
import {
  acquireSessionWriteLock,
  cleanStaleLockFiles,
  sweepSessionLocks,
} from "../../lib/session-lock/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";

class PolyfilledSignal {
  aborted = false;
  reason: unknown;
  readonly #listeners = new Set<() => void>();

  addEventListener(_event: string, listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_event: string, listener: () => void): void {
    this.#listeners.delete(listener);
  }

  abort(reason?: unknown): void {
    this.aborted = true;
    this.reason = reason;
    for (const listener of this.#listeners) listener();
  }
}

/** Before the test's folder is removed: Windows keeps the files that are open. */
async function lockUntilEnd(acquired: Promise<{ release(): Promise<void> }>): Promise<void> {
  const lock = await acquired;
  onTestFinished(() => lock.release());
}

type Call = (signal: AbortSignal) => Promise<unknown>;

/** What waits until it is aborted. */
const WAITING: Readonly<Record<string, () => Promise<Call>>> = {
  acquireFileLock: async () => {
    const path = join(temporaryFolder(), "a");
    await lockUntilEnd(acquireFileLock({ path }));
    return (signal) => acquireFileLock({ path, signal });
  },
  acquireSessionWriteLock: async () => {
    const sessionFile = join(temporaryFolder(), "a.jsonl");
    await lockUntilEnd(acquireSessionWriteLock({ sessionFile }));
    return (signal) => acquireSessionWriteLock({ sessionFile, signal });
  },
  "acquireFileLock of another process's": async () => {
    const path = join(temporaryFolder(), "a");
    writeFileSync(`${path}.lock`, String(process.ppid));
    return await Promise.resolve((signal) => acquireFileLock({ path, signal }));
  },
  acquireLease: async () => {
    const store = memoryLeases();
    await acquireLease({ store, key: "a" });
    return (signal) => acquireLease({ store, key: "a", signal });
  },
  acquireSessionFileOwner: async () => {
    const sessionFile = join(temporaryFolder(), "a.jsonl");
    await acquireSessionFileOwner({ sessionFile });
    return (signal) => acquireSessionFileOwner({ sessionFile, signal });
  },
  waitForProcessExit: async () => {
    const token = identifyProcess() ?? "";
    return await Promise.resolve((signal) => waitForProcessExit(token, { signal }));
  },
};

/** What only looks at it. */
const LOOKING: Readonly<Record<string, Call>> = {
  inspectProcesses: (signal) => inspectProcesses([process.pid], { signal }),
  listProcesses: (signal) => listProcesses({ signal }),
  endProcess: (signal) => endProcess("pi1.none", { signal }),
  cleanStaleLockFiles: (signal) => cleanStaleLockFiles({ sessionsDir: temporaryFolder(), signal }),
};

describe.each(Object.entries(WAITING))("%s", (_name, make) => {
  test.each([
    ["its reason", "enough", "enough"],
    ["an AbortError where it has none", undefined, expect.objectContaining({ name: "AbortError" })],
  ])("ends with %s when such a signal aborts", async (_which, reason, expected) => {
    const signal = new PolyfilledSignal();
    const waiting = (await make())(signal as unknown as AbortSignal);
    const caught = waiting.catch((error: unknown) => error);
    await new Promise(setImmediate);
    signal.abort(reason);
    expect(await caught).toEqual(expected);
  });
});

test.each(Object.entries(LOOKING))("%s rejects with the reason of one", async (_name, call) => {
  const signal = new PolyfilledSignal();
  signal.abort("enough");
  await expect(call(signal as unknown as AbortSignal)).rejects.toBe("enough");
});

test("a sweep of many directories ends with one", async () => {
  const signal = new PolyfilledSignal();
  signal.abort("enough");
  const options = { sessionsDirs: [temporaryFolder()], signal: signal as unknown as AbortSignal };
  expect(await sweepSessionLocks(options)).toMatchObject({ aborted: true });
});

test("what cannot be listened to and no more is none", async () => {
  const signal = { aborted: false, addEventListener: () => {} } as unknown as AbortSignal;
  await expect(acquireFileLock({ path: "a", signal })).rejects.toMatchObject({
    code: "ERR_INVALID_ARG_TYPE",
    message: expect.stringContaining("options.signal must be an AbortSignal") as string,
  });
});
