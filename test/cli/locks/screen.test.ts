import { join } from "node:path";

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { displayWidth } from "../../../lib/cli/terminal/display-width.js";
import type { LocksReport } from "../../../lib/cli/locks/examine.js";
import { KEPT_REASONS, STALE_REASONS } from "../../../lib/cli/locks/explanations.js";
import { reasonsIn } from "../../../lib/cli/locks/explain.js";
import { describeLock, fullVerdict, lifeOf, ownerRuns } from "../../../lib/cli/locks/describe.js";
import { locksScreen, selectLocks } from "../../../lib/cli/locks/screen.js";
import type { SessionLockInspection, StaleReason } from "../../../lib/session-lock/reasons.js";
import type { KeptReason } from "../../../lib/lock/verdict/inspection.js";
import type { OwnerReason } from "../../../lib/lock/verdict/owner-judgement.js";
import { recordingStream } from "../../support/command-line.js";

const STALE = Object.keys(STALE_REASONS) as StaleReason[];
const KEPT = Object.keys(KEPT_REASONS) as KeptReason[];
const OWNERS: OwnerReason[] = ["unproven", "running", "other-host", "malformed", "access-denied"];

function lockNamed(
  session: string,
  fields: Partial<SessionLockInspection> = {},
): SessionLockInspection {
  return {
    lockPath: join("sessions", `${session}.jsonl.lock`),
    pid: 4711,
    pidAlive: true,
    createdAt: "2026-11-21T08:00:00.000Z",
    ageMs: 123_000,
    stale: (fields.staleReasons ?? []).length > 0,
    staleReasons: [],
    removable: false,
    keptReason: null,
    removed: false,
    ownerState: "same",
    ownerReason: "running",
    lease: null,
    ...fields,
  };
}

function reportOn(locks: readonly SessionLockInspection[]): LocksReport {
  const stale = locks.filter((lock) => lock.stale).length;
  const removed = locks.filter((lock) => lock.removed).length;
  const counts = { total: locks.length, stale, removed, kept: locks.length - removed };
  return { locks, counts, problems: [], notices: [] };
}

function screenOf(
  locks: readonly SessionLockInspection[],
  columns: number | undefined,
  { fix = false, explain = false, programs = new Map([[4711, "node gateway.mjs"]]) } = {},
): string[] {
  const stream = { ...recordingStream(true, columns), hasColor: false };
  const options = { fix, explain, shown: locks, programs, hints: true };
  return locksScreen(reportOn(locks), options, stream);
}

const anyLock = fc
  .record({
    session: fc.string({ unit: "binary", minLength: 1, maxLength: 60 }),
    pid: fc.constantFrom(null, 7, 4711, 4_194_304),
    pidAlive: fc.boolean(),
    ageMs: fc.constantFrom(null, 0, 123_000, 1e12),
    staleReasons: fc.subarray(STALE),
    keptReason: fc.constantFrom(null, ...KEPT),
    removed: fc.boolean(),
    ownerReason: fc.constantFrom(...OWNERS),
    error: fc.constantFrom(undefined, new Error("EACCES: permission denied\u001B[2J")),
  })
  .map(({ session, error, ...fields }) =>
    lockNamed(session.replaceAll("/", "_"), error === undefined ? fields : { ...fields, error }),
  );

describe("whatever the locks are called and found to be", () => {
  test.each([200, 80, 40, 20])(
    "no line is wider than %i columns, and none has anything that a terminal obeys",
    (columns) => {
      fc.assert(
        fc.property(
          fc.array(anyLock, { maxLength: 8 }),
          fc.boolean(),
          fc.boolean(),
          fc.string({ unit: "binary", maxLength: 30 }),
          (locks, fix, explain, program) => {
            const programs = new Map([[4711, program]]);
            for (const line of screenOf(locks, columns, { fix, explain, programs })) {
              expect(displayWidth(line)).toBeLessThanOrEqual(columns);
              expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
            }
          },
        ),
        { numRuns: 50 },
      );
    },
  );

  test("every reason that occurs is explained, each once, and no other", () => {
    fc.assert(
      fc.property(fc.array(anyLock, { maxLength: 8 }), (locks) => {
        const lines = screenOf(locks, undefined, { explain: true });
        const headings = lines.flatMap((line) => /^(\S+) \(\d+ locks?\)$/u.exec(line)?.[1] ?? []);
        expect(headings).toEqual([...reasonsIn(locks).keys()]);
        const said = locks.flatMap((lock) => [...lock.staleReasons, lock.keptReason ?? "dry-run"]);
        for (const reason of said.filter((name) => name !== "dry-run")) {
          expect(headings).toContain(reason);
        }
      }),
    );
  });
});

