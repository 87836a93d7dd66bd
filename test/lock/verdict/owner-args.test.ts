/** Owners' command lines: asked once, only whole answers, and no mistake of a caller makes an owner a stranger. */
import { setTimeout } from "node:timers/promises";

import { describe, expect, test, vi } from "vitest";

import { askedOnce, OwnerArgsMemo, tolerant } from "../../../lib/lock/verdict/owner-args.js";
import { ALIVE } from "./owner-facts.js";

const identity = vi.fn(() => ALIVE);

describe.each(["read", "readAtOnce"] as const)("%s", (way) => {
  const ask = async (memo: OwnerArgsMemo, pid = 7) => await memo[way](pid);

  test("gives the answer with the process that had the pid before, and remembers it", async () => {
    const resolve = vi.fn(() => ["sh", "-c"]);
    const memo = new OwnerArgsMemo(resolve, identity);
    expect(memo.peek(7)).toBeUndefined();
    const answer = await ask(memo);
    expect(answer).toEqual({ args: ["sh", "-c"], process: ALIVE });
    expect(identity).toHaveBeenCalledWith(7);
    expect(memo.peek(7)).toBe(answer);
    expect(memo.peek(8)).toBeUndefined();
    expect(resolve).toHaveBeenCalledWith(7);
  });

  test("takes a list of texts and nothing else for an answer", async () => {
    for (const [given, args] of [
      [[], []],
      [
        ["a", ""],
        ["a", ""],
      ],
      [null, null],
      [undefined, null],
      ["sh", null],
      [["sh", 1], null],
      [{ length: 0 }, null],
    ] as const) {
      const memo = new OwnerArgsMemo(() => given as string[], identity);
      expect(await ask(memo)).toEqual({ args, process: ALIVE });
      expect(memo.peek(7)?.args).toEqual(args);
    }
  });

  test("knows nothing after a mistake, and asks again", async () => {
    const resolve = vi.fn((): string[] => {
      throw new Error("not now");
    });
    const memo = new OwnerArgsMemo(resolve, identity);
    for (let count = 1; count < 3; count++) {
      expect(await ask(memo)).toEqual({ args: null, process: ALIVE });
      expect(memo.peek(7)).toBeUndefined();
      expect(resolve).toHaveBeenCalledTimes(count);
    }
  });

  test("asks the OS by default", async () => {
    const memo = new OwnerArgsMemo(undefined, identity);
    expect((await ask(memo, process.pid)).args?.length).toBeGreaterThan(0);
  });
});

describe("an answer that is waited for", () => {
  const later = async (): Promise<string[]> => {
    await setTimeout(50);
    return ["sh"];
  };

  test.each([
    ["without a budget", {}],
    ["of a budget that is used up, for a second at least", { leftMs: () => 0 }],
    ["of a budget without end", { leftMs: () => Infinity }],
  ])("counts: %s", async (_, limits) => {
    const memo = new OwnerArgsMemo(later, identity, limits);
    expect(await memo.read(7)).toEqual({ args: ["sh"], process: ALIVE });
  });

  test("is none when its signal aborts first, and is remembered as that", async () => {
    const abort = new AbortController();
    const resolve = (): Promise<never> => new Promise(() => {});
    const memo = new OwnerArgsMemo(resolve, identity, { signal: abort.signal });
    const answer = memo.read(7);
    abort.abort();
    expect(await answer).toEqual({ args: null, process: ALIVE });
    expect(memo.peek(7)).toEqual({ args: null, process: ALIVE });
  });
});

test("an answer that has to be awaited is a mistake where nothing may be, and is not left unhandled", () => {
  const memo = new OwnerArgsMemo(() => Promise.reject(new Error("late")), identity);
  expect(() => memo.readAtOnce(7)).toThrow(TypeError);
  expect(() => memo.readAtOnce(7)).toThrow(
    "options.readOwnerProcessArgs must be synchronous, got a promise from it",
  );
  expect(memo.peek(7)).toBeUndefined();
});

test("what is known is not asked for again where nothing may be awaited", async () => {
  const resolve = vi.fn(() => ["sh"]);
  const memo = new OwnerArgsMemo(resolve, identity);
  const known = await memo.read(7);
  expect(memo.readAtOnce(7)).toBe(known);
  expect(resolve).toHaveBeenCalledTimes(1);
});

test("a predicate that throws has not called the owner a stranger", () => {
  const isOwner = tolerant((args) => {
    if (args.length === 0) throw new Error("empty");
    return args[0] === "own";
  });
  expect([isOwner(["own"]), isOwner(["other"]), isOwner([])]).toEqual([true, false, true]);
});

test("a predicate is asked once about each argument vector", () => {
  const predicate = vi.fn((args: readonly string[]) => args[0] === "own");
  const isOwner = askedOnce(predicate);
  const [own, other] = [["own"], ["other"]];
  for (let count = 0; count < 2; count++) {
    expect([isOwner(own), isOwner(other)]).toEqual([true, false]);
  }
  expect(predicate).toHaveBeenCalledTimes(2);
});
