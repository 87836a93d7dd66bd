/** What counts as another writer's change of the session file, on real files. */
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

import { describe, expect, test, vi } from "vitest";

import { createControllerIn } from "../../../lib/session-controller/controller.js";
import {
  type createSessionController,
  type SessionController,
  SessionTakeoverError,
  type SessionTakeoverFinding,
} from "../../../lib/session-controller/index.js";
import { resolveControllerOptions } from "../../../lib/session-controller/options.js";
import {
  realSessionFs,
  type SessionFs,
} from "../../../lib/session-controller/fence/session-file.js";
import { runNode } from "../../support/processes/child.js";
import { importDist } from "../../support/locks/lock-holder.js";
import { memoryLocks } from "../../support/locks/memory-lock.js";
import { requirePosix } from "../../support/require.js";
import { controllerOf, FIRST_LINE, sessionFileWith } from "../../support/locks/run-controller.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const LINE = '{"role":"user"}\n';
const MIB = 1024 * 1024;

type Change = (sessionFile: string) => void;

/** Puts a new file in the old one's place, as editors do. */
function replaceWith(sessionFile: string, text: string): void {
  writeFileSync(`${sessionFile}.new`, text);
  renameSync(`${sessionFile}.new`, sessionFile);
}

const appended: Change = (file) => appendFileSync(file, LINE);
const truncated: Change = (file) => truncateSync(file, 3);
const removed: Change = (file) => rmSync(file);
const replaced: Change = (file) => replaceWith(file, '{"type":"stranger"}\n');
const rewritten: Change = (file) => {
  const { atime, mtime } = statSync(file);
  writeFileSync(file, FIRST_LINE.toUpperCase());
  utimesSync(file, atime, mtime);
};
const rewrittenLonger: Change = (file) => writeFileSync(file, FIRST_LINE.toUpperCase() + LINE);
const created: Change = (file) => writeFileSync(file, "");

describe("another writer's change while the lock was released is a takeover", () => {
  test.each<[string, string | null, Change, SessionTakeoverFinding]>([
    ["an append", FIRST_LINE, appended, "file-appended"],
    ["an append to an empty file", "", appended, "file-appended"],
    ["a truncation", FIRST_LINE, truncated, "file-rewritten"],
    ["a removal", FIRST_LINE, removed, "file-removed"],
    ["another file in its place", FIRST_LINE, replaced, "file-replaced"],
    ["a rewrite of the same size with restored mtime", FIRST_LINE, rewritten, "file-rewritten"],
    ["a longer file in the same inode", FIRST_LINE, rewrittenLonger, "file-rewritten"],
    ["a file where there was none", null, created, "file-created"],
  ])("%s", async (_name, text, change, found) => {
    const { controller, sessionFile, locks } = await controllerOf(sessionFileWith(text));
    await controller.releaseForPrompt();
    change(sessionFile);
    const run = vi.fn();
    await expect(controller.withWriteLock(run)).rejects.toMatchObject({
      name: "SessionTakeoverError",
      code: "SESSION_TAKEOVER",
      reason: "file-changed",
      found,
      pid: null,
      sessionFile,
      message: `session file changed while embedded prompt lock was released: ${sessionFile}`,
      cause: expect.any(Error) as Error,
    });
    expect(run).not.toHaveBeenCalled();
    expect(controller.hasTakeover()).toBe(true);
    expect(locks.holder()).toBeNull();
  });

  test.each<[string, Change]>([
    ["an append", appended],
    ["a truncation", truncated],
    [
      "another inode with the same size",
      (file) => {
        copyFileSync(file, `${file}.new`);
        renameSync(`${file}.new`, file);
      },
    ],
  ])("also in a file too large to be read: %s", async (_name, change) => {
    const { controller, sessionFile } = await controllerOf(sessionFileWith(""));
    truncateSync(sessionFile, 64 * MIB);
    await controller.releaseForPrompt();
    change(sessionFile);
    await expect(controller.reacquireAfterPrompt()).rejects.toBeInstanceOf(SessionTakeoverError);
  });

  test("the cause says what has changed", async () => {
    const { controller, sessionFile } = await controllerOf(sessionFileWith());
    await controller.releaseForPrompt();
    appendFileSync(sessionFile, LINE);
    await expect(controller.reacquireAfterPrompt()).rejects.toMatchObject({
      cause: { message: "another writer has appended to it: size changed from 19 to 35" },
    });
  });

  test("a takeover stays, also when the file is put back", async () => {
    const { controller, sessionFile } = await controllerOf(sessionFileWith());
    await controller.releaseForPrompt();
    appendFileSync(sessionFile, LINE);
    await expect(controller.withWriteLock(vi.fn())).rejects.toThrow(SessionTakeoverError);
    truncateSync(sessionFile, FIRST_LINE.length);
    await controller.publishOwnedWrite();
    await expect(controller.withWriteLock(vi.fn())).rejects.toThrow(SessionTakeoverError);
    await controller.reacquireAfterPrompt();
    expect(controller.hasTakeover()).toBe(true);
  });

  test.each<[string, (controller: SessionController) => Promise<unknown>]>([
    ["write", (controller) => controller.withWriteLock(vi.fn()).catch((error: unknown) => error)],
    ["cleanup", async (controller) => await (await controller.acquireForCleanup()).release()],
  ])("a change after the lock was taken again is found by the next %s", async (_name, next) => {
    const { controller, sessionFile, locks } = await controllerOf(sessionFileWith());
    await controller.releaseForPrompt();
    await controller.reacquireAfterPrompt();
    appendFileSync(sessionFile, LINE);
    await next(controller);
    expect(controller.hasTakeover()).toBe(true);
    expect(locks.holder()).toBeNull();
    expect(locks.events.filter((event) => event.startsWith("releasing"))).toHaveLength(2);
  });
});

