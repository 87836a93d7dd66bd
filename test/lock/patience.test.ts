/** The patience with files that cannot be touched just now (Windows: a virus scanner, say). */
import { readdirSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { acquireLock } from "../../lib/lock/acquire.js";
import { resolveAcquireOptions } from "../../lib/session-lock/acquire-options.js";
import { RefusalPatience } from "../../lib/lock/patience.js";
import { type LockFs, realLockFs } from "../../lib/lock/protocol/lock-fs.js";
import { startHolding } from "../support/locks/acquirer.js";
import { requireWindows } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

describe("the patience for refusals", () => {
  test("a refusal after a long wait is the first of its run", () => {
    const patience = new RefusalPatience();
    expect(patience.refused(60_000)).toBe(true);
    expect(patience.refused(62_000)).toBe(true);
    expect(patience.refused(62_001)).toBe(false);
  });

  test("any other answer ends a run of refusals", () => {
    const patience = new RefusalPatience();
    expect(patience.refused(0)).toBe(true);
    patience.answered();
    expect(patience.refused(5000)).toBe(true);
    expect(patience.refused(6000)).toBe(true);
    expect(patience.refused(7001)).toBe(false);
  });
});

describe("on Windows", () => {
  /** The real calls; the n-th rename, and those after it, are refused `times` times. */
  function refusingRenames(times: number): LockFs {
    let refused = 0;
    return {
      ...realLockFs,
      rename: (from, to) => {
        if (refused++ < times) throw Object.assign(new Error("EPERM: rename"), { code: "EPERM" });
        realLockFs.rename(from, to);
      },
    };
  }

  test("one refusal after a long wait does not end the wait", async (context) => {
    requireWindows(context, "renames a lock before it deletes it");
    const folder = temporaryFolder();
    const sessionFile = join(folder, "s.jsonl");
    const holder = await startHolding(sessionFile);
    const plan = resolveAcquireOptions({ sessionFile, env: {}, timeoutMs: 20_000 });
    const waiting = acquireLock(plan, refusingRenames(1));
    // Longer than the patience with refusals.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    await holder.kill();
    await (await waiting).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a wait that ends at a file which another program keeps open says what the file system said", async (context) => {
    requireWindows(context, "renames a lock before it deletes it");
    const sessionFile = join(temporaryFolder(), "s.jsonl");
    const holder = await startHolding(sessionFile);
    await holder.kill();
    const plan = resolveAcquireOptions({ sessionFile, env: {}, timeoutMs: 200 });
    const waiting = acquireLock(plan, refusingRenames(Infinity));
    await expect(waiting).rejects.toThrow(/guard busy: .*\.guard \(EPERM: rename\)/u);
  });

  test("a guard that no process may make is reported after the patience, not after the whole timeout", async (context) => {
    requireWindows(context, "creates locks inside the guard");
    const refuse = (): never => {
      throw Object.assign(new Error("EPERM: open"), { code: "EPERM" });
    };
    const fs = { ...realLockFs, createSelfDeleting: refuse, takeOverSelfDeleting: refuse };
    const sessionFile = join(temporaryFolder(), "s.jsonl");
    const plan = resolveAcquireOptions({ sessionFile, env: {}, timeoutMs: 20_000 });
    const started = performance.now();
    await expect(acquireLock(plan, fs)).rejects.toMatchObject({
      code: "SESSION_WRITE_LOCK_FILE",
      cause: { code: "EPERM" },
    });
    expect(performance.now() - started).toBeGreaterThan(1900);
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
