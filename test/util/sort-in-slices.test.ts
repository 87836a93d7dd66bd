import fc from "fast-check";
import { expect, test } from "vitest";

import { sortInSlices } from "../../lib/util/sort-in-slices.js";
import { TimeSlice } from "../../lib/util/time-slice.js";

test.each([0, 1, 2047, 2048, 2049, 4096, 10_000, 100_003])("sorts %i names", async (length) => {
  const names = Array.from({ length }, (_, index) => `s${(index * 7919) % 99_991}.jsonl.lock`);
  const expected = [...names].sort();
  expect(await sortInSlices(names, new TimeSlice())).toEqual(expected);
});

test("the event loop turns while it sorts", async () => {
  const names = Array.from({ length: 50_000 }, (_, index) => String((index * 7919) % 99_991));
  let turns = 0;
  const count = (): void => {
    turns++;
    immediate = setImmediate(count);
  };
  let immediate = setImmediate(count);
  await sortInSlices(names, new TimeSlice(0));
  clearImmediate(immediate);
  expect(turns).toBeGreaterThan(20);
});

test("in the same order as sort(), whatever the names", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: "binary" })), async (names) => {
      const many = Array.from({ length: 60 }, (_, round) =>
        names.map((name) => name + round),
      ).flat();
      expect(await sortInSlices([...many], new TimeSlice())).toEqual([...many].sort());
    }),
    { numRuns: 50 },
  );
});
