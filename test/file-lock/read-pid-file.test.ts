import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { isAbsolute, join, relative } from "node:path";

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { acquirePidFile } from "../../lib/file-lock/acquire-pid-file.js";
import { FileLockFileError } from "../../lib/file-lock/errors.js";
import { readPidFile } from "../../lib/file-lock/read-pid-file.js";
import { verifyProcess } from "../../lib/process/identity.js";
import { nodeArguments, type RunningChild, startReady } from "../support/processes/child.js";
import { endedPid, liveOwner } from "../support/locks/lock-directory.js";
import { importDist } from "../support/locks/lock-holder.js";
import { isZombie } from "../support/processes/process-state.js";
import { program } from "../support/processes/programs.js";
import { requireLinux, requireNative, requirePosix } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { waitFor } from "../support/wait-for.js";

function pidFileIn(folder: string, content?: string | Buffer): string {
  const path = join(folder, "daemon.pid");
  if (content !== undefined) writeFileSync(path, content);
  return path;
}

/** A process with a held pid file, which says so. */
function startDaemon(path: string): Promise<RunningChild> {
  return startReady(
    process.execPath,
    nodeArguments(`
      ${importDist("acquirePidFile", "file-lock/index.js")}
      await acquirePidFile({ path: ${JSON.stringify(path)}, label: "mydaemon 1.0" });
      console.log("running");
      process.stdin.resume();`),
  );
}

describe("a daemon of this package", () => {
  test("a daemon that runs reads as the same, by its kernel lock, with its token and its label", async (context) => {
    requireNative(context);
    const path = pidFileIn(temporaryFolder());
    const daemon = await startDaemon(path);
    const before = readFileSync(path);
    const owner = await readPidFile(path);
    const { createdAt } = JSON.parse(before.toString()) as { readonly createdAt: string };
    expect(owner).toEqual({
      path,
      pid: daemon.pid,
      state: "same",
      reason: expect.stringMatching(/^(?:kernel-lock-held|running)$/u) as string,
      token: expect.stringMatching(/^pi1\./u) as string,
      createdAt,
      label: "mydaemon 1.0",
    });
    expect(verifyProcess(owner?.token ?? "")).toMatchObject({ state: "same" });
    expect(readFileSync(path)).toEqual(before);
  });

  test("a daemon that was killed reads as gone, and its file stays as it is", async (context) => {
    requireNative(context);
    const path = pidFileIn(temporaryFolder());
    const daemon = await startDaemon(path);
    await daemon.kill("SIGKILL");
    const before = readFileSync(path);
    expect(await readPidFile(path)).toMatchObject({ pid: daemon.pid, state: "gone" });
    expect(readFileSync(path)).toEqual(before);
  });

  test("this very process reads as the same, and as no file when it has let go", async () => {
    const path = pidFileIn(temporaryFolder());
    const held = await acquirePidFile({ path });
    expect(await readPidFile(path)).toMatchObject({
      pid: process.pid,
      state: "same",
      reason: "held-here",
    });
    await held.release();
    expect(await readPidFile(path)).toBeNull();
  });

  test("a daemon whose pid another process has by now reads as gone: its start time differs", async (context) => {
    requireNative(context);
    const { pid, starttime } = await liveOwner();
    const earlier = Math.max(1, Math.floor(starttime * 0.9));
    const path = pidFileIn(temporaryFolder(), JSON.stringify({ pid, starttime: earlier }));
    expect(await readPidFile(path)).toMatchObject({ pid, state: "gone", token: null });
  });

  test("a daemon's plain lock with its start time reads as the same", async (context) => {
    requireLinux(context, "start times in the unit of plain locks");
    requireNative(context);
    const { pid, starttime } = await liveOwner();
    const path = pidFileIn(temporaryFolder(), JSON.stringify({ pid, starttime }));
    expect(await readPidFile(path)).toMatchObject({
      pid,
      state: "same",
      createdAt: new Date(Math.floor(statSync(path).mtimeMs)).toISOString(),
      label: null,
    });
  });
});