describe("what is no takeover", () => {
  test.each<[string, string | null]>([
    ["an untouched file", FIRST_LINE],
    ["an empty file", ""],
    ["a missing file", null],
  ])("%s", async (_name, text) => {
    const { controller } = await controllerOf(sessionFileWith(text));
    await controller.releaseForPrompt();
    await controller.reacquireAfterPrompt();
    expect(await controller.withWriteLock(() => "written")).toBe("written");
  });

  test("an untouched file that is too large to be read is no takeover", async () => {
    const { controller, sessionFile } = await controllerOf(sessionFileWith(""));
    truncateSync(sessionFile, 64 * MIB);
    await controller.releaseForPrompt();
    await controller.reacquireAfterPrompt();
    expect(controller.hasTakeover()).toBe(false);
  });

  test.each<[string, Change]>([
    ["other times", (file) => utimesSync(file, 1, 1)],
    ["other mode", (file) => chmodSync(file, 0o400)],
    ["another file with the same content", (file) => replaceWith(file, FIRST_LINE)],
  ])("other metadata, equal content: %s", async (_name, change) => {
    const { controller, sessionFile } = await controllerOf(sessionFileWith());
    await controller.releaseForPrompt();
    change(sessionFile);
    await controller.reacquireAfterPrompt();
    expect(controller.hasTakeover()).toBe(false);
    chmodSync(sessionFile, 0o600);
  });

  test("own writes, under short locks and under the held one, are no takeover", async () => {
    const { controller, sessionFile } = await controllerOf(sessionFileWith());
    const write = () => controller.withWriteLock(({ appendFenced }) => appendFenced(LINE));
    await write();
    await controller.releaseForPrompt();
    await write();
    await write();
    await controller.reacquireAfterPrompt();
    await write();
    await controller.releaseForPrompt();
    await write();
    expect(readFileSync(sessionFile, "utf8")).toBe(FIRST_LINE + LINE.repeat(5));
  });

  test("own writes of a run that threw are no takeover", async () => {
    const { controller, sessionFile } = await controllerOf(sessionFileWith());
    await controller.releaseForPrompt();
    const failing = controller.withWriteLock(() => {
      appendFileSync(sessionFile, LINE);
      throw new Error("handler failed");
    });
    await expect(failing).rejects.toThrow("handler failed");
    expect(await controller.withWriteLock(() => "next")).toBe("next");
  });

  test("own writes that overlap under the held lock are no takeover", async () => {
    const { controller } = await controllerOf(sessionFileWith());
    await controller.releaseForPrompt();
    await controller.reacquireAfterPrompt();
    const order: string[] = [];
    await Promise.all(
      ["a", "b", "c"].map((name) =>
        controller.withWriteLock(async ({ appendFenced }) => {
          order.push(`${name} begins`);
          appendFenced(LINE);
          await new Promise((resolve) => void setImmediate(resolve));
          appendFenced(LINE);
          order.push(`${name} ends`);
        }),
      ),
    );
    expect(order.slice(0, 3)).toEqual(["a begins", "b begins", "c begins"]);
    await controller.releaseForPrompt();
    await controller.reacquireAfterPrompt();
  });

  test("a write that was declared as own is no takeover", async () => {
    const { controller, sessionFile } = await controllerOf(sessionFileWith());
    await controller.releaseForPrompt();
    appendFileSync(sessionFile, LINE);
    // Not awaited: what follows waits for it.
    const published = controller.publishOwnedWrite();
    await controller.reacquireAfterPrompt();
    await published;
    expect(controller.hasTakeover()).toBe(false);
  });

  test("before the lock was given up for the first time nothing is compared", async () => {
    const { controller, sessionFile } = await controllerOf(sessionFileWith());
    appendFileSync(sessionFile, LINE);
    expect(await controller.withWriteLock(() => "written")).toBe("written");
  });
});

