/** What callers, file systems and other programs hand in: sizes, relative paths, links, encodings, far times. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { describe, expect, onTestFinished, test, type TestContext } from "vitest";

import { acquireFileLock } from "../../lib/file-lock/acquire-file-lock.js";
import { acquirePidFile } from "../../lib/file-lock/acquire-pid-file.js";
import { FileLockFileError, FileLockTimeoutError } from "../../lib/file-lock/errors.js";
import type { AcquireFileLockOptions, AcquirePidFileOptions } from "../../lib/file-lock/options.js";
import { readOtherContent } from "../../lib/file-lock/other-content.js";
import { endedPid, liveOwner } from "../support/locks/lock-directory.js";
import { requireLinux, requireNative, requirePosix } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

async function refusalOf(attempt: Promise<{ release(): Promise<void> }>): Promise<unknown> {
  return await attempt.then(
    (lock) => lock.release().then(() => "acquired"),
    (error: unknown) => error,
  );
}

const fileLock = (options: AcquireFileLockOptions): Promise<unknown> =>
  refusalOf(acquireFileLock(options));
const pidFile = (options: AcquirePidFileOptions): Promise<unknown> =>
  refusalOf(acquirePidFile(options));

test.for([
  ["file lock", fileLock],
  ["pid file", pidFile],
] as const)(
  "a %s's label of more than 1 024 bytes is refused before anything is created",
  async ([, acquire]) => {
    const folder = temporaryFolder();
    const error = await acquire({ path: join(folder, "new", "x"), label: "ä".repeat(513) });
    expect(error).toBeInstanceOf(RangeError);
    expect(String(error)).toMatch(
      /^RangeError: options.label must be at most 1024 bytes long as UTF-8, not 1026, got /,
    );
    expect(readdirSync(folder)).toEqual([]);
    expect(await acquire({ path: join(folder, "new", "x"), label: "ä".repeat(512) })).toBe(
      "acquired",
    );
  },
);

test.for([
  ["file lock", acquireFileLock, "x.lock"],
  ["pid file", acquirePidFile, "x"],
] as const)(
  "a %s's relative path means what it meant at the call, whatever directory the process changes to",
  async ([, acquire, name]) => {
    const [here, there] = [temporaryFolder(), temporaryFolder()];
    const before = process.cwd();
    onTestFinished(() => process.chdir(before));
    process.chdir(here);
    const acquiring = acquire({ path: "x" });
    process.chdir(there);
    const lock = await acquiring;
    expect(lock).toMatchObject({ path: join(here, "x"), lockPath: join(here, name) });
    lock.assertHeld();
    await lock.release();
    expect([readdirSync(here), readdirSync(there)]).toEqual([[], []]);
  },
);

describe("a file and a symbolic link to it", () => {
  function linkedFile(context: TestContext): { file: string; link: string } {
    requirePosix(context, "symbolic links without privilege");
    const folder = temporaryFolder();
    const [file, link] = [join(folder, "ledger.csv"), join(folder, "link.csv")];
    symlinkSync("ledger.csv", link);
    return { file, link };
  }

  test.for([
    ["when the file exists", true],
    ["when the link dangles", false],
  ] as const)("a file and a symbolic link to it are one lock %s", async ([, exists], context) => {
    const { file, link } = linkedFile(context);
    if (exists) writeFileSync(file, "");
    for (const [held, wanted] of [
      [file, link],
      [link, file],
    ] as const) {
      await using lock = await acquireFileLock({ path: held });
      expect(lock).toMatchObject({ path: held, lockPath: `${file}.lock` });
      expect(await fileLock({ path: wanted, timeoutMs: 0 })).toMatchObject({
        code: "FILE_LOCK_TIMEOUT",
        pid: process.pid,
      });
    }
  });

  test("a file and a symbolic link to it are two locks with resolveLinks: false", async (context) => {
    const { file, link } = linkedFile(context);
    writeFileSync(file, "");
    await using first = await acquireFileLock({ path: file });
    await using second = await acquireFileLock({ path: link, resolveLinks: false, timeoutMs: 0 });
    expect([first.lockPath, second.lockPath]).toEqual([`${file}.lock`, `${link}.lock`]);
  });

  test("a symbolic link at a pid file's name is never followed: nothing is made or removed where it leads", async (context) => {
    const { file, link } = linkedFile(context);
    writeFileSync(file, String(await endedPid()));
    expect(await pidFile({ path: link })).toBeInstanceOf(FileLockFileError);
    expect(existsSync(file)).toBe(true);
  });

  test("resolveLinks is refused by name when it is no boolean", async () => {
    const options = { path: "x", resolveLinks: 1 } as unknown as AcquireFileLockOptions;
    await expect(acquireFileLock(options)).rejects.toThrow(
      "options.resolveLinks must be a boolean, got 1",
    );
  });
});

const jsonOf = (pid: string): string => `{"pid":${pid},"createdAt":"2026-01-01T00:00:00.000Z"}`;
const utf16be = (text: string): Buffer => Buffer.from(text, "utf16le").swap16();

describe("a pid file of another program", () => {
  const FORMS: readonly (readonly [string, (pid: string) => Buffer])[] = [
    ["with a byte order mark", (pid) => Buffer.from(`\uFEFF${pid}\n`)],
    ["in UTF-16, as PowerShell writes it", (pid) => Buffer.from(`\uFEFF${pid}\r\n`, "utf16le")],
    ["in UTF-16 of the other byte order", (pid) => utf16be(`\uFEFF${pid}\r\n`)],
    ["in UTF-16 without a byte order mark", (pid) => Buffer.from(`${pid}\r\n`, "utf16le")],
    ["in UTF-16 of the other byte order without one", (pid) => utf16be(`${pid}\r\n`)],
    ["with white space around", (pid) => Buffer.from(`\r\n\t  ${pid} \f\v\n\n`)],
    ["with leading zeros", (pid) => Buffer.from(`${pid.padStart(10, "0")}\n`)],
    ["padded with a thousand zeros", (pid) => Buffer.from(pid.padStart(1000, "0"))],
    ["with the zero byte that ends a string in C", (pid) => Buffer.from(`${pid}\0`)],
    [
      "padded with zero bytes by a power failure",
      (pid) => Buffer.from(`${pid}\n`.padEnd(512, "\0")),
    ],
    ["in UTF-16, padded so", (pid) => Buffer.from(`${pid}\r\n\0\0\0`, "utf16le")],
    ["as JSON, padded so", (pid) => Buffer.from(`${jsonOf(pid)}\n`.padEnd(512, "\0"))],
    ["as JSON with nothing but a pid", (pid) => Buffer.from(`{ "pid": ${pid} }`)],
    ["as JSON with a byte order mark", (pid) => Buffer.from(`\uFEFF${jsonOf(pid)}`)],
    ["as JSON in UTF-16", (pid) => Buffer.from(`\uFEFF ${jsonOf(pid)}\r\n`, "utf16le")],
  ];

  test.each(FORMS)(
    "another program's pid file as %s is respected while its process lives",
    async (_how, bytesOf) => {
      const path = join(temporaryFolder(), "daemon.pid");
      const owner = await liveOwner();
      const bytes = bytesOf(String(owner.pid));
      writeFileSync(path, bytes);
      const error = await pidFile({ path });
      expect(error).toBeInstanceOf(FileLockTimeoutError);
      expect(error).toMatchObject({ pid: owner.pid });
      expect(readFileSync(path)).toEqual(bytes);
    },
  );

  test.for(FORMS)(
    "another program's pid file as %s is taken over when there is no such process",
    async ([, bytesOf], context) => {
      requireNative(context);
      const path = join(temporaryFolder(), "daemon.pid");
      writeFileSync(path, bytesOf(String(await endedPid())));
      expect(await pidFile({ path })).toBe("acquired");
    },
  );

  test.each([
    ["a text in UTF-16", Buffer.from("\uFEFFdear diary", "utf16le")],
    ["a number with a sign", Buffer.from("+4711")],
    ["a number in full-width digits", Buffer.from("４７１１")],
    ["zeros only", Buffer.from("0000")],
    ["a number with a zero byte before it", Buffer.from("\u0000\u000047")],
    ["two bytes that could be a character in UTF-16", Buffer.from("\u00007")],
    ["a number that is no pid, in UTF-16", Buffer.from("\uFEFF47110000000000", "utf16le")],
    ["JSON in UTF-16 that names no process", Buffer.from('\uFEFF{"name":"app"}', "utf16le")],
  ])("a file that is no pid file is never touched: %s", (_what, bytes) => {
    expect(readOtherContent(bytes, 0)).toBe("no-lock");
  });

  test.each([
    ["a byte order mark alone", Buffer.from("\uFEFF")],
    ["one of UTF-16 alone", Buffer.from("\uFEFF", "utf16le")],
    ["a torn beginning in UTF-16", Buffer.from('\uFEFF{\n "pid": 47', "utf16le").subarray(0, -1)],
  ])("a pid file that was not written to its end is a broken one: %s", (_what, bytes) => {
    expect(readOtherContent(bytes, 0)).toBeNull();
  });
});

describe("a time that no date can tell", () => {
  test.each([9e18, -9e18, 8.64e15 + 1, Infinity])(
    "a time of %d ms becomes the nearest that a date can tell",
    (ms) => {
      expect(readOtherContent(Buffer.from("4711"), ms)).toMatchObject({
        pid: 4711,
        createdAt: ms > 0 ? "+275760-09-13T00:00:00.000Z" : "-271821-04-20T00:00:00.000Z",
      });
    },
  );

  test("a time that no date can tell does not keep a pid file's owner from being respected", async (context) => {
    requireLinux(context, "a file system with times of 64 bits");
    const folder = farFolder(context);
    const path = join(folder, "daemon.pid");
    const owner = await liveOwner();
    writeFileSync(path, String(owner.pid));
    utimesSync(path, 9e12, 9e12);
    if (statSync(path).mtimeMs < 9e15) context.skip("/dev/shm has no times of 64 bits");
    expect(await pidFile({ path })).toMatchObject({ code: "FILE_LOCK_TIMEOUT", pid: owner.pid });
  });

  function farFolder(context: TestContext): string {
    let folder: string;
    try {
      folder = mkdtempSync("/dev/shm/pidentity-test-");
    } catch (error) {
      return context.skip(`needs /dev/shm: ${String(error)}`);
    }
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    return folder;
  }
});

describe("another library's lock directory", () => {
  test("another library's lock directory is waited for like any lock, and its disappearance is noticed", async () => {
    const path = join(temporaryFolder(), "ledger.csv");
    mkdirSync(`${path}.lock`);
    const acquiring = acquireFileLock({ path, timeoutMs: 60_000 });
    expect(await Promise.race([acquiring, delay(50, "waiting")])).toBe("waiting");
    rmdirSync(`${path}.lock`);
    const started = performance.now();
    await using lock = await acquiring;
    lock.assertHeld();
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  test("another library's lock directory that stays ends in a timeout that names it as what it is, and is never removed", async () => {
    const path = join(temporaryFolder(), "ledger.csv");
    mkdirSync(`${path}.lock`);
    // As old as it likes.
    utimesSync(`${path}.lock`, 1e9, 1e9);
    const error = await fileLock({ path, timeoutMs: 110 });
    expect(error).toBeInstanceOf(FileLockTimeoutError);
    expect(error).toMatchObject({
      code: "FILE_LOCK_TIMEOUT",
      timeoutMs: 110,
      owner: "owner=unknown",
      pid: null,
      obstacle: "directory",
      lockPath: `${path}.lock`,
    });
    expect((error as Error).message).toBe(
      `file locked (timeout 110ms): owner=unknown ${path}.lock` +
        " (a directory: another library's lock, held or left)",
    );
    expect(statSync(`${path}.lock`).isDirectory()).toBe(true);
  });
});