describe("a bare number", () => {
  test("a bare number of a process that has ended reads as gone", async (context) => {
    requireNative(context);
    const pid = await endedPid();
    const path = pidFileIn(temporaryFolder(), `${String(pid)}\n`);
    expect(await readPidFile(path)).toMatchObject({ path, pid, state: "gone", token: null });
  });

  test("a bare number of a process that runs proves nothing: another one may have the pid by now", async () => {
    const { pid } = await liveOwner();
    const path = pidFileIn(temporaryFolder(), String(pid));
    const createdAt = new Date(Math.floor(statSync(path).mtimeMs)).toISOString();
    expect(await readPidFile(path)).toMatchObject({
      pid,
      state: "unknown",
      reason: "unproven",
      createdAt,
    });
  });

  test("a bare number of this very process proves nothing: an earlier process of the container may have left it", async () => {
    const path = pidFileIn(temporaryFolder(), String(process.pid));
    expect(await readPidFile(path)).toMatchObject({ pid: process.pid, state: "unknown" });
  });

  test("a bare number of a zombie reads as gone", async (context) => {
    requireLinux(context, "a parent that does not reap");
    requireNative(context);
    const pid = Number((await startReady(program("zombie-parent"))).first);
    await waitFor("the zombie", () => isZombie(pid));
    const path = pidFileIn(temporaryFolder(), String(pid));
    expect(await readPidFile(path)).toMatchObject({ pid, state: "gone", reason: "zombie" });
  });

  const pid = process.pid;
  test.each([
    ["a line end", Buffer.from(`${String(pid)}\n`)],
    ["CRLF", Buffer.from(`${String(pid)}\r\n`)],
    ["a byte order mark", Buffer.from(`\uFEFF${String(pid)}`)],
    ["a byte order mark and CRLF", Buffer.from(`\uFEFF${String(pid)}\r\n`)],
    ["UTF-16", Buffer.from(`\uFEFF${String(pid)}\r\n`, "utf16le")],
    ["leading zeros and blanks", Buffer.from(`  000${String(pid)} \n\n`)],
  ])("a bare number is understood with %s", async (_what, bytes) => {
    const path = pidFileIn(temporaryFolder(), bytes);
    expect(await readPidFile(path)).toMatchObject({ pid, reason: "unproven" });
  });
});

describe("JSON with a pid", () => {
  test.each([
    ["as other programs write it", (json: string) => Buffer.from(json)],
    ["with CRLF", (json: string) => Buffer.from(json.replaceAll("\n", "\r\n"))],
    ["with a byte order mark", (json: string) => Buffer.from(`\uFEFF${json}`)],
    ["as UTF-16", (json: string) => Buffer.from(`\uFEFF${json}`, "utf16le")],
  ])("JSON with a pid is understood: %s", async (_how, encode) => {
    const json = JSON.stringify(
      { pid: process.pid, createdAt: "2026-01-01T00:00:00.000Z" },
      null,
      2,
    );
    const path = pidFileIn(temporaryFolder(), encode(`${json}\n`));
    expect(await readPidFile(path)).toMatchObject({
      pid: process.pid,
      reason: "unproven",
      createdAt: "2026-01-01T00:00:00.000Z",
    });
  });

  test("the owner of JSON with a pid is unknown when its token is a newer version's", async () => {
    const fields = { pid: process.pid, owner: "pi9.of.a.newer.version", nonce: "1" };
    const path = pidFileIn(temporaryFolder(), JSON.stringify(fields));
    expect(await readPidFile(path)).toMatchObject({ state: "unknown", reason: "malformed" });
  });
});

describe("a file that names no process", () => {
  test.each([
    ["nothing", ""],
    ["zeros of a power failure", "\0".repeat(64)],
    ["a torn lock", '{\n  "pid": 47'],
    ["a configuration", "[daemon]\npid = 4711\n"],
    ["other JSON", '{"name":"my-package"}'],
    ["zero", "0"],
    ["a negative number", "-1"],
    ["a number that is no pid", "99999999999999999999"],
    ["a pid of a wrong shape", '{"pid":"4711"}'],
    ["keys of a prototype", '{"__proto__":{"pid":1}}'],
    ["deep nesting", "[".repeat(60_000)],
    ["as much as is read", "x".repeat(64 * 1024)],
  ])("a file that names no process is unknown, and never an error: %s", async (_what, text) => {
    const path = pidFileIn(temporaryFolder(), text);
    expect(await readPidFile(path)).toEqual({
      path,
      pid: null,
      state: "unknown",
      reason: "missing-pid",
      token: null,
      createdAt: null,
      label: null,
    });
    expect(readFileSync(path, "utf8")).toBe(text);
  });

  test("a file that names no process is unknown, whatever its bytes are", async () => {
    const path = pidFileIn(temporaryFolder());
    const someJson = fc.json().map((json) => Buffer.from(json));
    const someFields = fc
      .record(
        { pid: fc.anything(), starttime: fc.anything(), owner: fc.anything(), nonce: fc.string() },
        { requiredKeys: [] },
      )
      .map((fields) => {
        try {
          return Buffer.from(JSON.stringify(fields));
        } catch {
          return Buffer.alloc(0);
        }
      });
    const someBytes = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    await fc.assert(
      fc.asyncProperty(fc.oneof(someBytes, someJson, someFields), async (bytes) => {
        writeFileSync(path, bytes);
        const owner = await readPidFile(path);
        expect(["same", "gone", "unknown"]).toContain(owner?.state);
      }),
      { numRuns: 200 },
    );
  });
});

