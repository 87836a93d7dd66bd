/** `pidentity break`: shows the evidence, and removes the lock that was shown or none. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

import { expect, test } from "vitest";

import { answering, recordingIo, runHere, runProgram } from "../../support/command-line.js";
import { run } from "../../../lib/cli/run.js";
import { endedPid, liveOwner } from "../../support/locks/lock-directory.js";
import { startHolder, takeNameAway, writePlainLock } from "../../support/locks/lock-holder.js";
import { requireNative, requireRoot } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const REASON = ["--reason", "host db2 was scrapped"] as const;

/** A lock whose owner cannot be named from here. */
function keptLock(name = "jobs.lock", fields: Readonly<Record<string, unknown>> = {}): string {
  const lockPath = join(temporaryFolder(), name);
  const payload = {
    pid: 4711,
    createdAt: "2026-01-02T03:04:05.000Z",
    maxHoldMs: 1000,
    owner: "pi9.of.another.version",
    nonce: "0".repeat(32),
    label: "nightly \u001B[31mrun",
    ...fields,
  };
  writeFileSync(lockPath, JSON.stringify(payload));
  return lockPath;
}

test("a lock that the rules keep is shown with its evidence, removed unasked with --yes, and logged with the reason", async (context) => {
  requireNative(context);
  const lockPath = keptLock();
  const { code, stdout, stderr } = await runProgram(["break", lockPath, ...REASON, "--yes"]);
  expect(stdout).toContain(`${lockPath}\n`);
  expect(stdout).toMatch(/owner: +pid 4711 \(out of sight\)/u);
  expect(stdout).toMatch(/label: +nightly \\x1b\[31mrun/u);
  expect(stdout).toMatch(/taken: +2026-01-02T03:04:05.000Z, \d+d/u);
  expect(stdout).toMatch(/token: +pi9\.of\.another\.version \(owner unknown: malformed\)/u);
  expect(stdout).toMatch(/verdict: +kept: .*\(malformed\)/u);
  expect(stderr).toBe(
    `pidentity: removed ${lockPath} (pid=4711, owner unknown: malformed), reason: host db2 was scrapped\n`,
  );
  expect(code).toBe(0);
  expect(existsSync(lockPath)).toBe(false);
});

test("without a terminal and without --yes nothing is removed, and the sentence says why", async (context) => {
  requireNative(context);
  const lockPath = keptLock();
  const { code, stdout, stderr } = await runProgram(["break", lockPath, ...REASON]);
  expect(code).toBe(2);
  expect(stderr).toContain("there is no terminal to ask on: say --yes");
  expect(stdout).toContain("pid 4711");
  expect(existsSync(lockPath)).toBe(true);
});

test.for([
  ["y", 0, "removed"],
  ["Y", 0, "removed"],
  ["n", 1, "kept, as answered"],
  ["\r", 1, "kept, as answered"],
  ["\u0003", 1, "kept, as answered"],
] as const)("on a terminal it asks: the key %j leads to %i", async ([key, code, line], context) => {
  requireNative(context);
  const lockPath = keptLock();
  const io = { isTTY: true, events: answering(key) };
  const answer = await runHere(["break", lockPath, ...REASON], io);
  expect(answer.stderr).toContain("Remove this lock? [y/N]");
  expect(answer.stderr).toContain(`pidentity: ${line}`);
  expect(answer.code).toBe(code);
  expect(existsSync(lockPath)).toBe(code === 1);
});

test("a lock that changed hands while the question stood is kept", async (context) => {
  requireNative(context);
  const lockPath = keptLock();
  const successor = readFileSync(keptLock("other.lock", { pid: 4712 }), "utf8");
  const events = answering("y", () => {
    takeNameAway(lockPath);
    writeFileSync(lockPath, successor);
  });
  const answer = await runHere(["break", lockPath, ...REASON], { isTTY: true, events });
  expect(answer.code).toBe(1);
  expect(answer.stderr).toContain("kept (changed)");
  expect(readFileSync(lockPath, "utf8")).toBe(successor);
});

test("a lock that was released while the question stood is gone, which is no failure", async (context) => {
  requireNative(context);
  const lockPath = keptLock();
  const events = answering("y", () => takeNameAway(lockPath));
  const answer = await runHere(["break", lockPath, ...REASON], { isTTY: true, events });
  expect(answer.stderr).toContain("the lock is gone already");
  expect(answer.code).toBe(0);
});

test("a living owner's lock is kept, with or without a question, and goes with --force", async (context) => {
  requireNative(context);
  const lockPath = join(temporaryFolder(), "jobs.lock");
  const holder = await startHolder(lockPath);
  const kept = await runHere(["break", lockPath, ...REASON, "--yes"]);
  expect(kept.code).toBe(1);
  expect(kept.stdout).toMatch(
    new RegExp(String.raw`owner: +pid ${String(holder.pid)} \(alive\)`, "u"),
  );
  expect(kept.stdout).toContain("kernel lock: held");
  expect(kept.stdout).toMatch(/process: .*node/u);
  expect(kept.stderr).toContain("kept (owner-alive)");
  expect(kept.stderr).toContain("--force");
  expect(existsSync(lockPath)).toBe(true);

  const forced = await runProgram(["break", lockPath, ...REASON, "--yes", "--force"]);
  expect(forced.code).toBe(0);
  expect(forced.stderr).toContain("removed by force");
  expect(existsSync(lockPath)).toBe(false);
});

test("the holder's pid in a container is not taken for the process that has it here", async (context) => {
  requireNative(context);
  requireRoot(context, "makes a pid namespace");
  const lockPath = join(temporaryFolder(), "jobs.lock");
  const prefix = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
  await startHolder(lockPath, { prefix });
  const { code, stdout } = await runHere(["break", lockPath, ...REASON, "--yes"]);
  expect(code).toBe(1);
  expect(stdout).toMatch(/owner: +a process out of sight, pid 1 where it runs/u);
  expect(stdout).not.toContain("process: ");
  const args = ["run", "--lock", lockPath, "--no-wait", "--", process.execPath];
  const refused = await runProgram(args);
  expect(refused.code).toBe(75);
  expect(refused.stderr).toContain("by a process out of sight, pid 1 where it runs");
});

test("--json prints one document and nothing else on standard output", async (context) => {
  requireNative(context);
  const lockPath = keptLock("s.jsonl.lock");
  const args = ["break", lockPath, ...REASON, "--json"];
  const removed = await runProgram([...args, "--yes"]);
  expect(JSON.parse(removed.stdout)).toMatchObject({
    schemaVersion: 1,
    lockPath,
    outcome: "removed",
    refusal: null,
    reason: "host db2 was scrapped",
    force: false,
    error: null,
    lock: { pid: 4711, removed: true, ownerReason: "malformed", error: null },
    evidence: { kernelLock: "silent" },
    command: null,
  });
  expect(removed).toMatchObject({ code: 0 });

  const holder = await startHolder(lockPath);
  const kept = await runProgram([...args, "--yes"]);
  const document = JSON.parse(kept.stdout) as { command: unknown };
  expect(document).toMatchObject({
    outcome: "kept",
    refusal: "owner-alive",
    error: expect.stringContaining("owner-alive") as unknown,
    lock: { pid: holder.pid, removed: false, ownerState: "same" },
    evidence: { kernelLock: "held" },
  });
  expect(document.command).toContain("--eval");
  expect(kept.code).toBe(1);
});

test("what is no lock is kept, and what cannot be read is an error", async (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  const thesis = join(folder, "thesis.txt");
  writeFileSync(thesis, "Chapter 1");
  const kept = await runHere(["break", thesis, ...REASON, "--yes", "--force"]);
  expect(kept).toMatchObject({ code: 1 });
  expect(kept.stderr).toContain("not-a-lock");
  expect(readFileSync(thesis, "utf8")).toBe("Chapter 1");

  const directory = join(folder, "d.lock");
  mkdirSync(directory);
  const unreadable = await runHere(["break", directory, ...REASON, "--yes", "--force"]);
  expect(unreadable.code).toBe(2);
  expect(unreadable.stderr).toContain("unreadable");

  const missing = await runHere(["break", join(folder, "none.lock"), ...REASON, "--yes"]);
  expect(missing).toMatchObject({ code: 2, stdout: "" });
  expect(missing.stderr).toContain("no such lock file");
});

test("a dead owner's lock, which would go by itself, may be broken, too", async (context) => {
  requireNative(context);
  const lockPath = join(temporaryFolder(), "jobs.lock");
  const holder = await startHolder(lockPath);
  await holder.kill();
  const { code, stdout } = await runHere(["break", lockPath, ...REASON, "--yes"]);
  expect(code).toBe(0);
  expect(stdout).toContain("it would be removed without this command, too");
});

test("without the addon the lock stays, and the answer names the reason", async () => {
  const lockPath = keptLock();
  const args = ["break", lockPath, ...REASON, "--yes", "--force"];
  const { code, stderr } = await runProgram(args, { PIDENTITY_NO_NATIVE: "1" });
  expect(code).toBe(1);
  expect(stderr).toContain("kept (no-guard)");
  expect(stderr).toContain("PIDENTITY_NO_NATIVE");
  expect(existsSync(lockPath)).toBe(true);
});

test.each([
  [["break"], "the lock file is required"],
  [["break", "a.lock"], "--reason is required"],
  [["break", "a.lock", "--reason", "  "], "--reason is required"],
  [["break", "a.lock", "b.lock", ...REASON], 'only one lock can be broken: "b.lock"'],
  [["break", "a.lock", "--reason"], "option needs a value: --reason"],
  [["break", "a.lock", ...REASON, "--frce"], "unknown option: --frce"],
])("wrong usage is refused: %j", async (args, message) => {
  const io = recordingIo();
  expect(await run(args, io)).toBe(2);
  expect(io.stderr.text()).toContain(message);
});

test("a hostile label and a token of any length are shown in bounded room", async (context) => {
  requireNative(context);
  const owner = `pi9.${"x".repeat(30_000)}`;
  const lockPath = keptLock("jobs.lock", { owner, label: `\u202E${"y".repeat(20_000)}` });
  const { stdout } = await runHere(["break", lockPath, ...REASON, "--yes"]);
  expect(stdout.length).toBeLessThan(3000);
  expect(stdout).not.toContain("\u202E");
});

test("it judges with the options of locks as that does, and does not contradict it", async (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  const lockPath = writePlainLock(folder, "s", { pid: await endedPid() });
  const verdictOf = async (...options: string[]): Promise<string> => {
    const { stdout } = await runHere(["break", lockPath, ...REASON, ...options]);
    return /verdict: +(.*)/u.exec(stdout)?.[1] ?? stdout;
  };
  expect((await runHere(["locks", folder])).stdout).toContain("--fix would remove it");
  expect(await verdictOf()).toContain("it would be removed without this command, too");
  expect((await runHere(["locks", folder, "--keep-plain"])).stdout).toContain(
    "unknown (plain-lock)",
  );
  expect(await verdictOf("--keep-plain")).toMatch(/^kept: .*\(plain-lock\)/u);
});

test("another program's lock is judged by --owner and --stale-ms as by locks", async (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  const owner = await liveOwner();
  const createdAt = new Date(Date.now() - 60_000).toISOString();
  const lockPath = writePlainLock(folder, "s", { pid: owner.pid, createdAt });
  const reasonsOf = async (command: readonly string[], options: readonly string[]) => {
    const { stdout } = await runHere([...command, "--json", ...options]);
    const document = JSON.parse(stdout) as { lock?: Reasons; locks?: readonly Reasons[] };
    return (document.lock ?? document.locks?.[0])?.staleReasons;
  };
  interface Reasons {
    readonly staleReasons: readonly string[];
  }
  const program = basename(process.execPath).replace(/\.exe$/u, "");
  for (const options of [[], ["--owner", program], ["--stale-ms", "1000"]]) {
    const byLocks = await reasonsOf(["locks", folder], options);
    // Declined: there is no terminal to ask on, and the document is printed all the same.
    const io = { isTTY: true, events: answering("n") };
    const { stdout } = await runHere(["break", lockPath, ...REASON, "--json", ...options], io);
    const { lock } = JSON.parse(stdout) as { lock: Reasons };
    expect(lock.staleReasons, options.join(" ")).toEqual(byLocks);
  }
  expect(await reasonsOf(["locks", folder], ["--stale-ms", "1000"])).toContain("too-old");
});

test("--keep-plain does not make a living owner's lock go without --force", async (context) => {
  requireNative(context);
  const owner = await liveOwner();
  const { pid, starttime } = owner;
  const lockPath = writePlainLock(temporaryFolder(), "s", { pid, starttime });
  const args = ["break", lockPath, ...REASON, "--yes"];
  for (const options of [[], ["--keep-plain"]]) {
    const { code, stderr } = await runHere([...args, ...options]);
    expect(stderr).toContain("kept (owner-alive)");
    expect(code).toBe(1);
  }
  expect(existsSync(lockPath)).toBe(true);
});
