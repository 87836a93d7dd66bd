/** What a sweep has found, in the order of the names, though some verdicts come later than others. */
import type { SessionLockInspection } from "../reasons.js";

/** What a sweep found and did, in numbers. */
export interface SweepCounts {
  /** Locks found and judged. */
  readonly total: number;
  readonly stale: number;
  readonly removed: number;
  /** Locks still there: `total - removed`. */
  readonly kept: number;
}

export class SweepReport {
  readonly #keepsAll: boolean;
  /** null: to be told later, or not to be listed. */
  readonly #entries: (SessionLockInspection | null)[] = [];
  #total = 0;
  #stale = 0;
  #removed = 0;

  /** @param which - `stale` lists those only; the counts cover all. */
  constructor(which: "all" | "stale") {
    this.#keepsAll = which === "all";
  }

  get removed(): number {
    return this.#removed;
  }

  add(inspection: SessionLockInspection): void {
    if (this.#count(inspection)) this.#entries.push(inspection);
  }

  /** Keeps the place of a verdict that comes later; give it to the function that is returned. */
  reserve(): (inspection: SessionLockInspection) => void {
    const place = this.#entries.push(null) - 1;
    return (inspection) => {
      if (this.#count(inspection)) this.#entries[place] = inspection;
    };
  }

  result(): {
    readonly locks: readonly SessionLockInspection[];
    readonly cleaned: readonly SessionLockInspection[];
    readonly counts: SweepCounts;
  } {
    const locks = this.#entries.filter((entry) => entry !== null);
    const counts = {
      total: this.#total,
      stale: this.#stale,
      removed: this.#removed,
      kept: this.#total - this.#removed,
    };
    return { locks, cleaned: locks.filter(({ removed }) => removed), counts };
  }

  /** Whether it is to be listed. */
  #count({ stale, removed }: SessionLockInspection): boolean {
    this.#total++;
    if (stale) this.#stale++;
    if (removed) this.#removed++;
    return stale || this.#keepsAll;
  }
}
