/** The doctor's report on a folder with ten kinds of locks, as the guide shows it. */
import { mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { runHere } from "../../support/command-line.js";
import { abandonedLock, startSessionHolder } from "../../support/locks/file-lock-holder.js";
import { endedPid, liveOwner } from "../../support/locks/lock-directory.js";
import { ROOT } from "../../support/processes/programs.js";
import { requireNative, requirePosix } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const HOUR_MS = 3_600_000;

/** The first picture of the guide's section. */
function pictureInGuide(): string {
  const guide = readFileSync(join(ROOT, "lib/cli/README.md"), "utf8").replaceAll("\r\n", "\n");
  const [, section = ""] = guide.split("\n## Any lock");
  const [, text = ""] = /\n```text\n(.*?)```\n/su.exec(section) ?? [];
  return text;
}

/** Pids, ages and what is between columns are not the same twice. */
function comparable(report: string): string[] {
  return report
    .trimEnd()
    .split("\n")
    .map((line) =>
      line
        .replaceAll(/ \d{3,} /gu, " PID ")
        .replaceAll(/\b\d+[smhd](?:\d+[smh])?\b/gu, "AGE")
        .replaceAll(/ {2,}/gu, "  ")
        .trimEnd(),
    );
}

/** Vim's block 0: its pid and host stand at fixed places. */
function swapFile(pid: number): Buffer {
  const bytes = Buffer.alloc(4096);
  bytes.write("b0VIM 9.0", 0, "latin1");
  bytes.writeUInt32LE(pid, 24);
  bytes.write("~ann/notes.txt", 108);
  return bytes;
}

test("a folder with ten kinds of locks gives the report that the guide shows", async (context) => {
  requireNative(context);
  requirePosix(context, "symbolic links without privilege");
  const folder = temporaryFolder();
  const owner = await liveOwner();
  const ended = await endedPid();
  const [live, dead] = [String(owner.pid), String(ended)];
  const put = (name: string, content: string | Buffer): void =>
    writeFileSync(join(folder, name), content);
  const hourAgo = new Date(Date.now() - HOUR_MS);

  put("app.pid", `${live}\n`);
  put("old.pid", `${dead}\n`);
  const createdAt = hourAgo.toISOString();
  put("gateway.0a1b2c3d.lock", JSON.stringify({ pid: ended, createdAt, configPath: "/c.json" }));
  put("sessions.json.lock", JSON.stringify({ pid: owner.pid, startedAt: Date.now() }));
  put("postmaster.pid", `${dead}\n/var/lib/postgresql/15/main\n1767225600\n5432\n`);
  put("index.lock", "DIRC\0\0\0\u0002");
  put(".notes.txt.swp", swapFile(ended));
  symlinkSync(`build-host.invalid-${dead}`, join(folder, "SingletonLock"));
  mkdirSync(join(folder, "cache.json.lock"));
  utimesSync(join(folder, "cache.json.lock"), hourAgo, hourAgo);
  await abandonedLock(join(folder, "ledger.csv"));
  await startSessionHolder(join(folder, "main.jsonl"));

  const { code, stdout } = await runHere(["locks", "--all", folder], {
    isTTY: true,
    columns: 160,
    env: { NO_COLOR: "1" },
  });
  expect(comparable(stdout)).toEqual(comparable(pictureInGuide()));
  expect(code).toBe(1);
});
