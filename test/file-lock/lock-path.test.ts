/** The lock file at a place that the caller chooses. */
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";

import { beforeEach, describe, expect, test } from "vitest";

import { acquireFileLock } from "../../lib/file-lock/acquire-file-lock.js";
import { checkFileLock } from "../../lib/file-lock/check-file-lock.js";
import { FileLockFileError, FileLockTimeoutError } from "../../lib/file-lock/errors.js";
import { runNode } from "../support/processes/child.js";
import { importDist, startHolder } from "../support/locks/lock-holder.js";
import { requireNative, requirePosix, requireWindows } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

test("a lock file of the caller's own place is made there, with its folders, and nowhere else", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "ledger.csv");
  const lockPath = join(folder, "run", "locks", "ledger.lck");
  const lock = await acquireFileLock({ path, lockPath });
  expect(lock).toMatchObject({ path, lockPath });
  expect(readdirSync(folder)).toEqual(["run"]);
  lock.assertHeld();
  await lock.release();
  expect(existsSync(lockPath)).toBe(false);
});

test("two files with one lock file exclude each other, and one file with two does not", async (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  const lockPath = join(folder, "both.lck");
  await startHolder(lockPath);
  const refused = acquireFileLock({ path: join(folder, "a"), lockPath, timeoutMs: 0 });
  await expect(refused).rejects.toBeInstanceOf(FileLockTimeoutError);
  await using other = await acquireFileLock({ path: join(folder, "a"), timeoutMs: 0 });
  other.assertHeld();
});

test("a relative lock file is resolved once, at the call", async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "elsewhere"));
  const script = `
    ${importDist("acquireFileLock", "file-lock/index.js")}
    const acquiring = acquireFileLock({ path: "ledger.csv", lockPath: "ledger.lck" });
    process.chdir("elsewhere");
    const lock = await acquiring;
    console.log(JSON.stringify(lock.lockPath));
    await lock.release();`;
  expect(await runNode(script, { cwd: folder })).toBe(join(folder, "ledger.lck"));
  expect(readdirSync(folder)).toEqual(["elsewhere"]);
});

test("a lock file may be given as a URL", async () => {
  const folder = temporaryFolder();
  const lockPath = join(folder, "ledger.lck");
  const path = pathToFileURL(join(folder, "ledger.csv"));
  await using lock = await acquireFileLock({ path, lockPath: pathToFileURL(lockPath) });
  expect(lock.lockPath).toBe(lockPath);
});

describe("a lock file that is the guarded file itself", () => {
  test.each<[string, (folder: string) => { path: string; lockPath: string | URL }]>([
    ["by its name", (folder) => ({ path: join(folder, "f"), lockPath: join(folder, "f") })],
    [
      "by a relative path",
      (folder) => ({
        path: join(folder, "f"),
        lockPath: relative(process.cwd(), join(folder, "f")),
      }),
    ],
    [
      "by another route",
      (folder) => ({ path: join(folder, "f"), lockPath: join(folder, "d", "..", "f") }),
    ],
    [
      "as a URL",
      (folder) => ({ path: join(folder, "f"), lockPath: pathToFileURL(join(folder, "f")) }),
    ],
  ])("a lock file that is the guarded file itself is refused: %s", async (_how, of) => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "d"));
    const options = of(folder);
    // An empty one that is as old would be taken for a broken lock.
    writeFileSync(options.path, "");
    utimesSync(options.path, 1e9, 1e9);
    const message = /^options\.lockPath must be another file than options\.path, got /;
    await expect(acquireFileLock({ ...options, timeoutMs: 0 })).rejects.toThrow(message);
    await expect(checkFileLock(options)).rejects.toThrow(message);
    expect(readFileSync(options.path, "utf8")).toBe("");
  });

  test("a lock file that is the guarded file itself is refused by way of symbolic links", async (context) => {
    requirePosix(context, "symbolic links");
    const folder = temporaryFolder();
    mkdirSync(join(folder, "d"));
    writeFileSync(join(folder, "d", "f"), "");
    symlinkSync("d", join(folder, "alias"));
    symlinkSync(join("d", "f"), join(folder, "link"));
    const pairs = [
      [join(folder, "alias", "f"), join(folder, "d", "f")],
      [join(folder, "link"), join(folder, "d", "f")],
      [join(folder, "d", "f"), join(folder, "link")],
      [join(folder, "alias", "new"), join(folder, "d", "new")],
    ] as const;
    for (const [path, lockPath] of pairs) {
      await expect(acquireFileLock({ path, lockPath, timeoutMs: 0 })).rejects.toThrow(
        "options.lockPath must be another file than options.path",
      );
    }
  });

  test("a lock file that is a hard link to the guarded file takes nothing of the file away", async () => {
    const folder = temporaryFolder();
    const [path, lockPath] = [join(folder, "f"), join(folder, "g")];
    writeFileSync(path, "mine");
    linkSync(path, lockPath);
    utimesSync(path, 1e9, 1e9);
    await expect(acquireFileLock({ path, lockPath, timeoutMs: 0 })).rejects.toBeInstanceOf(
      FileLockFileError,
    );
    expect(readFileSync(path, "utf8")).toBe("mine");
  });
});

