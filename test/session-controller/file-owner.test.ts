import { symlinkSync } from "node:fs";
import { join } from "node:path";

import { expect, onTestFinished, test, vi } from "vitest";

import { acquireSessionFileOwner } from "../../lib/session-controller/index.js";
import { requirePosix } from "../support/require.js";
import { sessionFileWith, watch } from "../support/locks/run-controller.js";
import { temporaryFolder } from "../support/temporary-folder.js";

// The package takes its own at import.
vi.mock("../../lib/util/node-modules.js", async (original) =>
  (await import("../support/global-clocks.js")).withGlobalTimers(original),
);

test("runs own a session file one after the other, in the order in which they came", async () => {
  const sessionFile = sessionFileWith();
  const order: number[] = [];
  const first = await acquireSessionFileOwner({ sessionFile });
  const others = [1, 2, 3].map(async (place) => {
    const owner = await acquireSessionFileOwner({ sessionFile });
    order.push(place);
    await new Promise((resolve) => void setImmediate(resolve));
    owner.release();
  });
  expect(await watch(Promise.race(others)).isSettled()).toBe(false);
  first.release();
  await Promise.all(others);
  expect(order).toEqual([1, 2, 3]);
});

test("a second release hands nothing on", async () => {
  const sessionFile = sessionFileWith();
  const first = await acquireSessionFileOwner({ sessionFile });
  const second = acquireSessionFileOwner({ sessionFile });
  first.release();
  first[Symbol.dispose]();
  const third = acquireSessionFileOwner({ sessionFile });
  const secondOwner = await second;
  first.release();
  expect(await watch(third).isSettled()).toBe(false);
  secondOwner.release();
  (await third).release();
});

test("all routes to a file are one session, other files are others", async (context) => {
  requirePosix(context, "symbolic links");
  const sessionFile = sessionFileWith();
  const link = join(temporaryFolder(), "link.jsonl");
  symlinkSync(sessionFile, link);
  const first = await acquireSessionFileOwner({ sessionFile });
  const second = acquireSessionFileOwner({ sessionFile: link });
  expect(await watch(second).isSettled()).toBe(false);
  (await acquireSessionFileOwner({ sessionFile: sessionFileWith() })).release();
  first.release();
  (await second).release();
});

test("a file that does not exist yet is one session by its folder's routes", async (context) => {
  requirePosix(context, "symbolic links");
  const folder = temporaryFolder();
  const link = join(temporaryFolder(), "link");
  symlinkSync(folder, link);
  const first = await acquireSessionFileOwner({ sessionFile: join(folder, "s.jsonl") });
  const second = acquireSessionFileOwner({ sessionFile: join(link, "s.jsonl") });
  expect(await watch(second).isSettled()).toBe(false);
  first.release();
  (await second).release();
});

test("a wait ends with its time, and gives the place in the queue up", async () => {
  const sessionFile = sessionFileWith();
  const first = await acquireSessionFileOwner({ sessionFile });
  await expect(acquireSessionFileOwner({ sessionFile, timeoutMs: 20 })).rejects.toMatchObject({
    name: "SessionFileOwnerTimeoutError",
    code: "SESSION_FILE_OWNER_TIMEOUT",
    timeoutMs: 20,
    sessionFile,
    message: `session file owned by another run of this process (timeout 20ms): ${sessionFile}`,
  });
  await expect(acquireSessionFileOwner({ sessionFile, timeoutMs: 0 })).rejects.toThrow(
    "timeout 0ms",
  );
  first.release();
  (await acquireSessionFileOwner({ sessionFile, timeoutMs: 0 })).release();
});

test.each([2_147_000_001, 2 ** 31, 1e300, Infinity])(
  "a timeout of %d ms is no timer that fires at once",
  async (timeoutMs) => {
    const timers = vi.spyOn(globalThis, "setTimeout");
    onTestFinished(() => timers.mockRestore());
    const sessionFile = sessionFileWith();
    const first = await acquireSessionFileOwner({ sessionFile });
    const second = acquireSessionFileOwner({ sessionFile, timeoutMs });
    expect(timers.mock.lastCall?.[1]).toBe(2_147_000_000);
    expect(await watch(second).isSettled()).toBe(false);
    first.release();
    (await second).release();
  },
);

test("an abort ends a wait with the signal's reason, and gives the place in the queue up", async () => {
  const sessionFile = sessionFileWith();
  const first = await acquireSessionFileOwner({ sessionFile });
  const aborting = new AbortController();
  const second = acquireSessionFileOwner({ sessionFile, signal: aborting.signal });
  const third = acquireSessionFileOwner({ sessionFile });
  aborting.abort(new Error("run cancelled"));
  await expect(second).rejects.toThrow("run cancelled");
  const late = acquireSessionFileOwner({ sessionFile, signal: aborting.signal });
  await expect(late).rejects.toThrow("run cancelled");
  first.release();
  (await third).release();
});

test("two copies of the module know each other's owners", async () => {
  const sessionFile = sessionFileWith();
  // Not a literal: the compiler must not look for what is only built later.
  const built = "../../dist/session-controller/index.js";
  const copy = (await import(built)) as { acquireSessionFileOwner: typeof acquireSessionFileOwner };
  const first = await acquireSessionFileOwner({ sessionFile });
  const second = copy.acquireSessionFileOwner({ sessionFile });
  expect(await watch(second).isSettled()).toBe(false);
  first.release();
  (await second).release();
});

test.each<[string, unknown, string]>([
  ["no options", undefined, "options must be an object, got undefined"],
  ["no path", {}, "options.sessionFile must be a file path (string or URL), got undefined"],
  [
    "timeoutMs",
    { sessionFile: "s", timeoutMs: "1" },
    "options.timeoutMs must be an integer of 0 or more milliseconds, or Infinity, got '1'",
  ],
  [
    "NaN",
    { sessionFile: "s", timeoutMs: Number.NaN },
    "options.timeoutMs must be an integer of 0 or more milliseconds, or Infinity, got NaN",
  ],
  ["signal", { sessionFile: "s", signal: true }, "options.signal must be an AbortSignal, got true"],
])("bad options are refused: %s", async (_name, options, message) => {
  await expect(acquireSessionFileOwner(options as never)).rejects.toThrow(message);
});