test("what changes after a write was declared as own is not part of it", async () => {
  const { controller, sessionFile } = await controllerOf(sessionFileWith());
  await controller.releaseForPrompt();
  appendFileSync(sessionFile, LINE);
  const published = controller.publishOwnedWrite();
  appendFileSync(sessionFile, LINE);
  await published;
  await expect(controller.reacquireAfterPrompt()).rejects.toThrow(SessionTakeoverError);
});

describe("a benign change", () => {
  test("is asked about with what the file was and is, and is accepted", async () => {
    const isBenignChange = vi.fn(() => Promise.resolve(true));
    const { controller, sessionFile } = await controllerOf(sessionFileWith(), { isBenignChange });
    await controller.releaseForPrompt();
    appendFileSync(sessionFile, LINE);
    await controller.reacquireAfterPrompt();
    expect(isBenignChange.mock.calls).toEqual([
      [expect.objectContaining({ size: 19n }), expect.objectContaining({ size: 35n })],
    ]);
    await controller.withWriteLock(() => {});
    expect(isBenignChange).toHaveBeenCalledTimes(1);
  });

  test("is not asked about when nothing has changed", async () => {
    const isBenignChange = vi.fn(() => true);
    const { controller } = await controllerOf(sessionFileWith(), { isBenignChange });
    await controller.releaseForPrompt();
    await controller.reacquireAfterPrompt();
    expect(isBenignChange).not.toHaveBeenCalled();
  });

  test.each([
    ["false", () => false],
    ["something that is not true", () => "yes" as never],
    ["an error", () => Promise.reject(new Error("bug"))],
  ])("is none when the answer is %s", async (_name, isBenignChange) => {
    const { controller, sessionFile } = await controllerOf(sessionFileWith(), { isBenignChange });
    await controller.releaseForPrompt();
    appendFileSync(sessionFile, LINE);
    await expect(controller.reacquireAfterPrompt()).rejects.toThrow(SessionTakeoverError);
  });
});

describe("several controllers of one session", () => {
  async function pair(): Promise<{
    readonly released: SessionController;
    readonly other: SessionController;
    readonly sessionFile: string;
  }> {
    const { controller: released, sessionFile, locks } = await controllerOf(sessionFileWith());
    await released.releaseForPrompt();
    const { controller: other } = await controllerOf(sessionFile, {}, locks);
    return { released, other, sessionFile };
  }

  test("a write of one controller is no foreign change to another", async () => {
    const { released, other } = await pair();
    await other.withWriteLock(({ appendFenced }) => appendFenced(LINE));
    await other.withWriteLock(({ appendFenced }) => appendFenced(LINE));
    await other.dispose();
    await released.reacquireAfterPrompt();
    expect(released.hasTakeover()).toBe(false);
  });

  test("a write that one controller declares as its own is no foreign change to another", async () => {
    const { released, other, sessionFile } = await pair();
    appendFileSync(sessionFile, LINE);
    await other.publishOwnedWrite();
    await other.dispose();
    await released.reacquireAfterPrompt();
    expect(released.hasTakeover()).toBe(false);
  });

  test("a write of a disposed controller, or by another path to the file, is no foreign change to another", async (context) => {
    requirePosix(context, "symbolic links");
    const { controller: released, sessionFile, locks } = await controllerOf(sessionFileWith());
    await released.releaseForPrompt();
    const link = join(temporaryFolder(), "link.jsonl");
    symlinkSync(sessionFile, link);
    const { controller: other } = await controllerOf(link, {}, locks);
    await other.dispose();
    await other.withWriteLock(({ appendFenced }) => appendFenced(LINE));
    await released.reacquireAfterPrompt();
    expect(released.hasTakeover()).toBe(false);
  });

  test("a controller's write does not cover a foreign change before it", async () => {
    const { controller: released, sessionFile, locks } = await controllerOf(sessionFileWith());
    await released.releaseForPrompt();
    appendFileSync(sessionFile, '{"role":"stranger"}\n');
    const { controller: other } = await controllerOf(sessionFile, {}, locks);
    await other.withWriteLock(({ appendFenced }) => appendFenced(LINE));
    await other.publishOwnedWrite();
    await other.dispose();
    await expect(released.reacquireAfterPrompt()).rejects.toThrow(SessionTakeoverError);
    expect(other.hasTakeover()).toBe(false);
  });

  test("a controller's write does not cover a foreign change after it", async () => {
    const { released, other, sessionFile } = await pair();
    await other.withWriteLock(({ appendFenced }) => appendFenced(LINE));
    await other.dispose();
    appendFileSync(sessionFile, LINE);
    await expect(released.reacquireAfterPrompt()).rejects.toThrow(SessionTakeoverError);
  });

  test("a write to another session does not concern the fence of this one", async () => {
    const { controller: released, sessionFile } = await controllerOf(sessionFileWith());
    await released.releaseForPrompt();
    const neighbour = join(dirname(sessionFile), "neighbour.jsonl");
    const { controller: other } = await controllerOf(neighbour);
    await other.withWriteLock(({ appendFenced }) => appendFenced(LINE));
    appendFileSync(sessionFile, LINE);
    await other.publishOwnedWrite();
    await expect(released.reacquireAfterPrompt()).rejects.toThrow(SessionTakeoverError);
  });

  test("two copies of the module know each other's writes", async () => {
    const { controller: released, sessionFile, locks } = await controllerOf(sessionFileWith());
    await released.releaseForPrompt();
    // Not a literal: the compiler must not look for what is only built later.
    const built = "../../../dist/session-controller/index.js";
    const copy = (await import(built)) as {
      createSessionController: typeof createSessionController;
    };
    const other = await copy.createSessionController({ acquire: locks.acquire, sessionFile });
    await other.withWriteLock(({ appendFenced }) => appendFenced(LINE));
    await other.dispose();
    await released.reacquireAfterPrompt();
    expect(released.hasTakeover()).toBe(false);
  });
});

