/** What several entries take. */
import { memoryLeases } from "../../../lib/lease/index.js";
import { REVOKED, WRONG } from "../hostile-values.js";
import type { Fields } from "./rows.js";

const store = memoryLeases();

export const STORES = [
  "memory",
  7,
  null,
  {},
  { ...store, name: "own" },
  { ...store, watch: null },
  Symbol.iterator,
  REVOKED,
];

/** A lone surrogate has no bytes in UTF-8. */
export const LEASE_TEXTS = [...WRONG.name, "a\0b", "\ud800", "é".repeat(513)];

export const TTLS = [...WRONG.duration, 99, 1000.5, 2 ** 31];
export const MARGINS = [...WRONG.slice, Infinity];

export function lockLeaseFields(of: string, call: Fields["call"]): Fields {
  return {
    of,
    place: "options.lease",
    call,
    base: { store },
    fields: {
      store: [...STORES, undefined],
      key: LEASE_TEXTS,
      ttlMs: TTLS,
      marginMs: [...MARGINS, 10_000],
      holder: LEASE_TEXTS,
    },
    wrong: WRONG.options,
    kind: "options",
  };
}

export function breakFields(call: Fields["call"]): Fields {
  return {
    of: "breakLock",
    place: "options",
    call,
    base: { reason: "test", expectedNonce: "0" },
    fields: {
      reason: [...WRONG.name, undefined],
      force: WRONG.boolean,
      expectedNonce: [...WRONG.name, undefined],
      expectedBytes: WRONG.textOrBytes,
    },
    wrong: [...WRONG.options, undefined],
    kind: "options",
  };
}
