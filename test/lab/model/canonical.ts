/**
 * One state for all those that differ in names only: which process is which, which inode has which number,
 * which nonce is which. They have the same future, so one of them is enough.
 */
import { layout, type State } from "./world.js";

export interface Canonical {
  readonly state: State;
  /** Whose place each process of the given state has now. */
  readonly places: readonly number[];
}

/** The smallest state among those that differ in names only. */
export function canonical(state: State, isSymmetric: boolean): Canonical {
  const identity = layout.processes();
  let best: Canonical | null = null;
  for (const order of isSymmetric ? sortedOrders(state) : [identity]) {
    const renamed = rename(state, order);
    if (best !== null && !isSmaller(renamed, best.state)) continue;
    best = { state: renamed, places: identity.map((process) => order.indexOf(process)) };
  }
  if (best === null) throw new Error("no order of processes");
  return best;
}

/** Orders of the processes in which what they do ascends; several where they do the same. */
function sortedOrders(state: State): readonly (readonly number[])[] {
  const keys = layout.processes().map((process) => layout.activity(state, process));
  return layout.orders.filter((order) =>
    order.every((process, i) => i === 0 || (keys[order[i - 1] ?? 0] ?? 0) <= (keys[process] ?? 0)),
  );
}

function isSmaller(a: State, b: State): boolean {
  const index = a.findIndex((value, i) => value !== b[i]);
  return index !== -1 && (a[index] ?? 0) < (b[index] ?? 0);
}

/** Gives processes their places in `order`, and inodes and nonces numbers by order of first appearance. */
function rename(state: State, order: readonly number[]): State {
  const inodes = new Numbering();
  const next = layout.moveProcesses(state, order);
  for (const index of layout.inodePlaces) next[index] = inodes.of(next[index] ?? 0);
  layout.moveInodes(next, inodes.given);
  const serials = layout.processes().map(() => new Numbering());
  for (const index of layout.contentPlaces) {
    next[index] = layout.renameContent(
      next[index] ?? 0,
      order,
      (owner, serial) => (serials[owner] ?? new Numbering()).of(serial + 1) - 1,
    );
  }
  return next;
}

class Numbering {
  /** Old numbers by new ones; 0 is none and stays. */
  readonly given: number[] = [0];

  of(old: number): number {
    if (old === 0) return 0;
    const known = this.given.indexOf(old, 1);
    return known === -1 ? this.given.push(old) - 1 : known;
  }
}
