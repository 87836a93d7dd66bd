/** Tokens name one process: two processes never share one, and none is taken for another. */
import fc from "fast-check";
import { expect, test } from "vitest";

import type { NestedProcess } from "../../lib/process/nested-processes.js";
import { judgeToken } from "../../lib/process/judge-token.js";
import {
  formatToken,
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
  const processes = fc.record({
    startTime: fc.constantFrom(null, 0, 1, 1000, 5000),
    exactId: fc.constantFrom(null, "0", "1", "11"),
  });
  fc.assert(
    fc.property(tokens, processes, (token, present) => {
      const host: TokenHost = { ...token, initialPidNamespace: true, isHostIdPinned: false };
      const verdict = judgeToken(token, host, {
        identity: () => ({ state: "alive", reason: "running", ...present }),
        byExactId: () => ({ state: "unknown", reason: "unsupported" }),
        nested: () => null,
      });
      const tolerance = token.platform === "linux" ? 1 : 1000;
      const contradicts =
        token.exactId !== null && present.exactId !== null
          ? token.exactId !== present.exactId
          : token.startTime !== null &&
            present.startTime !== null &&
            Math.abs(token.startTime - present.startTime) > tolerance;
      const confirms =
        !contradicts &&
        ((token.exactId !== null && present.exactId !== null) ||
          (token.startTime !== null && present.startTime !== null));
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
    isHostIdPinned: true,
  };
  fc.assert(
    fc.property(texts, (text) => {
      fc.pre(typeof text !== "string" || !/^pi1\.[a-z]+(?:\.[0-9a-z-]+){7}$/u.test(text));
      const never = (): never => {
        throw new Error("must not be asked");
      };
      const verdict = judgeToken(parseToken(text), host, {
        identity: never,
        byExactId: never,
        nested: never,
      });
      expect(verdict).toEqual({ state: "unknown", reason: "malformed" });
    }),
    runs(2000),
  );
});

test("a token of another boot proves an end only by a machine's id that is a machine's", () => {
  const hosts = fc.record<TokenHost>({
    platform: fc.constantFrom("linux", "darwin", "win32"),
    hostDigest: fc.constantFrom(null, "0123456789abcdef", "fedcba9876543210"),
    hostnameDigest: fc.constantFrom(null, "01234567", "76543210"),
    boot: fc.constantFrom(null, "a", "b"),
    pidNamespace: fc.constantFrom(null, "0", "1", "4026531836"),
    initialPidNamespace: fc.boolean(),
    isHostIdPinned: fc.boolean(),
  });
  fc.assert(
    fc.property(tokens, hosts, (token, host) => {
      const never = (): never => {
        throw new Error("must not be asked");
      };
      fc.pre(token.platform !== host.platform || token.boot === null || token.boot !== host.boot);
      const verdict = judgeToken(token, host, {
        identity: never,
        byExactId: never,
        nested: never,
      });
      const initial = token.platform === "linux" ? "4026531836" : "0";
      const isRebooted =
        token.platform === host.platform &&
        token.boot !== null &&
        host.boot !== null &&
        token.hostDigest !== null &&
        token.hostDigest === host.hostDigest &&
        (host.isHostIdPinned || (host.initialPidNamespace && token.pidNamespace === initial));
      expect(verdict).toEqual(
        isRebooted
          ? { state: "gone", reason: "rebooted" }
          : { state: "unknown", reason: "other-host" },
      );
    }),
    runs(5000),
  );
});

test("a process that a look at containers finds is the token's only by facts that no other one shares", () => {
  const candidates = fc.record<NestedProcess>({
    outerPid: fc.constant(4001),
    startTime: fc.constantFrom(null, 0, 1, 1000, 5000),
    exactId: fc.constantFrom(null, "0", "1", "11"),
    startTimeOffset: fc.constantFrom(null, 0, 100),
    pidNamespace: fc.constantFrom(null, "1", "2"),
  });
  const looks = fc.tuple(fc.array(candidates, { maxLength: 3 }), fc.boolean());
  fc.assert(
    fc.property(tokens, looks, (anyToken, [found, isComplete]) => {
      const token: ProcessToken = { ...anyToken, platform: "linux", boot: "a" };
      fc.pre(token.pidNamespace !== "4026531836");
      const host: TokenHost = {
        ...token,
        pidNamespace: "4026531836",
        initialPidNamespace: true,
        isHostIdPinned: false,
      };
      const { state } = judgeToken(token, host, {
        identity: () => {
          throw new Error("its pid means nothing here");
        },
        byExactId: () => ({ state: "unknown", reason: "unsupported" }),
        nested: () => ({ isComplete, having: () => found }),
      });
      const isSame = (candidate: NestedProcess): boolean | null => {
        if (token.exactId !== null && candidate.exactId !== null) {
          return token.exactId === candidate.exactId;
        }
        const areOfOne =
          token.pidNamespace === null ||
          candidate.pidNamespace === null ||
          token.pidNamespace === candidate.pidNamespace;
        if (!areOfOne) return false;
        if (token.startTime === null || candidate.startTime === null) return null;
        return Math.abs(token.startTime - candidate.startTime) <= 1;
      };
      const answers = found.map(isSame);
      const isGone =
        isComplete && token.pidNamespace !== null && answers.every((answer) => answer === false);
      expect(state).toBe(answers.includes(true) ? "same" : isGone ? "gone" : "unknown");
    }),
    runs(5000),
  );
});
