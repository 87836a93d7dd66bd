/** Options of the lock that a controller passes on: what they do on real locks, and that no others are passed. */
import { readFileSync } from "node:fs";

import { expect, test, vi } from "vitest";

import { parsePayload } from "../../lib/lock/protocol/payload.js";
import { createSessionController } from "../../lib/session-controller/index.js";
import { acquireSessionWriteLock } from "../../lib/session-lock/index.js";
import { startHolder, writePlainLock } from "../support/locks/lock-holder.js";
import { onRealLock, sessionFileWith } from "../support/locks/run-controller.js";
import { requireNative } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { join } from "node:path";

test("what was given is passed on, and nothing else", async () => {
  const acquire = vi.fn(() => Promise.resolve({ release: () => {} }));
  const sessionFile = sessionFileWith();
  const isOwnerArgv = (): boolean => true;
  const further = { label: "run 7", isOwnerArgv, plainLocks: "keep", envPrefix: "AGENT_" } as const;
  await createSessionController({ acquire, sessionFile, ...further });
  const limits = { timeoutMs: undefined, staleMs: undefined, maxHoldMs: undefined };
  expect(acquire.mock.calls).toStrictEqual([[{ sessionFile, ...limits, ...further }]]);
});

test("the label is in the lock file, each time that it is taken", async () => {
  const { controller, lockPath } = await onRealLock({ label: "run 7" });
  const label = () => parsePayload(readFileSync(lockPath))?.label;
  expect(label()).toBe("run 7");
  await controller.releaseForPrompt();
  await controller.reacquireAfterPrompt();
  expect(label()).toBe("run 7");
});

test("another program's lock is judged by the options given", async (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  const sessionFile = join(folder, "s.jsonl");
  const stranger = await startHolder(join(folder, "other.lock"));
  const pid = stranger.process.pid ?? 0;
  const open = (options: object) =>
    createSessionController({
      acquire: acquireSessionWriteLock,
      sessionFile,
      timeoutMs: 0,
      ...options,
    });
  writePlainLock(folder, "s", { pid });
  // Its program is none that writes such locks, unless the caller knows it.
  await expect(open({ isOwnerArgv: () => true })).rejects.toMatchObject({
    code: "SESSION_WRITE_LOCK_TIMEOUT",
  });
  await expect(open({ plainLocks: "keep" })).rejects.toMatchObject({
    code: "SESSION_WRITE_LOCK_TIMEOUT",
  });
  const controller = await open({});
  await controller.dispose();
});

test("the prefix of the environment counts for the lock's limits and for the time to settle", async () => {
  vi.stubEnv("AGENT_SESSION_WRITE_LOCK_MAX_HOLD_MS", "4321");
  try {
    const sessionFile = sessionFileWith();
    const controller = await createSessionController({
      acquire: acquireSessionWriteLock,
      sessionFile,
      envPrefix: "AGENT_",
      env: {
        AGENT_EMBEDDED_ABORT_SETTLE_TIMEOUT_MS: "1",
        OPENCLAW_EMBEDDED_ABORT_SETTLE_TIMEOUT_MS: "600000",
      },
    });
    expect(parsePayload(readFileSync(`${sessionFile}.lock`))?.maxHoldMs).toBe(4321);
    const stuck = controller.withWriteLock(() => new Promise(() => {}));
    stuck.catch(() => {});
    await controller.releaseForAbort();
    expect(controller.hasTakeover()).toBe(true);
  } finally {
    vi.unstubAllEnvs();
  }
});
