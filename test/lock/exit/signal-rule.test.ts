/** The rule of signals by itself: when a signal takes the locks with it. */
import { expect, test } from "vitest";

import { decideOnSignal, type SignalFacts } from "../../../lib/lock/exit/signal-rule.js";

const ALONE: SignalFacts = {
  listeners: 1,
  own: 1,
  reRaisers: 0,
  isPid1: false,
  isMainThread: true,
};

test.each<[what: string, Partial<SignalFacts>, "end" | "nothing"]>([
  ["the package's listener alone ends the process", {}, "end"],
  ["a signal without any listener ends the process", { listeners: 0, own: 0 }, "end"],
  ["a host's listener decides what a signal does", { listeners: 2 }, "nothing"],
  [
    "a host's listener decides where the package's has been removed",
    { listeners: 1, own: 0 },
    "nothing",
  ],
  [
    "one re-raiser beside the package's listener decides nothing",
    { listeners: 2, reRaisers: 1 },
    "end",
  ],
  [
    "three re-raisers beside the package's listener decide nothing",
    { listeners: 4, reRaisers: 3 },
    "end",
  ],
  [
    "a host's listener beside a re-raiser decides what a signal does",
    { listeners: 3, reRaisers: 1 },
    "nothing",
  ],
  ["re-raisers that do not listen to this signal count for nothing", { reRaisers: 2 }, "end"],
  ["pid 1 does not end by a signal", { isPid1: true }, "nothing"],
  [
    "pid 1 with a host's listener does not end by a signal",
    { isPid1: true, listeners: 2 },
    "nothing",
  ],
  ["a worker's locks do not end by a signal", { isMainThread: false }, "nothing"],
])("%s", (_what, facts, decision) => {
  expect(decideOnSignal({ ...ALONE, ...facts })).toBe(decision);
});