test("no pid file is no owner, also where its directory is missing", async () => {
  const folder = temporaryFolder();
  expect(await readPidFile(pidFileIn(folder))).toBeNull();
  expect(await readPidFile(join(folder, "missing", "daemon.pid"))).toBeNull();
  expect(existsSync(join(folder, "missing"))).toBe(false);
});

test("a pid file's relative path is resolved at the call", async () => {
  const path = pidFileIn(temporaryFolder(), String(process.pid));
  const owner = await readPidFile(relative(process.cwd(), path));
  expect(owner?.pid).toBe(process.pid);
  expect(isAbsolute(owner?.path ?? "")).toBe(true);
  expect(realpathSync(owner?.path ?? "")).toBe(path);
});

describe("what cannot be a pid file", () => {
  async function refusal(path: string): Promise<FileLockFileError> {
    const error: unknown = await readPidFile(path).then(
      () => null,
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof FileLockFileError)) throw new Error("was not refused", { cause: error });
    expect(error).toMatchObject({ code: "FILE_LOCK_FILE", lockPath: path });
    expect(error.message).toMatch(/^cannot read pid file \(.+\): /u);
    return error;
  }

  test("a directory is refused as a pid file with its path", async () => {
    const path = pidFileIn(temporaryFolder());
    mkdirSync(path);
    expect((await refusal(path)).message).toContain(path);
  });

  test("a FIFO is refused as a pid file, without waiting for a writer", async (context) => {
    requirePosix(context, "mkfifo");
    const path = pidFileIn(temporaryFolder());
    expect(spawnSync("mkfifo", [path]).status).toBe(0);
    expect((await refusal(path)).message).toContain("not a regular file");
  });

  test("a symbolic link is refused as a pid file, as that is published under its own name", async (context) => {
    requirePosix(context, "symbolic links without a privilege");
    const folder = temporaryFolder();
    const path = pidFileIn(folder);
    writeFileSync(join(folder, "target"), String(process.pid));
    symlinkSync(join(folder, "target"), path);
    expect((await refusal(path)).message).toContain(path);
  });

  test("a file of more than 64 KiB is refused, though it begins like a pid file", async () => {
    const path = pidFileIn(temporaryFolder(), `${String(process.pid)}${" ".repeat(64 * 1024)}`);
    expect((await refusal(path)).message).toContain("larger than 65536 bytes");
  });

  test("a pid file that may not be read is refused with its path", async (context) => {
    requirePosix(context, "file modes");
    if (process.getuid?.() === 0) context.skip("needs an ordinary user (root reads every file)");
    const path = pidFileIn(temporaryFolder(), "1");
    chmodSync(path, 0);
    expect(await refusal(path)).toMatchObject({ syscall: "open", cause: { code: "EACCES" } });
  });

  test("a pid file below a file is refused with its path", async (context) => {
    requirePosix(context, "ENOTDIR");
    const file = pidFileIn(temporaryFolder(), "1");
    const error = await refusal(join(file, "daemon.pid"));
    expect(error).toMatchObject({ syscall: "open", cause: { code: "ENOTDIR" } });
  });
});

test.each<[string, unknown]>([
  ["nothing", undefined],
  ["a number", 7],
  ["an object", { path: "daemon.pid" }],
])("a path of a pid file that is none is refused by name: %s", async (_what, path) => {
  await expect(readPidFile(path as string)).rejects.toThrow(TypeError);
  await expect(readPidFile(path as string)).rejects.toThrow(/path must be /u);
});