test.each(["locks/", ".", "..", "locks/.", "locks/.."])(
  "a lock file cannot be %j, which names a directory",
  async (lockPath) => {
    await expect(acquireFileLock({ path: "a", lockPath })).rejects.toThrow(
      `options.lockPath must be the path of a file, not of a directory, got '${lockPath}'`,
    );
  },
);

test("a directory in the place of the caller's lock file is waited for as another library's lock", async () => {
  const folder = temporaryFolder();
  const lockPath = join(folder, "ledger.lck");
  mkdirSync(lockPath);
  const acquiring = acquireFileLock({ path: join(folder, "ledger"), lockPath, timeoutMs: 20 });
  await expect(acquiring).rejects.toMatchObject({
    code: "FILE_LOCK_TIMEOUT",
    obstacle: "directory",
  });
  expect(existsSync(lockPath)).toBe(true);
});

describe("on Windows", () => {
  beforeEach((context) => requireWindows(context, "its names"));

  test("a name in letters of another case is the lock that this thread holds", async () => {
    const path = join(temporaryFolder(), "Data.bin");
    await using lock = await acquireFileLock({ path, allowReentrant: true });
    const other = path.toUpperCase();
    await using shared = await acquireFileLock({ path: other, allowReentrant: true, timeoutMs: 0 });
    expect(shared.lockPath).toBe(lock.lockPath);
    const refused = acquireFileLock({ path: other, timeoutMs: 0 });
    await expect(refused).rejects.toMatchObject({ lockPath: lock.lockPath, pid: process.pid });
  });

  test.each([
    ["agent:main", "EINVAL", 'invalid name, it has ":" in it'],
    ["dir.\\file", "EINVAL", "ends with a dot or a space"],
    // A lock of that name could be made and not be removed.
    ["x".repeat(230), "ENAMETOOLONG", "name too long"],
  ])(
    "a name that no file can have is refused, and nothing is made: %s",
    async (name, code, why) => {
      const folder = temporaryFolder();
      const acquiring = acquireFileLock({ path: join(folder, name) });
      await expect(acquiring).rejects.toMatchObject({ code: "FILE_LOCK_FILE", cause: { code } });
      await expect(acquiring).rejects.toThrow(why);
      await expect(checkFileLock({ path: join(folder, name) })).rejects.toThrow(why);
      expect(readdirSync(folder)).toEqual([]);
    },
  );

  test("a lock by any route to it is one: below Win32's rules, with slashes, the drive in either case", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "data.bin");
    await using lock = await acquireFileLock({ path });
    const [letter = ""] = path;
    const routes = [
      `\\\\?\\${path}`,
      path.replaceAll("\\", "/"),
      letter.toLowerCase() + path.slice(1),
      letter.toUpperCase() + path.slice(1),
    ];
    for (const route of routes) {
      expect(await checkFileLock({ path: route })).toMatchObject({ locked: true });
      const refused = acquireFileLock({ path: route, timeoutMs: 0 });
      await expect(refused).rejects.toMatchObject({ lockPath: lock.lockPath });
    }
  });
});
