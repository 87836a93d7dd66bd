/** The token's specification by examples (token.md): what readers in real worlds saw, and the verdicts. Pure. */
import { readFileSync } from "node:fs";

import { describe, expect, test } from "vitest";

import type { HostFacts } from "../../lib/process/backends/backend.js";
import { toTokenHost } from "../../lib/process/identity.js";
import { formatToken, parseToken } from "../../lib/process/token.js";
import { judgeVector, readTokenVectors } from "../support/processes/token-vectors.js";

const { digests, readers, vectors } = readTokenVectors();

const VERDICTS = [
  "gone exited",
  "gone no-such-process",
  "gone rebooted",
  "gone recycled",
  "gone zombie",
  "same running",
  "unknown access-denied",
  "unknown malformed",
  "unknown other-host",
  "unknown other-pid-namespace",
  "unknown unsupported",
];

test("there are 500 vectors of real worlds, and every verdict", () => {
  expect(vectors.filter(({ made }) => made === "real").length).toBeGreaterThanOrEqual(500);
  const given = new Set(vectors.map(({ verdict }) => `${verdict.state} ${verdict.reason}`));
  expect([...given].sort()).toEqual(VERDICTS);
});

test("the specification tells of each verdict and of the file of the vectors", () => {
  const specification = readFileSync(
    new URL("../../lib/process/token.md", import.meta.url),
    "utf8",
  );
  for (const verdict of VERDICTS) {
    const [state = "", reason = ""] = verdict.split(" ");
    expect(specification).toMatch(new RegExp(`\`${state}\`[^\\n]*\`${reason}\``, "u"));
  }
  expect(specification).toContain("test/process/token-vectors.json");
});

test("the judge agrees with every vector", () => {
  const wrong = vectors.flatMap((vector) => {
    const verdict = judgeVector(vector);
    const isAgreed =
      verdict.state === vector.verdict.state && verdict.reason === vector.verdict.reason;
    return isAgreed ? [] : [{ ...vector, got: verdict }];
  });
  expect(wrong).toEqual([]);
});

test("a good token of the vectors is written as it was read", () => {
  const good = vectors.flatMap(({ token }) => {
    const parsed = parseToken(token);
    return parsed === null ? [] : [{ token, written: formatToken(parsed) }];
  });
  expect(good.length).toBeGreaterThan(500);
  expect(good.filter(({ token, written }) => token !== written)).toEqual([]);
});

test("no vector is there twice, and each has a reader", () => {
  const texts = vectors.map((vector) => JSON.stringify({ ...vector, world: "" }));
  expect(new Set(texts).size).toBe(texts.length);
  expect(vectors.filter(({ reader }) => readers[reader] === undefined)).toEqual([]);
});

test("nothing is asked about what is no token, and only then is a vector without facts", () => {
  const without = vectors.filter(({ atPid }) => atPid === null);
  expect(without.map(({ verdict }) => verdict.reason)).toEqual(without.map(() => "malformed"));
  expect(without.filter(({ byExactId, nested }) => byExactId !== null || nested !== null)).toEqual(
    [],
  );
});

describe("digests", () => {
  test.each(digests)(
    "of machine id $machineId, host name $hostname and boot id $bootId",
    ({ machineId, hostname, bootId, fields }) => {
      const host: HostFacts = {
        platform: "linux",
        machineId,
        hostname,
        bootId,
        pidNamespace: null,
        initialPidNamespace: false,
        startTimeOffset: 0,
        monotonicOffsetMs: 0,
      };
      expect(toTokenHost(host, false)).toMatchObject(fields);
    },
  );
});
