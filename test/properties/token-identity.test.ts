/** Tokens name one process: two processes never share one, and none is taken for another. */
import fc from "fast-check";
import { expect, test } from "vitest";

import {
  formatToken,
  judgeToken,
  parseToken,
  type ProcessToken,
  type TokenHost,
} from "../../lib/process/token.js";
import { runs } from "./runs.js";

// Few values per field, so that two random tokens often differ in one field alone.
const tokens = fc.record<ProcessToken>({
  platform: fc.constantFrom("linux", "darwin", "win32"),
  hostDigest: fc.constantFrom(null, "0123456789abcdef", "fedcba9876543210"),
  hostnameDigest: fc.constantFrom(null, "01234567", "76543210"),
  boot: fc.constantFrom(null, "a", "b"),
  pidNamespace: fc.constantFrom(null, "0", "1", "4026531836"),
  pid: fc.constantFrom(1, 2, 11, 2 ** 32 - 1),
  startTime: fc.constantFrom(null, 0, 1, 1000, 5000),
  exactId: fc.constantFrom(null, "0", "1", "11"),
});

test("two tokens have one text only if they say the same", () => {
  fc.assert(
    fc.property(tokens, tokens, (one, other) => {
      const areEqual = JSON.stringify(one) === JSON.stringify(other);
      expect(formatToken(one) === formatToken(other)).toBe(areEqual);
    }),
    runs(5000),
  );
});

test("a token read on its own machine names no process but its own", () => {
  const occupants = fc.record({
    startTime: fc.constantFrom(null, 0, 1, 1000, 5000),
    exactId: fc.constantFrom(null, "0", "1", "11"),
  });
  fc.assert(
    fc.property(tokens, occupants, (token, occupant) => {
      const host: TokenHost = { ...token, initialPidNamespace: true };
      const verdict = judgeToken(token, host, {
        identity: () => ({ state: "alive", reason: "running", ...occupant }),
        byExactId: () => ({ state: "unknown", reason: "unsupported" }),
      });
      const tolerance = token.platform === "linux" ? 1 : 1000;
      const contradicts =
        token.exactId !== null && occupant.exactId !== null
          ? token.exactId !== occupant.exactId
          : token.startTime !== null &&
            occupant.startTime !== null &&
            Math.abs(token.startTime - occupant.startTime) > tolerance;
      const confirms =
        !contradicts &&
        ((token.exactId !== null && occupant.exactId !== null) ||
          (token.startTime !== null && occupant.startTime !== null));
      const isHere = token.boot !== null && token.pidNamespace !== null;
      expect(verdict.state).toBe(
        isHere && contradicts ? "gone" : isHere && confirms ? "same" : "unknown",
      );
    }),
    runs(5000),
  );
});

test("a text that is no token proves nothing, whatever runs here", () => {
  const texts = fc.oneof(
    fc.anything(),
    fc.string(),
    tokens.map((token) => `${formatToken(token)}.`),
    tokens.map((token) => formatToken(token).replace("pi1", "pi2")),
    tokens.map((token) => formatToken({ ...token, pid: -token.pid })),
  );
  const host: TokenHost = {
    platform: "linux",
    hostDigest: null,
    hostnameDigest: null,
    boot: "a",
    pidNamespace: "1",
    initialPidNamespace: true,
  };
  fc.assert(
    fc.property(texts, (text) => {
      fc.pre(typeof text !== "string" || !/^pi1\.[a-z]+(?:\.[0-9a-z-]+){7}$/u.test(text));
      const never = (): never => {
        throw new Error("must not be asked");
      };
      const verdict = judgeToken(parseToken(text), host, { identity: never, byExactId: never });
      expect(verdict).toEqual({ state: "unknown", reason: "malformed" });
    }),
    runs(2000),
  );
});
