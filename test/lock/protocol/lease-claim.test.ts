/** What a lock says of the lease above it. */
import { expect, test } from "vitest";

import { asTexts, isSuperseded, type LeaseClaim } from "../../../lib/lock/protocol/lease-claim.js";

const OURS: LeaseClaim = { store: "9f", key: "/data/s.jsonl", epoch: 7n };

test.each<[what: string, theirs: LeaseClaim | null, ours: LeaseClaim | null, expected: boolean]>([
  ["an earlier hold", { ...OURS, epoch: 6n }, OURS, true],
  ["an earlier hold by far", { ...OURS, epoch: 0n }, { ...OURS, epoch: 2n ** 70n }, true],
  ["the same hold", OURS, OURS, false],
  ["a later hold", { ...OURS, epoch: 8n }, OURS, false],
  ["another store's", { ...OURS, store: "9e", epoch: 6n }, OURS, false],
  ["another key's", { ...OURS, key: "/data/t.jsonl", epoch: 6n }, OURS, false],
  ["no lease of its own", null, OURS, false],
  ["no lease to judge by", { ...OURS, epoch: 6n }, null, false],
  ["no lease at all", null, null, false],
])("only an earlier hold on the same lease is superseded: %s", (_what, theirs, ours, expected) => {
  expect(isSuperseded(theirs, ours)).toBe(expected);
});

test("a claim's epoch is told in decimal digits, of any length", () => {
  expect(asTexts({ ...OURS, epoch: 2n ** 70n })).toStrictEqual({
    store: "9f",
    key: "/data/s.jsonl",
    epoch: "1180591620717411303424",
  });
});
