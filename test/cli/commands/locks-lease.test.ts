/** What the doctor shows of the lease above a lock, of sessions and of files. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, onTestFinished, test } from "vitest";

import { leaseFacts } from "../../../lib/cli/locks/lease.js";
import { acquireFileLock } from "../../../lib/file-lock/acquire-file-lock.js";
import { memoryLeases } from "../../../lib/lease/index.js";
import { acquireSessionWriteLock } from "../../../lib/session-lock/acquire.js";
import { inspectSessionLock } from "../../../lib/session-lock/index.js";
import { runHere } from "../../support/command-line.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const STORE = "5f0c2b1e-0000-4000-8000-000000000000";
const LEASE = { store: STORE, key: "session/main", epoch: "12" };

/** A lock whose owner cannot be judged: its token is a later version's. */
function undecidedLock(lease: unknown = LEASE): { readonly folder: string; readonly path: string } {
  const folder = temporaryFolder();
  const path = join(folder, "s.jsonl.lock");
  const createdAt = new Date(Date.now() - 60_000).toISOString();
  const payload = { pid: 7, createdAt, owner: "pi9.of.another.version", nonce: "f".repeat(32) };
  writeFileSync(path, JSON.stringify({ ...payload, maxHoldMs: 300_000, lease }));
  return { folder, path };
}

const FACTS = 'lease: key "session/main", epoch 12, store "5f0c2b1e…", taken by pid 7; ';
const NOT_ASKED = "whether it still runs only its store knows";
const REMEDY = "the process that next takes that lease";

describe("an undecided lock beneath a lease", () => {
  test.for(["a directory", "a file", "--all"])(
    "is shown with key, epoch, store and holder, and what becomes of it: %s",
    async (how) => {
      const { folder, path } = undecidedLock();
      const places = { "a directory": [folder], "a file": [path], "--all": ["--all", folder] };
      const args = places[how as keyof typeof places];
      const { code, stdout } = await runHere(["locks", ...args]);
      expect(stdout).toContain(`  ${FACTS}`);
      expect(stdout).toContain(NOT_ASKED);
      expect(stdout).toContain(REMEDY);
      expect(code).toBe(1);
      const json = await runHere(["locks", ...args, "--json"]);
      expect(JSON.parse(json.stdout)).toMatchObject({ locks: [{ lease: LEASE }] });
    },
  );

  test("is shown with them by break before it asks", async () => {
    const { path } = undecidedLock();
    const { stdout, stderr } = await runHere(["break", path, "--reason", "gone", "--yes"]);
    expect(`${stdout}${stderr}`).toMatch(/lease: +key "session\/main", epoch 12/u);
  });

  test("is not removed by --fix, whatever its epoch", async () => {
    const { folder, path } = undecidedLock();
    const { stdout } = await runHere(["locks", folder, "--fix"]);
    expect(stdout).toContain("kept: ");
    expect(await inspectSessionLock(path)).toMatchObject({ lease: LEASE, removed: false });
  });

  test("that names half of a lease is shown with none", async () => {
    const { folder } = undecidedLock({ store: STORE, key: "session/main" });
    const { stdout } = await runHere(["locks", folder]);
    expect(stdout).not.toContain("lease");
    const json = await runHere(["locks", folder, "--json"]);
    expect(JSON.parse(json.stdout)).toMatchObject({ locks: [{ lease: null }] });
  });

  test("cannot change the terminal by its key", async () => {
    const { folder } = undecidedLock({ ...LEASE, key: "\u001b[31mred" });
    const { stdout } = await runHere(["locks", folder]);
    expect(stdout).toContain("red");
    expect(stdout).not.toContain("\u001b");
  });
});

test.for(["session", "file"] as const)(
  "a %s lock that a process holds beneath a lease is shown with it, and nothing is to be done",
  async (kind) => {
    const folder = temporaryFolder();
    const path = join(folder, "s.jsonl");
    const above = { store: memoryLeases(), key: "live" };
    const lock =
      kind === "session"
        ? await acquireSessionWriteLock({ sessionFile: path, lease: above, env: {} })
        : await acquireFileLock({ path, lease: above });
    onTestFinished(() => lock.release());
    const { code, stdout } = await runHere(["locks", lock.lockPath]);
    expect(stdout).toContain(`taken by pid ${String(process.pid)} on this host`);
    expect(stdout).toContain('lease: key "live", epoch 1, store ');
    expect(stdout).not.toContain(REMEDY);
    expect(code).toBe(0);
  },
);

test("a lock of another host is said to be that, for its pid means nothing here", () => {
  const inspection = {
    lockPath: "s.jsonl.lock",
    pid: 7,
    pidAlive: true,
    createdAt: null,
    ageMs: null,
    stale: false,
    staleReasons: [],
    removable: false,
    keptReason: null,
    removed: false,
    ownerState: "unknown",
    ownerReason: "other-host",
    lease: LEASE,
  } as const;
  expect(leaseFacts(inspection)).toContain("taken by pid 7 on another host");
  expect(leaseFacts({ ...inspection, lease: null })).toBeNull();
});
