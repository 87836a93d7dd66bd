import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { displayWidth, shortenToWidth } from "../../../lib/cli/terminal/display-width.js";
import { shortenApart } from "../../../lib/cli/terminal/shorten-apart.js";

const shown = (names: readonly string[], columns: number): string[] => {
  const short = shortenApart(names, columns);
  return names.map((name) => short.get(name) ?? "");
};

const transcripts = (ids: readonly string[]): string[] =>
  ids.map((id) => `agent-main-session-3f2b8c1e-77aa-4d0e-9f12-${id}-transcript`);

describe("names in a list", () => {
  test.each<[string, string[], number, string[]]>([
    ["that fit stay whole", ["one", "another"], 7, ["one", "another"]],
    [
      "that differ at their ends lose their middle",
      ["agent-main-session-1", "agent-main-session-2"],
      11,
      ["agent…ion-1", "agent…ion-2"],
    ],
    [
      "that differ at the beginning of their second half show it",
      transcripts(["000000000001", "000000000002"]),
      14,
      ["a…1-transcript", "a…2-transcript"],
    ],
    [
      "that differ in the middle alone show their middle",
      ["000000000000000a000000000000000", "000000000000000b000000000000000"],
      9,
      ["…000a000…", "…000b000…"],
    ],
    [
      "of one family are cut in the same place",
      transcripts(["000000000001", "000000000002", "0000000000a2"]),
      14,
      ["…01-transcript", "…02-transcript", "…a2-transcript"],
    ],
    [
      "that are alike are told apart beside one that is not",
      [...transcripts(["1a", "1b"]), "held"],
      14,
      ["a…a-transcript", "a…b-transcript", "held"],
    ],
    ["that are the same look the same", ["abcdefghij", "abcdefghij"], 5, ["ab…ij", "ab…ij"]],
    ["one alone loses its middle", ["abcdefghij"], 5, ["ab…ij"]],
    [
      "of wide characters are cut by their cells",
      ["漢字漢字漢字1", "漢字漢字漢字2"],
      8,
      ["漢字…字1", "漢字…字2"],
    ],
  ])("%s", (_what, names, columns, expected) => {
    expect(shown(names, columns)).toEqual(expected);
  });

  test("are never wider than the room, and a name by itself is cut as ever, whatever the names", () => {
    const names = fc.uniqueArray(fc.string({ unit: "grapheme", maxLength: 30 }), { maxLength: 12 });
    fc.assert(
      fc.property(names, fc.integer({ min: 1, max: 20 }), (list, columns) => {
        for (const text of shown(list, columns)) {
          expect(displayWidth(text)).toBeLessThanOrEqual(columns);
        }
        for (const name of list) {
          expect(shown([name], columns)).toEqual([shortenToWidth(name, columns)]);
        }
      }),
    );
  });

  test("of one family are told apart wherever their one difference is", () => {
    const index = fc.integer({ min: 0, max: 39 });
    fc.assert(
      fc.property(index, fc.integer({ min: 9, max: 30 }), (at, columns) => {
        const names = ["a", "b", "c"].map(
          (letter) => `${"x".repeat(at)}${letter}${"x".repeat(39 - at)}`,
        );
        expect(new Set(shown(names, columns)).size).toBe(3);
      }),
    );
  });

  test("of identifiers are told apart at the room that a table of 80 columns has", () => {
    const ids = fc.uniqueArray(fc.uuid(), { minLength: 2, maxLength: 30 });
    fc.assert(
      fc.property(ids, (uuids) => {
        const names = uuids.map((uuid) => `agent-main-${uuid}-transcript`);
        expect(new Set(shown(names, 14)).size).toBe(names.length);
      }),
      { numRuns: 50 },
    );
  });

  test("a thousand long ones that differ nowhere near their ends take no second", () => {
    const names = Array.from(
      { length: 1000 },
      (_, index) => `${"x".repeat(700)}${String(index).padStart(4, "0")}${"x".repeat(700)}`,
    );
    const before = process.cpuUsage();
    const short = shown(names, 600);
    const { user } = process.cpuUsage(before);
    expect(new Set(short).size).toBe(1000);
    expect(user / 1e6).toBeLessThan(5);
  });
});
