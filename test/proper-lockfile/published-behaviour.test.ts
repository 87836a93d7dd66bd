/**
 * What proper-lockfile promises, of the package itself and of our form of it: one table for both. The package lies in the
 * benchmarks' dependencies (`npm --prefix test/lab/bench ci`).
 */
import {
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

import { describe, expect, test, vi } from "vitest";

import ours, { type ProperLockfile } from "../../lib/proper-lockfile/index.js";
import { takeNameAway } from "../support/locks/lock-holder.js";
import { ROOT } from "../support/processes/programs.js";
import { requirePosix } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { waitFor } from "../support/wait-for.js";

const require = createRequire(import.meta.url);

/** null: not installed. */
function thePackage(): ProperLockfile | null {
  try {
    return require(join(ROOT, "test/lab/bench/node_modules/proper-lockfile")) as ProperLockfile;
  } catch {
    return null;
  }
}

const theirs = thePackage();
const IMPLEMENTATIONS: readonly (readonly [string, ProperLockfile])[] = [
  ["pidentity/proper-lockfile", ours],
  ...(theirs === null ? [] : [["proper-lockfile", theirs] as const]),
];

function newFile(): string {
  const file = join(realpathSync(temporaryFolder()), "some-file");
  writeFileSync(file, "");
  return file;
}

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => null,
    (error: unknown) => error,
  );

function thrownBy(call: () => unknown): unknown {
  try {
    call();
    return null;
  } catch (error) {
    return error;
  }
}

/** As another program would remove it; one of them makes a directory. */
function takeAway(lockPath: string): void {
  if (statSync(lockPath).isDirectory()) rmSync(lockPath, { recursive: true });
  else takeNameAway(lockPath);
}

/** As a holder that has ended without a trace would leave it. */
function leaveDirectory(file: string, ageMs: number): string {
  const path = `${file}.lock`;
  mkdirSync(path);
  const then = new Date(Date.now() - ageMs);
  utimesSync(path, then, then);
  return path;
}

