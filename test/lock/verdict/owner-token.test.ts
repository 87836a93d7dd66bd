import { expect, test } from "vitest";

import { isPlain, tokenOf } from "../../../lib/lock/verdict/owner-token.js";
import { formatToken } from "../../../lib/process/token.js";
import { payload, TOKEN } from "./owner-facts.js";

const owner = formatToken(TOKEN);
const other = formatToken({ ...TOKEN, startTime: 2000 });

test("a payload's token counts where it can be read and speaks of the payload's pid", () => {
  // In turn, and each twice: the last one is remembered.
  for (const text of [owner, owner, other, other, owner]) {
    expect(tokenOf(payload({ owner: text }))).toMatchObject({
      startTime: text === owner ? 1000 : 2000,
    });
  }
  expect(tokenOf(payload({}))).toBe("absent");
  expect(tokenOf(payload({ owner: "pi9" }))).toBe("malformed");
  expect(tokenOf(payload({ owner: 1 }))).toBe("malformed");
  expect(tokenOf(payload({ owner, pid: 8 }))).toBe("pid-mismatch");
  expect(tokenOf(payload({ owner: "pi9", pid: 8 }))).toBe("malformed");
});

test("a lock is plain that has neither a nonce nor a token", () => {
  expect(isPlain(payload({}))).toBe(true);
  expect(isPlain(payload({ nonce: "n" }))).toBe(false);
  expect(isPlain(payload({ owner: "pi9" }))).toBe(false);
});
