/** What another library's guard is taken for, and how it is taken away, in memory: a table of what it may be. */
import type { BigIntStats } from "node:fs";

import { describe, expect, onTestFinished, test, vi } from "vitest";

import {
  FOREIGN_GUARD_GRACE_MS,
  type ForeignGuard,
  lookAtForeignGuard,
  removeForeignGuard,
} from "../../../lib/lock/protocol/foreign-guard.js";
import type { LockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { processBackend } from "../../../lib/process/backends/select-backend.js";
import { MemoryFs, withRefused } from "./memory-lock-fs.js";

const GUARD = "/d/s.jsonl.lock.reclaim";
const OWN = process.pid;
/** Of processes that have never been. */
const NONE = 2_147_483_646;
const GRACE = FOREIGN_GUARD_GRACE_MS;

interface Made {
  readonly text: string;
  /** Both of its times, by this clock. */
  readonly at?: number;
  readonly isDirectory?: boolean;
}

function made({ text, at = Date.now(), isDirectory = false }: Made): {
  readonly disk: MemoryFs;
  readonly fs: LockFs;
} {
  const disk = new MemoryFs();
  disk.put(GUARD, text);
  const ns = BigInt(Math.trunc(at)) * 1_000_000n;
  const lstat = (path: string): BigIntStats | null => {
    const stats = disk.fs.lstat(path);
    if (stats === null) return null;
    const is = { isFile: () => !isDirectory, isDirectory: () => isDirectory };
    return Object.assign(stats, { mtimeNs: ns, ctimeNs: ns, ...is });
  };
  return { disk, fs: { ...disk.fs, lstat } };
}

/** A number of milliseconds whose nanoseconds are a double, so that ages are exact. */
const MADE_AT = Math.floor(Date.now() / 4) * 4;

describe("another library's guard", () => {
  test("that is not there is none", () => {
    expect(lookAtForeignGuard(GUARD, new MemoryFs().fs)).toBe("none");
  });

  test.each<[what: string, made: Made, ageMs: number, is: ForeignGuard]>([
    ["empty, just now", { text: "" }, 0, "busy"],
    ["empty, as old as it may be", { text: "" }, GRACE, "busy"],
    ["empty, older", { text: "" }, GRACE + 1, "leftover"],
    ["a directory, as old as it may be", { text: "", isDirectory: true }, GRACE, "busy"],
    ["a directory, older", { text: "", isDirectory: true }, GRACE + 1, "leftover"],
    ["a directory is not read", { text: `${OWN}`, isDirectory: true }, GRACE + 1, "leftover"],
    ["a live process's, older", { text: `${OWN}` }, GRACE + 1, "busy"],
    ["with white space around it", { text: `\n ${OWN}\t\n` }, GRACE + 1, "busy"],
    ["a live process's payload", { text: `{"pid":${OWN}}` }, GRACE + 1, "busy"],
    ["a process's that never was", { text: `${NONE}` }, GRACE + 1, "leftover"],
    ["the same, young", { text: `${NONE}` }, GRACE, "busy"],
    ["words before a number", { text: `pid ${OWN}` }, GRACE + 1, "leftover"],
    ["words behind a number", { text: `${OWN} pid` }, GRACE + 1, "leftover"],
    ["two numbers", { text: `${OWN}\n${OWN}` }, GRACE + 1, "leftover"],
    ["no payload", { text: "{" }, GRACE + 1, "leftover"],
    ["a payload without a pid", { text: "{}" }, GRACE + 1, "leftover"],
    ["a pid that none can be", { text: "9999999999" }, GRACE + 1, "leftover"],
  ])("%s", (_what, what, ageMs, is) => {
    const { fs } = made({ ...what, at: MADE_AT });
    expect(lookAtForeignGuard(GUARD, fs, MADE_AT + ageMs)).toBe(is);
  });

  test("a process that began later than the file is not the one that made it", () => {
    const began = Date.now() - process.uptime() * 1000;
    const kindOf = (at: number): ForeignGuard => {
      return lookAtForeignGuard(GUARD, made({ text: `${OWN}`, at }).fs, at + GRACE + 1);
    };
    // Clocks are coarse: within ten seconds it may be.
    expect(kindOf(began - 5000)).toBe("busy");
    expect(kindOf(began - 20_000)).toBe("leftover");
  });

  test("a process that began ten seconds later to the millisecond may be the one that made it", () => {
    const backend = processBackend();
    const startedAtMs = MADE_AT + 10_000;
    const own = { ...backend.inspect(OWN, false), startedAtMs };
    const spy = vi.spyOn(backend, "inspect").mockReturnValue(own);
    onTestFinished(() => spy.mockRestore());
    const { fs } = made({ text: `${OWN}`, at: MADE_AT });
    expect(lookAtForeignGuard(GUARD, fs, MADE_AT + GRACE + 1)).toBe("busy");
  });

  // It takes longest, and may hold secrets.
  test("no process is asked for its command line", () => {
    const spy = vi.spyOn(processBackend(), "inspect");
    onTestFinished(() => spy.mockRestore());
    lookAtForeignGuard(GUARD, made({ text: `${OWN}` }).fs);
    expect(spy.mock.calls).toEqual([[OWN, false]]);
  });

  test("one that may not be read counts by its age", () => {
    const fs = withRefused(made({ text: `${OWN}`, at: MADE_AT }).fs, { openForReading: "EACCES" });
    expect(lookAtForeignGuard(GUARD, fs, MADE_AT + GRACE)).toBe("busy");
    expect(lookAtForeignGuard(GUARD, fs, MADE_AT + GRACE + 1)).toBe("leftover");
  });

  test("one that cannot be looked at is an error", () => {
    const fs = withRefused(new MemoryFs().fs, { lstat: "EACCES" });
    expect(() => lookAtForeignGuard(GUARD, fs)).toThrow(/EACCES/u);
  });

  test("nothing is left open", () => {
    const { disk, fs } = made({ text: `${OWN}` });
    lookAtForeignGuard(GUARD, fs);
    expect(disk.openCount()).toBe(0);
  });
});

describe("taking another library's guard away", () => {
  test("a file is unlinked", () => {
    const { disk, fs } = made({ text: "" });
    expect(removeForeignGuard(GUARD, fs)).toBe(true);
    expect(disk.names()).toEqual([]);
  });

  test("a directory is removed as one", () => {
    const removed: string[] = [];
    const { fs } = made({ text: "", isDirectory: true });
    const removeDirectory = (path: string): void => void removed.push(path);
    const unlink = (): never => {
      throw new Error("must not be called");
    };
    expect(removeForeignGuard(GUARD, { ...fs, removeDirectory, unlink })).toBe(true);
    expect(removed).toEqual([GUARD]);
  });

  test("one that is gone meanwhile is away", () => {
    expect(removeForeignGuard(GUARD, new MemoryFs().fs)).toBe(true);
  });

  test.each(["EACCES", "EROFS", "EBUSY"])("one that cannot be unlinked (%s) stays", (code) => {
    const { disk, fs } = made({ text: "" });
    expect(removeForeignGuard(GUARD, withRefused(fs, { unlink: code }))).toBe(false);
    expect(disk.names()).toEqual([GUARD]);
  });

  test("a directory that is not empty stays", () => {
    const { fs } = made({ text: "", isDirectory: true });
    expect(removeForeignGuard(GUARD, withRefused(fs, { removeDirectory: "ENOTEMPTY" }))).toBe(
      false,
    );
  });
});
