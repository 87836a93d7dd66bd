/** What `pidentity locks` says of a holder whose pid is not one of here, and of one that is stopped. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { runHere } from "../../support/command-line.js";
import { lockDirectory } from "../../support/locks/lock-directory.js";
import { startHolder, writePlainLock } from "../../support/locks/lock-holder.js";
import { requireLinux, requireNative, requireRoot } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

interface Entry {
  readonly pid: number;
  readonly heldFrom: string | null;
  readonly stopped: boolean | null;
  readonly program: string | null;
}

async function entryOf(...args: string[]): Promise<Entry> {
  const { stdout } = await runHere(["locks", "--json", ...args]);
  const { locks } = JSON.parse(stdout) as { locks: readonly Entry[] };
  const [lock] = locks;
  if (lock === undefined) throw new Error(`no lock: ${stdout}`);
  return lock;
}

const IN_CONTAINER = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
const TERMINAL = { isTTY: true, columns: 200 };

/** Both ways to ask about one lock: of its directory, and by its name. */
describe.each<[string, (lockPath: string, folder: string) => string]>([
  ["asked of its directory", (_, folder) => folder],
  ["asked by its name", (lockPath) => lockPath],
])("%s", (_how, argumentOf) => {
  test("a pid of a container is said to be a number of there, and what has it here is not named", async (context) => {
    requireNative(context);
    requireRoot(context, "makes a pid namespace");
    const folder = temporaryFolder();
    const lockPath = join(folder, "s.jsonl.lock");
    await startHolder(lockPath, { prefix: IN_CONTAINER });
    const argument = argumentOf(lockPath, folder);
    const { code, stdout } = await runHere(["locks", argument]);
    expect(stdout).toContain("pid=1 (out of sight)");
    expect(stdout).toContain("stale=no");
    expect(stdout).toContain("in another pid namespace (a container): pid 1 is a number of there");
    expect(stdout).not.toMatch(/command:|\(alive\)/u);
    expect(code).toBe(0);
    const entry = await entryOf(argument);
    expect(entry).toMatchObject({ pid: 1, heldFrom: "other-pid-namespace", program: null });
    const screen = await runHere(["locks", argument], TERMINAL);
    expect(screen.stdout).toMatch(/ 1 +yes +- /u);
    expect(screen.stdout).toContain("pid 1 is a number of there");
  });

  test("a holder that is stopped has a line that says how it goes on", async (context) => {
    requireLinux(context, "the state of a process in /proc");
    requireNative(context);
    const folder = temporaryFolder();
    const lockPath = join(folder, "s.jsonl.lock");
    const holder = await startHolder(lockPath);
    const argument = argumentOf(lockPath, folder);
    expect(await entryOf(argument)).toMatchObject({ stopped: false, heldFrom: null });
    expect((await runHere(["locks", argument])).stdout).not.toContain("stopped");
    holder.process.kill("SIGSTOP");
    const remedy = `its process is stopped: kill -CONT ${String(holder.pid)} lets it go on`;
    await expect.poll(() => entryOf(argument)).toMatchObject({ stopped: true });
    expect((await runHere(["locks", argument])).stdout).toContain(`\n  ${remedy}\n`);
    expect((await runHere(["locks", argument], TERMINAL)).stdout).toContain(remedy);
    holder.process.kill("SIGCONT");
  });
});

describe("a directory without session locks, above ones that have some", () => {
  const below = (...names: string[]): string => {
    const root = temporaryFolder();
    const folder = join(root, ...names);
    mkdirSync(folder, { recursive: true });
    writePlainLock(folder, "s", { pid: process.pid });
    return root;
  };

  test("of a gateway's state is hinted at by --state-dir", async () => {
    const root = below("agents", "main", "sessions");
    const { code, stderr, stdout } = await runHere(["locks", root]);
    expect(stdout).toBe("Found 0 session lock files.\n");
    expect(stderr).toBe(
      `pidentity: no session locks in ${root} itself, but below it: pidentity locks --state-dir ${root}\n`,
    );
    expect(code).toBe(0);
    expect((await runHere(["locks", "--state-dir", root])).stdout).toContain("Found 1 session");
    expect((await runHere(["locks", "--all", root])).stderr).toContain("--state-dir");
  });

  test.each([[["sessions"]], [["main", "sessions"]]])("as %j is named itself", async (names) => {
    const root = below(...names);
    const { stderr } = await runHere(["locks", root]);
    const named = join(root, ...names);
    expect(stderr).toBe(
      `pidentity: no session locks in ${root} itself, but below it: pidentity locks ${named}\n`,
    );
    expect((await runHere(["locks", named])).stdout).toContain("Found 1 session");
  });

  test("is not hinted at where it has a lock itself, or nothing below", async () => {
    const root = below("sessions");
    writePlainLock(root, "own", { pid: process.pid });
    expect((await runHere(["locks", root])).stderr).toBe("");
    expect((await runHere(["locks", lockDirectory().path])).stderr).toBe("");
  });
});

test.each([
  ["a file", "missing.pid", "no such file"],
  ["a directory", "missing", "no such directory"],
])(
  "%s that does not exist is told and exits with 2, as the help says",
  async (_what, name, text) => {
    const path = join(temporaryFolder(), name);
    const { code, stderr, stdout } = await runHere(["locks", path]);
    expect(stderr).toBe(`pidentity: ${text}: ${path}\n`);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    const help = (await runHere(["locks", "--help"])).stdout.replaceAll(/\s+/gu, " ");
    expect(help).toContain("2 on wrong usage, when there is no such file or directory");
  },
);
