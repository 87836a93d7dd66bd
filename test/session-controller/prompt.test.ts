import { appendFileSync, mkdirSync, rmSync } from "node:fs";

import { expect, test, vi } from "vitest";

import {
  isSessionTakeoverError,
  SessionTakeoverError,
  withPromptReleased,
} from "../../lib/session-controller/index.js";
import { controllerOf, sessionFileWith } from "../support/locks/run-controller.js";

test("the lock is released during the model call and held again after it", async () => {
  const { controller, locks } = await controllerOf(sessionFileWith());
  const answer = await withPromptReleased(controller, () => {
    expect(locks.holder()).toBeNull();
    return Promise.resolve("answer");
  });
  expect(answer).toBe("answer");
  expect(locks.events).toEqual(["acquired 1", "releasing 1", "released 1", "acquired 2"]);
});

test("the lock is held again also after the model has failed, whose error is passed on", async () => {
  const { controller, locks } = await controllerOf(sessionFileWith());
  const failing = withPromptReleased(controller, () => Promise.reject(new Error("overloaded")));
  await expect(failing).rejects.toThrow("overloaded");
  expect(locks.holder()?.id).toBe(2);
});

test("a takeover during the call is the error, and the answer is not used", async () => {
  const { controller, sessionFile } = await controllerOf(sessionFileWith());
  const asking = withPromptReleased(controller, () => appendFileSync(sessionFile, "{}\n"));
  await expect(asking).rejects.toThrow(SessionTakeoverError);
});

test("the model's error comes before a takeover, which the controller remembers", async () => {
  const { controller, sessionFile } = await controllerOf(sessionFileWith());
  const asking = withPromptReleased(controller, () => {
    appendFileSync(sessionFile, "{}\n");
    throw new Error("overloaded");
  });
  await expect(asking).rejects.toThrow("overloaded");
  expect(controller.hasTakeover()).toBe(true);
});

test("a release that fails keeps the model from being called", async () => {
  const { controller, sessionFile } = await controllerOf(sessionFileWith());
  rmSync(sessionFile);
  mkdirSync(sessionFile);
  const run = vi.fn();
  await expect(withPromptReleased(controller, run)).rejects.toThrow(/regular file|EISDIR|EPERM/);
  expect(run).not.toHaveBeenCalled();
});

test("inside a write the lock is kept, and the write does not wait for itself", async () => {
  const { controller, locks } = await controllerOf(sessionFileWith());
  const inside = controller.withWriteLock(() => withPromptReleased(controller, () => "answer"));
  expect(await inside).toBe("answer");
  expect(locks.events).toEqual(["acquired 1"]);
});

test("bad arguments are refused", async () => {
  const { controller } = await controllerOf(sessionFileWith());
  await expect(withPromptReleased(null as never, vi.fn())).rejects.toThrow(
    "controller must be an object, got null",
  );
  await expect(withPromptReleased(controller, "ask" as never)).rejects.toThrow(
    "run must be a function, got 'ask'",
  );
});

test.each<[string, unknown, boolean]>([
  ["the error", new SessionTakeoverError("s.jsonl", "file-changed"), true],
  ["behind causes", new Error("x", { cause: { cause: { code: "SESSION_TAKEOVER" } } }), true],
  [
    "in an AggregateError",
    new AggregateError([1, new SessionTakeoverError("s", "lock-lost")]),
    true,
  ],
  ["a look-alike of the host", { code: "OPENCLAW_SESSION_TAKEOVER" }, true],
  ["another code", { code: "SESSION_WRITE_LOCK_LOST" }, false],
  ["its name only", new Error("SessionTakeoverError"), false],
  ["nothing", undefined, false],
])("a takeover is recognised: %s", (_name, error, expected) => {
  expect(isSessionTakeoverError(error)).toBe(expected);
});
