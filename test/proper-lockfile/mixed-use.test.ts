/** Our form and the package itself on one path: neither takes the other's lock. */
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  realpathSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

import { expect, test, type TestContext } from "vitest";

import * as ours from "../../lib/proper-lockfile/index.js";
import type { ProperLockfile } from "../../lib/proper-lockfile/index.js";
import { runNode, startReady } from "../support/processes/child.js";
import { importDist, startHolder } from "../support/locks/lock-holder.js";
import { ROOT } from "../support/processes/programs.js";
import { requireNative } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const PACKAGE = join(ROOT, "test/lab/bench/node_modules/proper-lockfile");

function theirsOr(context: TestContext): ProperLockfile {
  context.skip(
    !existsSync(PACKAGE),
    "proper-lockfile is not installed: npm --prefix test/lab/bench ci",
  );
  return createRequire(import.meta.url)(PACKAGE) as ProperLockfile;
}

function newFile(): string {
  const file = join(realpathSync(temporaryFolder()), "some-file");
  writeFileSync(file, "");
  return file;
}

function makeOld(path: string): void {
  const then = new Date(Date.now() - 3_600_000);
  utimesSync(path, then, then);
}

test("the package does not take our lock, however old it is", async (context) => {
  const theirs = theirsOr(context);
  const file = newFile();
  const release = await ours.lock(file);
  await expect(theirs.lock(file)).rejects.toMatchObject({ code: "ELOCKED" });
  // It takes it for left then, and cannot remove it: it is no directory.
  makeOld(`${file}.lock`);
  await expect(theirs.lock(file)).rejects.toThrow(/ENOTDIR|EPERM|ENOENT/u);
  expect(lstatSync(`${file}.lock`).isFile()).toBe(true);
  await release();
  await (
    await theirs.lock(file)
  )();
});

test("we wait for the package's lock, and take it when its holder has given it back", async (context) => {
  const theirs = theirsOr(context);
  const file = newFile();
  const release = await theirs.lock(file);
  expect(await ours.check(file)).toBe(true);
  await expect(ours.lock(file)).rejects.toMatchObject({ code: "ELOCKED" });
  const waiting = ours.lock(file, { retries: { forever: true, minTimeout: 10_000 } });
  await release();
  await (
    await waiting
  )();
});

test("of processes of both kinds one at a time counts up", async (context) => {
  requireNative(context);
  theirsOr(context);
  const file = newFile();
  writeFileSync(file, "0");
  const rounds = 25;
  const counting = (load: string): string => `
    import { createRequire } from "node:module";
    import { readFileSync, writeFileSync } from "node:fs";
    ${load}
    const retries = { forever: true, minTimeout: 2, maxTimeout: 5 };
    for (let i = 0; i < ${rounds}; i++) {
      const release = await lock(${JSON.stringify(file)}, { retries });
      const before = Number(readFileSync(${JSON.stringify(file)}, "utf8"));
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
      writeFileSync(${JSON.stringify(file)}, String(before + 1));
      await release();
    }
    console.log("null");`;
  const loads = [
    `const { lock } = createRequire(import.meta.url)(${JSON.stringify(PACKAGE)});`,
    importDist("lock", "proper-lockfile/index.js"),
  ];
  await Promise.all([...loads, ...loads].map((load) => runNode(counting(load))));
  expect(readFileSync(file, "utf8")).toBe(String(4 * rounds));
});

test("a dead holder's lock is free at once, not after ten seconds", async (context) => {
  requireNative(context);
  const file = newFile();
  const child = await startReady(process.execPath, [
    "--input-type=module",
    "--eval",
    `${importDist("lock", "proper-lockfile/index.js")}
     await lock(process.argv[1]);
     console.log("holding");
     setInterval(() => {}, 1000);`,
    file,
  ]);
  await expect(ours.lock(file)).rejects.toMatchObject({ code: "ELOCKED" });
  await child.kill("SIGKILL");
  expect(await ours.check(file)).toBe(false);
  await (
    await ours.lock(file)
  )();
});

test("a holder that does not get a turn for longer than `stale` keeps its lock", async (context) => {
  requireNative(context);
  const file = newFile();
  const holder = await startHolder(`${file}.lock`);
  makeOld(`${file}.lock`);
  await expect(ours.lock(file, { stale: 2000 })).rejects.toMatchObject({ code: "ELOCKED" });
  expect(ours.checkSync(file, { stale: 2000 })).toBe(true);
  await holder.kill("SIGKILL");
});

test("locks that are held are removed when the process exits", async () => {
  const file = newFile();
  await runNode(`${importDist("lock", "proper-lockfile/index.js")}
    await lock(${JSON.stringify(file)});
    console.log("null");`);
  expect(existsSync(`${file}.lock`)).toBe(false);
});

test("without onCompromised a lost lock is an uncaught exception", async () => {
  const file = newFile();
  const code = await runNode(`${importDist("lock", "proper-lockfile/index.js")}
    import { renameSync } from "node:fs";
    process.on("uncaughtException", (error) => {
      console.log(JSON.stringify(error.code));
      process.exit(0);
    });
    await lock(${JSON.stringify(file)}, { update: 1000 });
    renameSync(${JSON.stringify(`${file}.lock`)}, ${JSON.stringify(`${file}.aside`)});
    setInterval(() => {}, 1000);`);
  expect(code).toBe("ECOMPROMISED");
});

test("bad options are refused by name", async () => {
  const file = newFile();
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [{ stale: -1 }, /options\.stale/u],
    [{ retries: "3" }, /options\.retries/u],
    [{ retries: { retries: 1, minTimeout: -1 } }, /options\.retries\.minTimeout/u],
    [{ realpath: 1 }, /options\.realpath/u],
    [{ fs: { mkdir: () => {} } }, /options\.fs must be node:fs or graceful-fs/u],
    [{ lockFilePath: "x" }, /has no option "lockFilePath": did you mean "lockfilePath"/u],
    [{ onCompromised: 1 }, /options\.onCompromised/u],
  ];
  for (const [options, message] of cases) {
    await expect(ours.lock(file, options as never)).rejects.toThrow(message);
    expect(() => ours.lockSync(file, options as never)).toThrow(message);
  }
  expect(readdirSync(join(file, ".."))).toEqual(["some-file"]);
});
