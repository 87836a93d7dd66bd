/** The examples in lib/file-lock/README.md. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { start, startReady } from "../support/child.js";
import { requireNative } from "../support/require.js";
import { codeBlock, writeExample } from "../support/readme-code.js";
import { temporaryFolder } from "../support/temporary-folder.js";

test("the daemon runs once: the second is told who runs, and after a kill the third takes over", async (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  const daemon = writeExample(codeBlock("lib/file-lock/README.md", "js", "acquirePidFile"), folder);
  const path = join(folder, "daemon.pid");

  const first = await startReady(process.execPath, [daemon, path]);
  expect(first.first).toBe(`running as ${String(first.pid)}: ${path}`);
  const sample = codeBlock("lib/file-lock/README.md", "json", '"pid"');
  const published = JSON.parse(readFileSync(path, "utf8")) as object;
  // Windows has no number for a file system's kind.
  const isWritten = (key: string): boolean => key !== "fileSystem" || process.platform !== "win32";
  const keys = Object.keys(JSON.parse(sample) as object);
  expect(Object.keys(published)).toEqual(keys.filter(isWritten));

  const second = await start(process.execPath, [daemon, path]);
  let said = "";
  second.process.stderr?.on("data", (text: string) => (said += text));
  expect(await second.exited()).toBe(1);
  expect(said).toBe(`already running as ${String(first.pid)}\n`);

  await first.kill("SIGKILL");
  expect(existsSync(path)).toBe(true);
  const third = await startReady(process.execPath, [daemon, path]);
  expect(third.first).toBe(`running as ${String(third.pid)}: ${path}`);
});

test("the lock around a file writes its line and leaves no lock behind", async () => {
  const folder = temporaryFolder();
  const example = writeExample(
    codeBlock("lib/file-lock/README.md", "js", "acquireFileLock"),
    folder,
  );
  const child = await start(process.execPath, [example], { cwd: folder });
  expect(await child.exited()).toBe(0);
  expect(readFileSync(join(folder, "ledger.csv"), "utf8")).toBe("1;2;3\n");
  expect(readdirSync(folder).sort()).toEqual(["example.mjs", "ledger.csv"]);
});
