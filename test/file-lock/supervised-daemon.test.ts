/** The guide's daemon under supervisors: shell loops that start it again whenever it ends, and restarted containers. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, onTestFinished, test, type TestContext } from "vitest";

import { resolvePidFileOptions } from "../../lib/file-lock/options.js";
import { readPidFile } from "../../lib/file-lock/read-pid-file.js";
import { draftOf } from "../../lib/lock/payload-draft.js";
import { realLockFs } from "../../lib/lock/protocol/lock-fs.js";
import { tryPublish } from "../../lib/lock/protocol/publish.js";
import { identifyProcess } from "../../lib/process/identity.js";
import { type RunningChild, start, startReady } from "../support/processes/child.js";
import { liveOwner } from "../support/locks/lock-directory.js";
import { codeBlock, writeExample } from "../support/readme-code.js";
import { requireLinux, requireNative, requirePosix } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { waitFor } from "../support/wait-for.js";

const FORMATS = ["json", "pid"] as const;
type Format = (typeof FORMATS)[number];

interface Daemon {
  /** The program. */
  readonly file: string;
  readonly path: string;
}

/** The guide's example, which says nothing of formats. */
function daemonIn(folder: string, format: Format): Daemon {
  const code = codeBlock("lib/file-lock/README.md", "js", "acquirePidFile({ path, label");
  const call = "acquirePidFile({ path, ";
  expect(code).toContain(call);
  const written = format === "json" ? code : code.replace(call, `${call}format: "pid", `);
  return { file: writeExample(written, folder), path: join(folder, "daemon.pid") };
}

// What a supervisor does: start it, say how it ended, start it again; a moment later where it could not run.
const LOOP = `
while [ ! -e "$2.stop" ]; do
  "$0" "$1" "$2" 2>&1
  echo "ended $?"
  sleep 0.05
done`;

async function supervise(daemon: Daemon): Promise<RunningChild> {
  const { file, path } = daemon;
  const supervisor = await start("sh", ["-c", LOOP, process.execPath, file, path]);
  // Before the shell is killed, whose child would keep its output open.
  onTestFinished(() => stop(supervisor, daemon));
  return supervisor;
}

/** The pid that the supervised daemon says it runs as; passes over what ended before. */
async function nextRunning(supervisor: RunningChild, { path }: Daemon): Promise<number> {
  for (;;) {
    const line = await supervisor.line();
    const pid = /^running as (\d+): (.*)$/u.exec(line);
    if (pid === null) continue;
    expect(pid[2]).toBe(path);
    return Number(pid[1]);
  }
}

/** What the guide's daemon says where another process runs. */
function refusedFor(pid: number): RegExp {
  return new RegExp(`^not started: pid file locked .*: pid=${String(pid)} alive=true `, "u");
}

function pidIn(path: string): number {
  const text = readFileSync(path, "utf8");
  return text.startsWith("{") ? (JSON.parse(text) as { readonly pid: number }).pid : Number(text);
}

/** Ends the loop and what it runs. */
async function stop(supervisor: RunningChild, { path }: Daemon): Promise<void> {
  writeFileSync(`${path}.stop`, "");
  let isOver = false;
  const end = supervisor.exited().then(() => (isOver = true));
  await waitFor("the supervisor's end", async () => {
    const owner = await readPidFile(path);
    if (owner?.state === "same" && owner.pid !== null) endQuietly(owner.pid);
    return isOver;
  });
  await end;
}

function endQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by now.
  }
}