describe("the same lock", () => {
  const locks = [
    lockNamed("agent-main-7f3c", {
      staleReasons: ["dead-pid", "too-old"],
      removable: true,
      keptReason: "dry-run",
      pidAlive: false,
      ownerState: "gone",
      ownerReason: "no-such-process",
    }),
  ];

  test("has a sentence with its reasons where there is room", () => {
    expect(screenOf(locks, 200)[3]).toMatch(
      /^agent-main-7f3c {2}4711 {2}no {5}node gateway\.mjs {2}2m3s {2}its process has ended \(dead-pid, too-old\) {2}\S+$/u,
    );
  });

  test("has a short verdict at 80 columns", () => {
    expect(screenOf(locks, 80)[3]).toMatch(/ 2m3s {2}process has ended {2}\S+$/u);
  });

  test("has lines of its own at 40", () => {
    const [, , , name, facts, verdict] = screenOf(locks, 40);
    expect(name).toBe("agent-main-7f3c");
    expect(facts).toBe("  pid 4711, dead, 2m3s, node gateway.mjs");
    expect(verdict).toMatch(/^ {2}process has ended; --fix (?:removes|keeps) it$/u);
  });
});

test("a long name loses its middle, so that its beginning and its end tell it from others", () => {
  const lines = screenOf([lockNamed(`${"agent-".repeat(20)}7f3c`)], 80);
  expect(lines[3]).toMatch(/^agent-\S*…\S*7f3c /u);
});

test("a process of another host is out of sight, and the local one with its pid is not shown", () => {
  const [, , , row = ""] = screenOf(
    [lockNamed("far", { ownerState: "unknown", ownerReason: "other-host" })],
    80,
  );
  expect(row.split(/ {2,}/u)).toEqual([
    "far",
    "4711",
    "?",
    "-",
    "2m3s",
    "on another host",
    "keeps",
  ]);
});

test("a holder that the kernel proves is alive, whatever its pid looks like from here", () => {
  const held = lockNamed("held", { pidAlive: false, ownerReason: "kernel-lock-held" });
  expect(screenOf([held], 80)[3]).toMatch(/^held +4711 +yes /u);
});

type Facts = Partial<SessionLockInspection>;
const gone: Facts = { ownerState: "gone" };
const unknown: Facts = { ownerState: "unknown" };

describe("what is said of the pid agrees with what is said of the owner", () => {
  test.each<[string, string, string, Facts]>([
    ["a holder", "alive", "yes", { ownerReason: "kernel-lock-held" }],
    [
      "a holder whose pid is not seen",
      "alive",
      "yes",
      { pidAlive: false, ownerReason: "kernel-lock-held" },
    ],
    [
      "an ended owner",
      "dead",
      "no",
      { ...gone, pidAlive: false, ownerReason: "no-such-process", staleReasons: ["dead-pid"] },
    ],
    [
      "a zombie",
      "dead",
      "no",
      { ...gone, pidAlive: false, ownerReason: "zombie", staleReasons: ["dead-pid"] },
    ],
    [
      "a recycled pid",
      "now another process",
      "no",
      { ...gone, ownerReason: "recycled", staleReasons: ["recycled-pid"] },
    ],
    [
      "a plain lock's recycled pid",
      "now another process",
      "no",
      { ...gone, ownerReason: "start-time-differs", staleReasons: ["recycled-pid"] },
    ],
    [
      "an earlier boot's pid, in use again",
      "now another process",
      "no",
      { ...gone, ownerReason: "earlier-boot", staleReasons: ["dead-pid"] },
    ],
    [
      "a token of before the reboot, its pid in use again",
      "now another process",
      "no",
      { ...gone, ownerReason: "rebooted", staleReasons: ["dead-pid"] },
    ],
    [
      "a free kernel lock, the pid recycled",
      "now another process",
      "no",
      { ...gone, ownerReason: "kernel-lock-free", staleReasons: ["recycled-pid"] },
    ],
    [
      "a thread that let go, its process running",
      "in use",
      "no",
      { ...gone, ownerReason: "kernel-lock-free", staleReasons: ["holder-gone"] },
    ],
    [
      "a holder of another container that let go",
      "dead",
      "no",
      { ...gone, pidAlive: false, ownerReason: "kernel-lock-free", staleReasons: ["holder-gone"] },
    ],
    [
      "a mount that is gone",
      "in use",
      "no",
      { ...gone, ownerReason: "mount-gone", staleReasons: ["holder-gone"] },
    ],
    [
      "this process's own orphan",
      "this process",
      "no",
      { ownerReason: "start-time-equal", staleReasons: ["orphan-self-pid"] },
    ],
    [
      "a foreign program",
      "another program",
      "no",
      { ...unknown, ownerReason: "unproven", staleReasons: ["non-openclaw-owner"] },
    ],
    [
      "a plain lock of a gateway that runs",
      "alive",
      "yes",
      { ...unknown, ownerReason: "unproven" },
    ],
    ["another host's lock", "out of sight", "unknown", { ...unknown, ownerReason: "other-host" }],
    [
      "another host's lock, its pid in no process's use",
      "out of sight",
      "unknown",
      { ...unknown, pidAlive: false, ownerReason: "other-host" },
    ],
    [
      "a container's lock",
      "out of sight",
      "unknown",
      { ...unknown, pidAlive: false, ownerReason: "other-pid-namespace" },
    ],
    ["a hidden owner", "in use", "unknown", { ...unknown, ownerReason: "access-denied" }],
    ["no way to ask", "in use", "unknown", { ...unknown, ownerReason: "unsupported" }],
    ["no token, the pid in use", "in use", "unknown", { ...unknown, ownerReason: "no-token" }],
    [
      "no token, the pid in no process's use",
      "not in use here",
      "unknown",
      { ...unknown, pidAlive: false, ownerReason: "no-token" },
    ],
    [
      "a plain lock that shall be kept",
      "not in use here",
      "unknown",
      { ...unknown, pidAlive: false, ownerReason: "plain-lock" },
    ],
  ])("%s: %s", (_what, life, runs, fields) => {
    const lock = lockNamed("a", fields);
    expect(lifeOf(lock)).toBe(life);
    expect(ownerRuns(lock)).toBe(runs);
    expect(describeLock(lock).pid).toBe(`pid=4711 (${life})`);
  });
});