describe.each(IMPLEMENTATIONS)("%s", (_name, lockfile) => {
  test("is a function, with all of them as its properties", () => {
    expect(Object.keys(lockfile).toSorted()).toEqual([
      "check",
      "checkSync",
      "lock",
      "lockSync",
      "unlock",
      "unlockSync",
    ]);
    expect(typeof lockfile).toBe("function");
  });

  test("gives a function that gives the lock back", async () => {
    const file = newFile();
    const release = await lockfile.lock(file);
    expect(readdirSync(join(file, ".."))).toEqual(["some-file", "some-file.lock"]);
    expect(await lockfile.check(file)).toBe(true);
    expect(await release()).toBeUndefined();
    expect(readdirSync(join(file, ".."))).toEqual(["some-file"]);
    expect(await lockfile.check(file)).toBe(false);
    await (
      await lockfile(file)
    )();
  });

  test("says ELOCKED, and of which file, while it is held", async () => {
    const file = newFile();
    const release = await lockfile.lock(file);
    expect(await failureOf(lockfile.lock(file))).toMatchObject({
      code: "ELOCKED",
      message: "Lock file is already being held",
      file,
    });
    expect(thrownBy(() => lockfile.lockSync(file))).toMatchObject({ code: "ELOCKED", file });
    await release();
  });

  test("says ERELEASED of the second release, and ENOTACQUIRED of an unlock that has nothing to unlock", async () => {
    const file = newFile();
    const release = await lockfile.lock(file);
    await release();
    expect(await failureOf(release())).toMatchObject({
      code: "ERELEASED",
      message: "Lock is already released",
    });
    expect(await failureOf(lockfile.unlock(file))).toMatchObject({
      code: "ENOTACQUIRED",
      message: "Lock is not acquired/owned by you",
    });
    expect(thrownBy(() => lockfile.unlockSync(file))).toMatchObject({ code: "ENOTACQUIRED" });
  });

  test("unlocks by the file's name, in both forms", async () => {
    const file = newFile();
    const release = await lockfile.lock(file);
    expect(await lockfile.unlock(file)).toBeUndefined();
    expect(await failureOf(release())).toMatchObject({ code: "ERELEASED" });
    const releaseSync = lockfile.lockSync(file);
    expect(lockfile.unlockSync(file)).toBeUndefined();
    expect(thrownBy(releaseSync)).toMatchObject({ code: "ERELEASED" });
    lockfile.lockSync(file)();
    expect(lockfile.checkSync(file)).toBe(false);
  });

  test("wants the file to exist, unless its real path is not asked for", async () => {
    const file = join(realpathSync(temporaryFolder()), "absent");
    for (const failure of [
      await failureOf(lockfile.lock(file)),
      await failureOf(lockfile.check(file)),
      await failureOf(lockfile.unlock(file)),
      thrownBy(() => lockfile.lockSync(file)),
      thrownBy(() => lockfile.checkSync(file)),
    ]) {
      expect(failure).toMatchObject({ code: "ENOENT" });
    }
    const options = { realpath: false };
    const release = await lockfile.lock(file, options);
    expect(await lockfile.check(file, options)).toBe(true);
    await release();
    const relative = await lockfile.lock("absent-too", {
      ...options,
      lockfilePath: `${file}.lock`,
    });
    expect(await failureOf(lockfile.unlock(resolve("absent-too"), options))).toBeNull();
    expect(await failureOf(relative())).toMatchObject({ code: "ERELEASED" });
    rmSync(`${file}.lock`, { recursive: true, force: true });
  });

  test("takes a file and a link to it for one", async (context) => {
    requirePosix(context, "symbolic links need a privilege on Windows");
    const file = newFile();
    symlinkSync(file, `${file}-link`);
    const release = await lockfile.lock(file);
    expect(await failureOf(lockfile.lock(`${file}-link`))).toMatchObject({ code: "ELOCKED" });
    const apart = await lockfile.lock(`${file}-link`, { realpath: false });
    await apart();
    await lockfile.unlock(`${file}-link`);
    expect(await failureOf(release())).toMatchObject({ code: "ERELEASED" });
  });

  test("puts the lock where lockfilePath says", async () => {
    const folder = realpathSync(temporaryFolder());
    const lockfilePath = join(folder, "dir.lock");
    const release = await lockfile.lock(folder, { lockfilePath });
    expect(readdirSync(folder)).toEqual(["dir.lock"]);
    expect(await lockfile.check(folder, { lockfilePath })).toBe(true);
    await release();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("tries again as often as it is told, and then says ELOCKED", async () => {
    const file = newFile();
    const release = await lockfile.lock(file);
    const started = performance.now();
    const retries = { retries: 2, minTimeout: 60, factor: 2 };
    expect(await failureOf(lockfile.lock(file, { retries }))).toMatchObject({ code: "ELOCKED" });
    expect(performance.now() - started).toBeGreaterThanOrEqual(178);
    const later = lockfile.lock(file, {
      retries: { forever: true, minTimeout: 20, maxTimeout: 20 },
    });
    await release();
    await (
      await later
    )();
    expect(thrownBy(() => lockfile.lockSync(file, { retries: 1 }))).toMatchObject({
      code: "ESYNC",
      message: "Cannot use retries with the sync api",
    });
  });

  test("takes over a directory that is older than `stale`, and no younger one", async () => {
    const file = newFile();
    const path = leaveDirectory(file, 8000);
    expect(await lockfile.check(file)).toBe(true);
    expect(await failureOf(lockfile.lock(file))).toMatchObject({ code: "ELOCKED" });
    expect(await lockfile.check(file, { stale: 5000 })).toBe(false);
    expect(lockfile.checkSync(file, { stale: 5000 })).toBe(false);
    await (
      await lockfile.lock(file, { stale: 5000 })
    )();
    expect(await lockfile.check(file)).toBe(false);
    mkdirSync(path);
    // At least two seconds.
    expect(await failureOf(lockfile.lock(file, { stale: 1 }))).toMatchObject({ code: "ELOCKED" });
    rmSync(path, { recursive: true });
  });

  test("tells once that the lock was lost, whose release then says ERELEASED", async () => {
    const file = newFile();
    const onCompromised = vi.fn();
    const release = await lockfile.lock(file, { update: 1000, stale: 2000, onCompromised });
    takeAway(`${file}.lock`);
    await waitFor("the lock to be lost", () => onCompromised.mock.calls.length > 0);
    expect(onCompromised).toHaveBeenCalledOnce();
    expect(onCompromised.mock.calls[0]).toMatchObject([{ code: "ECOMPROMISED" }]);
    expect(await failureOf(release())).toMatchObject({ code: "ERELEASED" });
    expect(await failureOf(lockfile.unlock(file))).toMatchObject({ code: "ENOTACQUIRED" });
  });

  test("gives back a lock whose file is gone without an error", async () => {
    const file = newFile();
    const onCompromised = vi.fn();
    const release = await lockfile.lock(file, { onCompromised });
    takeAway(`${file}.lock`);
    expect(await failureOf(release())).toBeNull();
    expect(onCompromised).not.toHaveBeenCalled();
  });

  test("says that the file's directory cannot be written to", async (context) => {
    requirePosix(context, "the name is too long for a file everywhere else");
    const file = newFile();
    const lockfilePath = join(file, "under-a-file.lock");
    expect(await failureOf(lockfile.lock(file, { lockfilePath }))).toMatchObject({
      code: "ENOTDIR",
    });
  });
});

test("the package itself is there to be compared with", (context) => {
  context.skip(theirs === null, "proper-lockfile is not installed: npm --prefix test/lab/bench ci");
  expect(theirs).not.toBe(ours);
});