describe.each(FORMATS)("the guide's daemon with a pid file of the format %s", (format) => {
  test.for<[string, NodeJS.Signals, readonly string[]]>([
    ["killed", "SIGKILL", ["ended 137"]],
    ["crashed", "SIGSEGV", ["ended 139"]],
    ["asked to end", "SIGTERM", ["finishing", "ended", "ended 0"]],
  ])(
    `the guide's daemon (${format}) runs again each time it was %s, and its pid file names the new one`,
    async ([, signal, ended], context) => {
      requirePosix(context, "a shell and signals");
      requireNative(context);
      const daemon = daemonIn(temporaryFolder(), format);
      const supervisor = await supervise(daemon);
      const pids: number[] = [];
      for (let round = 0; round < 3; round++) {
        const pid = await nextRunning(supervisor, daemon);
        expect(pidIn(daemon.path)).toBe(pid);
        expect(await readPidFile(daemon.path)).toMatchObject({ pid, state: "same" });
        pids.push(pid);
        process.kill(pid, signal);
        const lines: string[] = [];
        while (lines.at(-1)?.startsWith("ended ") !== true) lines.push(await supervisor.line());
        // The shell may say "Killed" besides.
        expect(lines.filter((line) => /^(?:finishing|ended.*)$/u.test(line))).toEqual(ended);
      }
      expect(new Set(pids).size).toBe(3);
      await nextRunning(supervisor, daemon);
    },
  );

  test(`of two supervisors with one pid file (${format}) one runs the guide's daemon, and the other takes over when it is killed`, async (context) => {
    requirePosix(context, "a shell and signals");
    requireNative(context);
    const daemon = daemonIn(temporaryFolder(), format);
    const first = await supervise(daemon);
    const pid = await nextRunning(first, daemon);
    const second = await supervise(daemon);
    // It tries again and again, in vain.
    for (let refused = 0; refused < 3; refused++) {
      expect(await second.line()).toMatch(refusedFor(pid));
      expect(await second.line()).toBe("ended 1");
    }
    expect(pidIn(daemon.path)).toBe(pid);
    first.process.kill("SIGKILL");
    process.kill(pid, "SIGKILL");
    await first.exited();
    const successor = await nextRunning(second, daemon);
    expect(successor).not.toBe(pid);
    expect(pidIn(daemon.path)).toBe(successor);
  });

  test(`the guide's daemon (${format}) that is started several times at once runs once`, async (context) => {
    requirePosix(context, "a shell and signals");
    requireNative(context);
    const daemon = daemonIn(temporaryFolder(), format);
    const starts = [1, 2, 3].map(async () => {
      const child = await start("sh", [
        "-c",
        'exec "$0" "$@" 2>&1',
        process.execPath,
        daemon.file,
        daemon.path,
      ]);
      return await child.line();
    });
    const started = await Promise.all(starts);
    const pid = pidIn(daemon.path);
    const refused = expect.stringMatching(refusedFor(pid)) as string;
    expect(started.toSorted()).toEqual([
      refused,
      refused,
      `running as ${String(pid)}: ${daemon.path}`,
    ]);
  });

  test(`the guide's daemon (${format}) as pid 1 of a restarted container takes its own file over, and a sibling's never`, async (context) => {
    requireLinux(context, "pid namespaces");
    requireNative(context);
    const inside = containerOrSkip(context);
    const daemon = daemonIn(temporaryFolder(), format);
    const run = (): Promise<RunningChild & { readonly first: string }> => {
      const shell = ["sh", "-c", 'exec "$0" "$@" 2>&1'];
      const [file, ...args] = [...inside, ...shell, process.execPath, daemon.file, daemon.path];
      return startReady(file, args);
    };
    for (let life = 0; life < 3; life++) {
      const first = await run();
      expect(first.first).toBe(`running as 1: ${daemon.path}`);
      expect(pidIn(daemon.path)).toBe(1);
      const sibling = await run();
      expect(sibling.first).toMatch(refusedFor(1));
      expect(await sibling.exited()).toBe(1);
      expect(await readPidFile(daemon.path)).toMatchObject({ pid: 1, state: "same" });
      await first.kill("SIGKILL");
      // The container ends when its pid 1 is gone, a little after what started it.
      await waitFor("its end", async () => (await readPidFile(daemon.path))?.state === "gone");
    }
    const last = await run();
    expect(last.first).toBe(`running as 1: ${daemon.path}`);
  });

  test(`the guide's daemon (${format}) runs after a reboot, although a stranger has the pid in its file`, async (context) => {
    requirePosix(context, "a shell and signals");
    requireNative(context);
    const daemon = daemonIn(temporaryFolder(), format);
    const stranger = await liveOwner();
    leaveFromEarlier(daemon.path, format, stranger.pid);
    expect(pidIn(daemon.path)).toBe(stranger.pid);
    const supervisor = await supervise(daemon);
    const pid = await nextRunning(supervisor, daemon);
    expect(pid).not.toBe(stranger.pid);
    expect(pidIn(daemon.path)).toBe(pid);
  });
});

test("the guide's daemon does not run while a stranger has the pid that another program left in its file", async (context) => {
  requirePosix(context, "a shell and signals");
  const daemon = daemonIn(temporaryFolder(), "pid");
  const stranger = await liveOwner();
  writeFileSync(daemon.path, `${String(stranger.pid)}\n`);
  const supervisor = await supervise(daemon);
  expect(await supervisor.line()).toMatch(refusedFor(stranger.pid));
  await stranger.kill("SIGKILL");
  await nextRunning(supervisor, daemon);
});

/** What a daemon with that pid left when the machine went down. */
function leaveFromEarlier(path: string, format: Format, pid: number): void {
  const draft = draftOf(resolvePidFileOptions({ path, format }));
  const lock = tryPublish(path, { ...draft, pid, owner: ofEarlierBoot(pid) }, realLockFs);
  if (lock.kind !== "published") throw new Error(`not published: ${lock.kind}`);
  realLockFs.close(lock.fd);
}

function ofEarlierBoot(pid: number): string {
  const fields = (identifyProcess(pid) ?? "").split(".");
  const boot = 4;
  expect(fields).toHaveLength(9);
  fields[boot] = "0123456789abcdef0123456789abcdef";
  return fields.join(".");
}

/** What makes a command pid 1 of a pid namespace: as root, or in a user namespace of its own. */
function containerOrSkip(context: TestContext): readonly string[] {
  const namespaces = ["--pid", "--fork", "--mount-proc", "--kill-child"];
  const ways = [
    ["unshare", ...namespaces],
    ["unshare", "--user", "--map-root-user", ...namespaces],
  ] as const;
  let said = "";
  for (const way of ways) {
    const [file, ...args] = way;
    const { status, stderr, error } = spawnSync(file, [...args, "true"], { encoding: "utf8" });
    if (status === 0) return way;
    said = (error?.message ?? stderr).trim();
  }
  context.skip(`needs pid namespaces (restarted containers): ${said}`);
  return [];
}