test("a remedy is told once for all the locks that it is for", () => {
  const far = (name: string): SessionLockInspection =>
    lockNamed(name, { ownerState: "unknown", ownerReason: "other-pid-namespace" });
  const remedy = "run this on the containers' host, as root; or in the container that wrote it";
  expect(screenOf(["a", "b", "c", "d"].map(far), 200)).toContain(`a, b, c, d: ${remedy}`);
  expect(screenOf(["a", "b", "c", "d", "e"].map(far), 200)).toContain(
    `a, b, c and 2 more: ${remedy}`,
  );
});

test.each([80, 60, 30])("sessions of one family are told apart on %i columns", (columns) => {
  const names = ["000000000001", "000000000002", "0000000000a2"].map(
    (id) => `agent-main-session-3f2b8c1e-77aa-4d0e-9f12-${id}-transcript`,
  );
  const old = (name: string): SessionLockInspection =>
    lockNamed(name, { staleReasons: ["too-old"], keptReason: "owner-alive" });
  const firsts = screenOf(names.map(old), columns)
    .map((line) => line.split(" ")[0] ?? "")
    .filter((word) => word.includes("…"));
  expect(new Set(firsts).size).toBe(3);
});

test("why a removal failed is told below a table that has no room for it", () => {
  const error = new Error("EACCES: permission denied");
  const fields = { staleReasons: ["dead-pid" as const], keptReason: "error" as const, error };
  const lock = lockNamed("stuck", { ...fields, removable: true });
  const lines = screenOf([lock], 80, { fix: true });
  expect(lines[3]).toMatch(/process has ended +failed$/u);
  expect(lines).toContain("stuck: removing it failed (EACCES: permission denied)");
  expect(fullVerdict(lock)).toBe(
    "its process has ended (dead-pid), but removing it failed (EACCES: permission denied)",
  );
});

test("the summary counts what was done, and what cannot be read", () => {
  const removed = lockNamed("a", { staleReasons: ["dead-pid"], removable: true, removed: true });
  const kept = lockNamed("b", { staleReasons: ["too-old"], keptReason: "owner-alive" });
  const unreadable = lockNamed("c", { pid: null, keptReason: "unreadable" });
  const summaryOf = (...locks: SessionLockInspection[]): string | undefined =>
    screenOf(locks, 200, { fix: true })[0];
  expect(summaryOf(removed, kept, unreadable)).toBe(
    "Found 3 session lock files. 2 were stale: 1 removed, 1 kept. 1 cannot be read.",
  );
  expect(summaryOf(removed)).toBe("Found 1 session lock file. 1 was stale and removed.");
  expect(summaryOf(lockNamed("d"))).toBe("Found 1 session lock file. It is not stale.");
  expect(summaryOf(lockNamed("d"), lockNamed("e"))).toBe(
    "Found 2 session lock files. None is stale.",
  );
  expect(summaryOf()).toBe("Found 0 session lock files.");
});

test("of too many locks those with something wrong are chosen, in their order", () => {
  const locks = ["a", "b", "c", "d", "e"].map((name) =>
    lockNamed(name, name === "b" || name === "d" ? { staleReasons: ["too-old"] } : {}),
  );
  const chosen = (limit: number): string =>
    selectLocks(locks, limit)
      .map(({ lockPath }) => /(\w)\.jsonl/u.exec(lockPath)?.[1])
      .join("");
  expect([5, 4, 3, 2, 1].map(chosen)).toEqual(["abcde", "abcd", "abd", "bd", "b"]);
});
