// What the holders' logs say together. It knows nothing of stores and leases, only of what each did and when, by
// CLOCK_MONOTONIC, which all processes of a machine share and no faketime moves.
//
// A line of a log: `<kind> <key> <epoch> <nanoseconds>`, written before anything else is done:
//   begin  acquireLease has resolved
//   act    the reading of the clock after which assertHeld() did not throw
//   end    the last such reading; the holder gives back or has found out that it is lost
// A process that is stopped or blocked does nothing and believes nothing: its belief lasts from its first act to its last.
import { readFileSync } from "node:fs";

/** @returns the beliefs of one holder's log; a line that was cut off by its end counts as not written */
export function beliefsIn(file, holder) {
  const beliefs = new Map();
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  for (const line of lines) {
    const [kind, key, epoch, at] = line.split(" ");
    const id = `${key} ${epoch}`;
    const ns = BigInt(at);
    const belief = beliefs.get(id);
    if (kind === "begin") {
      beliefs.set(id, { key, epoch: BigInt(epoch), holder, from: ns, to: ns });
    } else if (belief !== undefined && ns > belief.to) {
      belief.to = ns;
    }
  }
  return [...beliefs.values()];
}

/**
 * @param beliefs of all holders
 * @returns complaints: beliefs in one key that overlap, and epochs that did not grow from one to the next
 */
export function judge(beliefs) {
  const overlaps = [];
  const disorder = [];
  for (const ofKey of grouped(beliefs)) {
    const inOrder = ofKey.toSorted((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
    let latest = inOrder[0];
    for (const belief of inOrder.slice(1)) {
      if (belief.from < latest.to) overlaps.push(describe(latest, belief));
      if (belief.epoch <= latest.epoch) disorder.push(describe(latest, belief));
      if (belief.to > latest.to) latest = belief;
    }
  }
  return { overlaps, disorder };
}

function grouped(beliefs) {
  const groups = {};
  for (const belief of beliefs) (groups[belief.key] ??= []).push(belief);
  return Object.values(groups);
}

function describe(one, other) {
  const show = ({ holder, epoch, from, to }) => `${holder} epoch ${epoch} from ${from} to ${to} ns`;
  return `${one.key}: ${show(one)}; ${show(other)}`;
}