test("controllers that are never disposed of are forgotten once they were collected", async () => {
  const script = `
    import { setFlagsFromString } from "node:v8";
    import { runInNewContext } from "node:vm";
    ${importDist("createSessionController", "session-controller/index.js")}
    const acquire = async () => ({ release() {} });
    async function begin(sessionFile) {
      const controller = await createSessionController({ acquire, sessionFile });
      await controller.releaseForPrompt();
    }
    for (let run = 0; run < 100; run++) await begin(${JSON.stringify(temporaryFolder())} + "/" + run);
    const { fences } = globalThis[Symbol.for("pidentity.session-controller.v1")];
    const before = fences.size;
    setFlagsFromString("--expose-gc");
    const gc = runInNewContext("gc");
    const deadline = performance.now() + 20_000;
    while (fences.size > 0 && performance.now() < deadline) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    console.log(JSON.stringify([before, fences.size]));`;
  expect(await runNode(script)).toEqual([100, 0]);
});

describe("a file that cannot be looked at", () => {
  async function withFailures() {
    const sessionFile = sessionFileWith();
    const locks = memoryLocks();
    const failure = { isOn: false };
    const fs: SessionFs = {
      ...realSessionFs,
      open: async (path) => {
        if (failure.isOn) throw Object.assign(new Error("EIO: i/o error"), { code: "EIO" });
        return await realSessionFs.open(path);
      },
    };
    const controller = await createControllerIn(
      resolveControllerOptions({ acquire: locks.acquire, sessionFile, env: {} }),
      { fs, startTimer: () => ({ stop: () => {}, keepAlive: () => {} }) },
    );
    return { controller, locks, failure };
  }

  test("does not keep the lock from being released: the error is passed on, and nothing is trusted any more", async () => {
    const { controller, locks, failure } = await withFailures();
    failure.isOn = true;
    await expect(controller.releaseForPrompt()).rejects.toThrow("EIO");
    expect(locks.events).toEqual(["acquired 1", "releasing 1", "released 1"]);
    expect(controller.hasTakeover()).toBe(false);
    failure.isOn = false;
    await expect(controller.withWriteLock(vi.fn())).rejects.toThrow(SessionTakeoverError);
    expect(locks.holder()).toBeNull();
  });

  test("does not fail a dispose that only waits for the release", async () => {
    const { controller, locks, failure } = await withFailures();
    failure.isOn = true;
    const released = controller.releaseForPrompt();
    await Promise.all([controller.dispose(), expect(released).rejects.toThrow("EIO")]);
    expect(locks.holder()).toBeNull();
  });

  test("fails the write after which it is looked at, and the next write is refused", async () => {
    const { controller, failure } = await withFailures();
    await controller.releaseForPrompt();
    const writing = controller.withWriteLock(() => void (failure.isOn = true));
    await expect(writing).rejects.toThrow("EIO");
    failure.isOn = false;
    await expect(controller.withWriteLock(vi.fn())).rejects.toThrow(SessionTakeoverError);
  });

  test("before a write is no takeover: the next write may succeed", async () => {
    const { controller, locks, failure } = await withFailures();
    await controller.releaseForPrompt();
    failure.isOn = true;
    await expect(controller.withWriteLock(vi.fn())).rejects.toThrow("EIO");
    await expect(controller.reacquireAfterPrompt()).rejects.toThrow("EIO");
    await expect(controller.acquireForCleanup()).rejects.toThrow("EIO");
    expect(locks.holder()).toBeNull();
    failure.isOn = false;
    expect(await controller.withWriteLock(() => "written")).toBe("written");
  });
});
