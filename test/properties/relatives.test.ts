/** Lists of processes made up at random, loops and reused pids among them. */
import fc from "fast-check";
import { expect, test } from "vitest";

import { isParentOf, relativesIn, type RelativeFacts } from "../../lib/process/relatives.js";
import { runs } from "./runs.js";

// Few numbers and few times, so that they meet.
const pid = fc.integer({ min: 0, max: 12 });
const facts: fc.Arbitrary<RelativeFacts> = fc.record({
  pid,
  parentPid: fc.option(pid),
  startTime: fc.option(fc.integer({ min: 0, max: 3 })),
});
const lists = fc.array(facts, { maxLength: 20 });
const RUNS = runs(5000);

const last = (list: readonly RelativeFacts[], wanted: number): RelativeFacts | undefined =>
  list.findLast((one) => one.pid === wanted);

test("no process is its own relative, and none is told twice", () => {
  fc.assert(
    fc.property(lists, pid, (list, of) => {
      const relatives = relativesIn(list);
      for (const found of [
        relatives.childrenOf(of),
        relatives.descendantsOf(of),
        relatives.ancestorsOf(of),
      ]) {
        const pids = found.map((one) => one.pid);
        expect(pids).not.toContain(of);
        expect(new Set(pids).size).toBe(pids.length);
        for (const one of found) expect(one).toBe(last(list, one.pid));
      }
    }),
    RUNS,
  );
});

test("children are those whose parent one is, and descendants theirs, nearest first", () => {
  fc.assert(
    fc.property(lists, pid, (list, of) => {
      const relatives = relativesIn(list);
      // Level by level, by looking at every pair.
      const those = [...new Set(list.map((one) => one.pid))].map((one) => last(list, one));
      const distance = new Map<number, number>([[of, 0]]);
      for (let level = 0; level < list.length; level++) {
        for (const child of those) {
          const isNext = [...distance].some(([parent, at]) => {
            const known = last(list, parent);
            return at === level && known && child && isParentOf(known, child);
          });
          if (child && isNext && !distance.has(child.pid)) distance.set(child.pid, level + 1);
        }
      }
      const found = relatives.descendantsOf(of).map((one) => one.pid);
      const levels = found.map((one) => distance.get(one));
      distance.delete(of);
      expect(new Set(found)).toEqual(new Set(distance.keys()));
      expect(found).toHaveLength(distance.size);
      expect(levels).toEqual(levels.toSorted((one, other) => (one ?? 0) - (other ?? 0)));
      expect(relatives.childrenOf(of).map((one) => one.pid)).toEqual(
        found.filter((one) => distance.get(one) === 1),
      );
    }),
    RUNS,
  );
});

test("each ancestor is the parent of the one before it", () => {
  fc.assert(
    fc.property(lists, pid, (list, of) => {
      let child = last(list, of);
      for (const ancestor of relativesIn(list).ancestorsOf(of)) {
        expect(child && isParentOf(ancestor, child)).toBe(true);
        child = ancestor;
      }
    }),
    RUNS,
  );
});
