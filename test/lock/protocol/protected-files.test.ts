/**
 * Another user's guard file in a directory that all may write and that is sticky, where `fs.protected_regular` (a usual
 * default) forbids to open it with O_CREAT. The real rule is tested where the machine has it on; nowhere is it
 * changed. Elsewhere a stand-in does what may_create_in_sticky of the kernel's fs/namei.c says.
 */
import { chmodSync, chownSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test, type TestContext } from "vitest";

import { type AcquirerOptions, startHolding, tryElsewhere } from "../../support/locks/acquirer.js";
import { type RunningChild, start } from "../../support/processes/child.js";
import { requireLinux, requireNative, requireRoot } from "../../support/require.js";
import { standIn } from "../../support/processes/stand-in.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { AS_NOBODY, readablePackage } from "../../support/processes/unprivileged.js";

interface StickyFolder {
  readonly folder: string;
  readonly sessionFile: string;
  /** For processes of the user nobody. */
  readonly asNobody: AcquirerOptions;
}

function makeSticky(folder: string): void {
  chmodSync(folder, 0o1777);
}

/** Whose rule holds: the kernel's, where it is on, or the stand-in's. */
const PLACES: readonly (readonly [string, (context: TestContext) => StickyFolder])[] = [
  [
    "by the kernel",
    (context) => {
      requireLinux(context, "fs.protected_regular");
      requireRoot(context, "files of another user");
      requireNative(context);
      const value = readFileSync("/proc/sys/fs/protected_regular", "utf8").trim();
      if (value === "0") context.skip("fs.protected_regular is 0 on this machine");
      // What the kernel says of files holds for any; that there is a guard file takes a process that knows no other.
      const { folder, env } = standIn(context, "no-ofd-locks");
      makeSticky(folder);
      const asNobody = { ...readablePackage(), prefix: AS_NOBODY, env };
      return { folder, sessionFile: join(folder, "s.jsonl"), asNobody };
    },
  ],
  [
    "by a stand-in",
    (context) => {
      requireRoot(context, "files of another user");
      const { folder, env } = standIn(context, "protected-regular", "no-ofd-locks");
      makeSticky(folder);
      const asNobody = { ...readablePackage(), prefix: AS_NOBODY, env };
      return { folder, sessionFile: join(folder, "s.jsonl"), asNobody };
    },
  ],
];

describe.for(PLACES)("protected %s", ([, placeOf]) => {
  /** Root's guard, as it is while root is inside. */
  function makeGuard({ sessionFile }: StickyFolder): string {
    const guard = `${sessionFile}.lock.guard`;
    writeFileSync(guard, "", { mode: 0o644 });
    // Not of the folder's owner, whose files the rule excepts.
    chownSync(guard, 1, 1);
    return guard;
  }

  async function lockGuard(guard: string): Promise<RunningChild> {
    const inside = await start("flock", [guard, "sh", "-c", "echo inside; read line"]);
    expect(await inside.line()).toBe("inside");
    return inside;
  }

  test("another user's leftover guard is entered for a write, a release and a reclaim", async (context) => {
    const place = placeOf(context);
    const { folder, sessionFile, asNobody } = place;
    makeGuard(place);
    const holder = await startHolding(sessionFile, asNobody);
    expect(await holder.write()).toEqual({ kind: "written" });
    expect(await holder.release()).toEqual({ kind: "released" });
    const dying = await startHolding(sessionFile, asNobody);
    await dying.kill();
    expect(await tryElsewhere(sessionFile, asNobody)).toEqual({ kind: "released" });
    // The user nobody may not remove it.
    expect(readdirSync(folder).sort()).toEqual(["s.jsonl", "s.jsonl.lock.guard"]);
  });

  test("another user inside the guard makes a fence, a release and a reclaim wait, and is no file error", async (context) => {
    const place = placeOf(context);
    const { sessionFile, asNobody } = place;
    const guard = makeGuard(place);
    const holder = await startHolding(sessionFile, asNobody);
    const inside = await lockGuard(guard);
    expect(await holder.write()).toMatchObject({
      name: "SessionWriteLockTimeoutError",
      owner: `guard busy: ${guard}`,
    });
    const released = holder.release();
    inside.say("leave");
    expect(await released).toEqual({ kind: "released" });
    const dying = await startHolding(sessionFile, asNobody);
    await dying.kill();
    await inside.exited();
    const another = await lockGuard(guard);
    expect(await tryElsewhere(sessionFile, asNobody)).toMatchObject({
      name: "SessionWriteLockTimeoutError",
      owner: `guard busy: ${guard}`,
    });
    another.say("leave");
    await another.exited();
    expect(await tryElsewhere(sessionFile, asNobody)).toEqual({ kind: "released" });
  });
});

describe("a directory that may not be written any more", () => {
  function shared(folder: string): void {
    chmodSync(folder, 0o777);
  }

  test("a directory that may not be written is a file error that names the guard, once and at once", async (context) => {
    requireRoot(context, "to be without rights");
    const { folder, env } = standIn(context, "no-ofd-locks");
    shared(folder);
    const otherUser = { ...readablePackage(), prefix: AS_NOBODY, env };
    const holder = await startHolding(join(folder, "s.jsonl"), otherUser);
    chmodSync(folder, 0o755);
    expect(await holder.write()).toMatchObject({
      name: "SessionWriteLockFileError",
      syscall: "open",
      cause: { code: "EACCES", path: join(folder, "s.jsonl.lock.guard") },
    });
    chmodSync(folder, 0o777);
    expect(await holder.release()).toEqual({ kind: "released" });
  });

  test("a lock that is its own guard is written under there, and released as far as that goes", async (context) => {
    requireLinux(context, "setpriv");
    requireRoot(context, "to be without rights");
    requireNative(context);
    const folder = temporaryFolder();
    shared(folder);
    const sessionFile = join(folder, "s.jsonl");
    writeFileSync(sessionFile, "");
    chmodSync(sessionFile, 0o666);
    const otherUser = { ...readablePackage(), prefix: AS_NOBODY };
    const holder = await startHolding(sessionFile, otherUser);
    chmodSync(folder, 0o755);
    expect(await holder.write()).toEqual({ kind: "written" });
    let told = "";
    holder.process.stderr?.on("data", (text: string) => (told += text));
    expect(await holder.release()).toEqual({ kind: "released" });
    expect(told).toContain(`left for others to remove: ${sessionFile}.lock (EACCES)`);
    // Root may: and sees that it is free.
    expect(await tryElsewhere(sessionFile)).toEqual({ kind: "released" });
    expect(readdirSync(folder)).toEqual(["s.jsonl"]);
  });
});
