/** What is said of a value that is refused, whatever the value does when it is looked at. */
import { describe, expect, test } from "vitest";

import {
  asArgumentError,
  messageOf,
  outOfRange,
  shown,
  unreadable,
  wrongType,
} from "../../lib/util/argument-error.js";

const hostile = (what: object) =>
  new Proxy(what, {
    getPrototypeOf: () => {
      throw new Error("no prototype");
    },
    get: () => {
      throw new Error("no property");
    },
  });

const { proxy: revokedObject, revoke: revokeObject } = Proxy.revocable({}, {});
const { proxy: revokedFunction, revoke: revokeFunction } = Proxy.revocable(() => {}, {});
revokeObject();
revokeFunction();

test("a refusal names the field, what was expected and the value, and has a code", () => {
  expect(wrongType("path", "a string", 1)).toMatchObject({
    name: "TypeError",
    message: "path must be a string, got 1",
    code: "ERR_INVALID_ARG_TYPE",
  });
  expect(outOfRange("ageMs", "0 or more", -1)).toMatchObject({
    name: "RangeError",
    message: "ageMs must be 0 or more, got -1",
    code: "ERR_OUT_OF_RANGE",
  });
});

describe("a value is shown", () => {
  test("on one line, and not in full when it is long", () => {
    expect(shown("a\nb\u202e")).not.toMatch(/[\n\u202e]/u);
    expect(shown({ a: { b: { c: 1 } }, list: "x".repeat(60).split("") })).not.toContain("\n");
    expect(shown({ a: { b: 1 } })).toBe("{ a: [Object] }");
    expect(shown("x".repeat(101))).toBe(`'${"x".repeat(100)}'... 1 more character`);
    expect(shown("x".repeat(100))).toBe(`'${"x".repeat(100)}'`);
  });

  test("by its kind where it cannot be looked at", () => {
    const throwing = {
      [Symbol.for("nodejs.util.inspect.custom")]: () => {
        throw new Error("not for you");
      },
    };
    expect(shown(throwing)).toBe("an object that cannot be shown");
    expect(shown(Object.assign(() => {}, throwing))).toBe("a function that cannot be shown");
  });
});

describe("the message of what was thrown", () => {
  test("is an error's, a text itself, and of all else what it looks like", () => {
    expect(messageOf(new Error("why"))).toBe("why");
    expect(messageOf("why")).toBe("why");
    expect(messageOf(7)).toBe("7");
    expect(messageOf({ message: "why" })).toBe("{ message: 'why' }");
    const odd = Object.assign(new Error("why"), { message: 7 as unknown as string });
    expect(messageOf(odd)).toBe(shown(odd));
  });

  test("does not throw where that does", () => {
    for (const thrown of [hostile({}), revokedObject, revokedFunction]) {
      expect(typeof messageOf(thrown)).toBe("string");
    }
  });
});

describe("what a check has thrown", () => {
  test("is passed on as it is when it is a refusal", () => {
    const refusal = wrongType("a.b", "a string", 1);
    expect(asArgumentError("a", refusal)).toBe(refusal);
    const read = unreadable("a.b", new Error("why"));
    expect(asArgumentError("a", read)).toBe(read);
  });

  test("is a refusal by itself, with its cause, when the value has thrown it", () => {
    const lookAlike = Object.assign(new TypeError("a must be a string, got 1"), {
      code: "ERR_INVALID_ARG_TYPE",
    });
    for (const cause of [lookAlike, "why", null, undefined, revokedObject]) {
      const error = asArgumentError("a", cause);
      expect(error).toBeInstanceOf(TypeError);
      expect(error).toMatchObject({ code: "ERR_INVALID_ARG_VALUE" });
      expect((error as TypeError).cause).toBe(cause);
      expect((error as TypeError).message).toBe(
        `a must be readable, got an error from it: ${messageOf(cause)}`,
      );
    }
  });
});
