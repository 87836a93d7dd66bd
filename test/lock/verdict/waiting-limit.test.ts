/** How long an unchanged lock may stay unlooked at: until its age crosses the next limit. */
import { expect, test } from "vitest";

import { type LockFacts, msUntilLimit } from "../../../lib/lock/verdict/classify.js";
import type { LockPayload } from "../../../lib/lock/protocol/payload.js";
import { createdAgo, facts, NOW, payload } from "./lock-facts.js";

test.each<[string, LockPayload | null, Partial<LockFacts>, number]>([
  ["staleMs comes first", payload({ ...createdAgo(1000), maxHoldMs: 9_000_000 }), {}, 1_799_001],
  ["maxHoldMs comes first", payload({ ...createdAgo(1000), maxHoldMs: 5000 }), {}, 4001],
  ["exactly maxHoldMs old", payload({ ...createdAgo(5000), maxHoldMs: 5000 }), {}, 1],
  ["past maxHoldMs", payload({ ...createdAgo(6000), maxHoldMs: 5000 }), {}, 1_794_001],
  [
    "held for less than it is old: the machine slept",
    payload({ ...createdAgo(6000), maxHoldMs: 5000, monotonicMs: 10_000 }),
    { monotonicNowMs: 12_000 },
    3001,
  ],
  ["in its grace", null, { mtimeMs: NOW - 10_000 }, 20_001],
  ["in a grace that staleMs ends", null, { mtimeMs: NOW - 1000, staleMs: 4000 }, 3001],
  ["past its grace, without a time", null, { mtimeMs: NOW - 40_000 }, Infinity],
  ["past every limit", payload({ ...createdAgo(2_000_000), maxHoldMs: 5000 }), {}, Infinity],
  [
    "without a time, and of no known change",
    payload({ createdAt: null, maxHoldMs: 5000 }),
    {},
    Infinity,
  ],
])(
  "the next look at an unchanged lock comes when its age crosses a limit: %s",
  (_name, lock, changes, expected) => {
    expect(msUntilLimit(lock, facts(changes))).toBe(expected);
  },
);
