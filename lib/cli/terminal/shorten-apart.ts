/** Names of a list cut to a width where they are alike, so that they can be told apart. Pure. */
import { beginningOf, displayWidth, endingOf, shortenToWidth } from "./display-width.js";

/**
 * Each name that fits as it is, the others with an ellipsis for what they share with the rest of the list: in the
 * middle where that tells them apart, else where their differences leave room. Only where the width is not enough for
 * the differences themselves two names may look the same.
 *
 * @param names - Already {@link printable}; duplicates are one name.
 * @returns by name
 */
export function shortenApart(
  names: readonly string[],
  columns: number,
): ReadonlyMap<string, string> {
  const all = [...new Set(names)];
  const shown = new Map(all.map((name) => [name, shortenToWidth(name, columns)]));
  const long = all.filter((name) => shown.get(name) !== name);
  // Names of one family are cut in the same place.
  const families = new Set(groupBy(long, (name) => shown.get(name) ?? name).values());
  for (const head of headsFor(columns - 1)) {
    if (families.size === 0) return shown;
    const alike = groupBy(all, (name) => cut(name, head, columns));
    const isApart = (name: string): boolean => alike.get(cut(name, head, columns))?.length === 1;
    for (const family of families) {
      if (!family.every(isApart)) continue;
      families.delete(family);
      for (const name of family) shown.set(name, cut(name, head, columns));
    }
  }
  for (const family of families) {
    for (const [name, core] of showDifference(family, columns - 2)) {
      if (core !== "") shown.set(name, `…${core}…`);
    }
  }
  return shown;
}

/** Of names that are alike at both ends: the part between, in `room` cells, by name. */
function showDifference(family: readonly string[], room: number): ReadonlyMap<string, string> {
  const parted = partCommonEnds(family);
  if (parted === null || room < 1) return new Map();
  const { start, cores, end } = parted;
  const spare = room - Math.max(...[...cores.values()].map(displayWidth));
  // Where there is room for more, it shows what the difference stands between.
  const after = beginningOf(end, Math.max(0, Math.floor(spare / 2)));
  const before = endingOf(start, Math.max(0, spare - displayWidth(after)));
  const shown = spare < 0 ? shortenApart([...cores.values()], room) : null;
  return new Map(
    [...cores].map(([name, core]) => [name, shown?.get(core) ?? `${before}${core}${after}`]),
  );
}

/** Bounds the work on names that differ nowhere near their ends. */
const MOST_HEADS = 32;

/** Cells of the beginning to be tried, of `room` for both ends: first half of it, as is usual, then ever less even. */
function headsFor(room: number): number[] {
  if (!(room > 0) || room === Infinity) return [];
  const middle = Math.ceil(room / 2);
  const step = Math.ceil((room + 1) / MOST_HEADS);
  const heads = Array.from({ length: room + 1 }, (_, index) => index);
  return heads
    .filter((cells) => (cells - middle) % step === 0 || cells === 0 || cells === room)
    .toSorted((a, b) => Math.abs(a - middle) - Math.abs(b - middle));
}

function cut(name: string, headCells: number, columns: number): string {
  const room = columns - 1;
  const head = beginningOf(name, headCells);
  const tail = endingOf(name, room - displayWidth(head));
  return `${head}…${tail}`;
}

interface CommonEnds {
  readonly start: string;
  /** What is left between the two, by name. */
  readonly cores: ReadonlyMap<string, string>;
  readonly end: string;
}

/** null: the names share neither beginning nor end. */
function partCommonEnds(names: readonly string[]): CommonEnds | null {
  const [first = [], ...rest] = names.map((name) => Array.from(name));
  const shortest = Math.min(first.length, ...rest.map((name) => name.length));
  let start = 0;
  while (start < shortest && rest.every((name) => name[start] === first[start])) start++;
  let end = 0;
  while (end < shortest - start && rest.every((name) => name.at(-1 - end) === first.at(-1 - end))) {
    end++;
  }
  if (start + end === 0) return null;
  const coreOf = (name: readonly string[]): string => name.slice(start, name.length - end).join("");
  return {
    start: first.slice(0, start).join(""),
    cores: new Map([first, ...rest].map((name) => [name.join(""), coreOf(name)])),
    end: first.slice(first.length - end).join(""),
  };
}

function groupBy<K>(names: readonly string[], keyOf: (name: string) => K): Map<K, string[]> {
  const groups = new Map<K, string[]>();
  for (const name of names) {
    const key = keyOf(name);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [name]);
    else group.push(name);
  }
  return groups;
}
