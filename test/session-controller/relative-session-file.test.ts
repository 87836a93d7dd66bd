import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

import { describe, expect, onTestFinished, test, vi } from "vitest";

import {
  acquireSessionFileOwner,
  createSessionController,
} from "../../lib/session-controller/index.js";
import { acquireSessionWriteLock } from "../../lib/session-lock/index.js";
import { controllerOf, FIRST_LINE } from "../support/locks/run-controller.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const LINE = '{"role":"user"}\n';

/** Two folders with a session of the same name in each; the process works in the first one. */
function twoFolders() {
  const [folder, elsewhere] = [temporaryFolder(), temporaryFolder()];
  const before = process.cwd();
  onTestFinished(() => process.chdir(before));
  process.chdir(folder);
  // The temporary folder may be reached through a symbolic link.
  const here = process.cwd();
  for (const place of [here, elsewhere]) writeFileSync(join(place, "s.jsonl"), FIRST_LINE);
  return { sessionFile: join(here, "s.jsonl"), elsewhere };
}

describe("a relative session file", () => {
  test("is the one of the folder in which the controller was made, wherever the process works later", async () => {
    const { sessionFile, elsewhere } = twoFolders();
    const asked: string[] = [];
    const controller = await createSessionController({
      acquire: async (options) => {
        asked.push(options.sessionFile);
        return await acquireSessionWriteLock({ ...options, env: {} });
      },
      sessionFile: "s.jsonl",
      env: {},
    });
    onTestFinished(() => controller.dispose());
    process.chdir(elsewhere);
    await controller.withWriteLock(({ appendFenced }) => appendFenced("held\n"));
    await controller.releaseForPrompt();
    await controller.withWriteLock(({ appendFenced }) => {
      expect(existsSync(`${sessionFile}.lock`)).toBe(true);
      appendFenced("short\n");
    });
    await controller.reacquireAfterPrompt();
    expect(existsSync(`${sessionFile}.lock`)).toBe(true);
    await (await controller.acquireForCleanup()).release();
    expect(readFileSync(sessionFile, "utf8")).toBe(`${FIRST_LINE}held\nshort\n`);
    expect(readFileSync(join(elsewhere, "s.jsonl"), "utf8")).toBe(FIRST_LINE);
    expect(new Set(asked)).toEqual(new Set([sessionFile]));
  });

  test("is compared where it was, and a takeover names it by its whole path", async () => {
    const { sessionFile, elsewhere } = twoFolders();
    const { controller } = await controllerOf("s.jsonl");
    await controller.releaseForPrompt();
    process.chdir(elsewhere);
    appendFileSync("s.jsonl", LINE);
    await controller.withWriteLock(() => {});
    appendFileSync(sessionFile, LINE);
    await expect(controller.withWriteLock(vi.fn())).rejects.toMatchObject({
      code: "SESSION_TAKEOVER",
      sessionFile,
    });
  });

  test("that is declared as written is looked at where it was", async () => {
    const { sessionFile, elsewhere } = twoFolders();
    const { controller } = await controllerOf("s.jsonl");
    await controller.releaseForPrompt();
    appendFileSync(sessionFile, LINE);
    process.chdir(elsewhere);
    await controller.publishOwnedWrite();
    process.chdir(dirname(sessionFile));
    await controller.reacquireAfterPrompt();
    expect(controller.hasTakeover()).toBe(false);
  });

  test("has the owner that it had before the process went elsewhere, and the errors name the whole path", async () => {
    const { sessionFile, elsewhere } = twoFolders();
    const owner = await acquireSessionFileOwner({ sessionFile: "s.jsonl" });
    await expect(
      acquireSessionFileOwner({ sessionFile: "s.jsonl", timeoutMs: 0 }),
    ).rejects.toMatchObject({ code: "SESSION_FILE_OWNER_TIMEOUT", sessionFile });
    process.chdir(elsewhere);
    (await acquireSessionFileOwner({ sessionFile: "s.jsonl", timeoutMs: 0 })).release();
    await expect(
      acquireSessionFileOwner({ sessionFile: relative(process.cwd(), sessionFile), timeoutMs: 0 }),
    ).rejects.toMatchObject({ code: "SESSION_FILE_OWNER_TIMEOUT" });
    owner.release();
  });
});
