/** `pidentity locks` on this package's bare pid files: one judgement with `readPidFile`. */
import { copyFileSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { readPidFile } from "../../../lib/file-lock/index.js";
import { realLockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { runHere } from "../../support/command-line.js";
import { publishBarePid } from "../../support/locks/bare-pid-file.js";
import { endedPid, liveOwner } from "../../support/locks/lock-directory.js";
import { importDist } from "../../support/locks/lock-holder.js";
import { nodeArguments, startReady } from "../../support/processes/child.js";
import { requireNative, requireRoot } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

interface Entry {
  readonly kind: string;
  readonly state: string;
  readonly reason: string;
  readonly pid: number;
  readonly isOurs: boolean;
  readonly removed: boolean;
  readonly commandLine: string | null;
  readonly heldFrom: string | null;
}

async function judge(path: string, ...args: string[]): Promise<Entry & { code: number | null }> {
  const { code, stdout } = await runHere(["locks", "--json", path, ...args]);
  const { locks } = JSON.parse(stdout) as { locks: readonly Entry[] };
  const [lock] = locks;
  if (lock === undefined) throw new Error(`no lock: ${stdout}`);
  return { ...lock, code };
}

const newPidFile = (): string => join(temporaryFolder(), "daemon.pid");

const DAEMON = (path: string): readonly string[] =>
  nodeArguments(`
    ${importDist("acquirePidFile", "file-lock/index.js")}
    await acquirePidFile({ path: ${JSON.stringify(path)}, format: "pid" });
    console.log("running");
    process.stdin.resume();`);

describe("a bare pid file of this package is named as one, and judged as readPidFile judges it", () => {
  test("while its daemon runs it is held", async (context) => {
    requireNative(context);
    const path = newPidFile();
    const daemon = await startReady(process.execPath, DAEMON(path));
    expect(await judge(path)).toMatchObject({
      code: 0,
      kind: "pidentity",
      isOurs: true,
      state: "held",
      reason: "kernel-lock-held",
      pid: daemon.pid,
      heldFrom: null,
      commandLine: expect.stringContaining("acquirePidFile") as unknown,
    });
    expect(await readPidFile(path)).toMatchObject({ state: "same", reason: "kernel-lock-held" });
  });

  test.each<[string, () => Promise<number>]>([
    ["whose pid is free", endedPid],
    ["whose pid is another process's by now", async () => (await liveOwner()).pid],
  ])("once its daemon was killed, one %s is stale", async (_what, pidOf) => {
    const path = newPidFile();
    const pid = await pidOf();
    realLockFs.close(publishBarePid(pid, path));
    const judged = await readPidFile(path);
    expect(judged).toMatchObject({ pid, state: "gone", reason: "kernel-lock-free" });
    expect(await judge(path)).toMatchObject({
      code: 1,
      kind: "pidentity",
      isOurs: true,
      state: "stale",
      reason: judged?.reason,
      pid,
    });
    const { stdout } = await runHere(["locks", path]);
    expect(stdout).not.toContain("(alive)");
    expect(stdout).not.toContain("another program's");
    expect(await judge(path, "--fix")).toMatchObject({ code: 0, removed: true });
    expect(existsSync(path)).toBe(false);
  });

  test("a copy of one, and one that was written to since, are another program's", async () => {
    const path = newPidFile();
    const owner = await liveOwner();
    const fd = publishBarePid(owner.pid, path);
    const copy = `${path}.copy.pid`;
    copyFileSync(path, copy);
    expect(await judge(copy, "--fix")).toMatchObject({ kind: "pid-file", isOurs: false });
    realLockFs.close(fd);
    writeFileSync(path, `${String(owner.pid)}\n`);
    expect(await judge(path, "--fix")).toMatchObject({ kind: "pid-file", state: "held" });
    expect(existsSync(path)).toBe(true);
  });
});

test("the number of a daemon in a container is not taken for the process that has it here", async (context) => {
  requireNative(context);
  requireRoot(context, "makes a pid namespace");
  const path = newPidFile();
  const inside = ["--pid", "--fork", "--kill-child", "--mount-proc", process.execPath];
  await startReady("unshare", [...inside, ...DAEMON(path)]);
  expect(await judge(path)).toMatchObject({
    code: 0,
    state: "held",
    pid: 1,
    heldFrom: "other-pid-namespace",
    commandLine: null,
  });
  const { stdout } = await runHere(["locks", path]);
  expect(stdout).toContain("pid=1 (out of sight)");
  expect(stdout).toContain("in another pid namespace (a container): pid 1 is a number of there");
  expect(stdout).not.toContain("command:");
});
