import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  cutToWidth,
  displayWidth,
  padToWidth,
  shortenToWidth,
  wrapToWidth,
} from "../../../lib/cli/terminal/display-width.js";

describe("display width", () => {
  test.each([
    ["", 0],
    ["abc", 3],
    ["漢字", 4],
    ["かな", 4],
    ["한글", 4],
    ["ｆｕｌｌ", 8],
    ["🙂", 2],
    ["e\u0301", 1],
    ["\u0301", 0],
    ["🇩🇪", 2],
    ["❤\ufe0f", 2],
  ])("%j takes %i cells", (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });

  test("a cut text is never wider than it may be, and is a beginning of the whole", () => {
    const texts = fc.string({
      unit: fc.constantFrom("a", "漢", "🙂", "e\u0301", " "),
      maxLength: 30,
    });
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 30 }), (text, columns) => {
        const cut = cutToWidth(text, columns);
        expect(displayWidth(cut)).toBeLessThanOrEqual(columns);
        const fits = displayWidth(text) <= columns;
        expect(cut).toBe(fits ? text : `${text.slice(0, cut.length - 1)}…`);
      }),
    );
  });
});

const wideTexts = fc.string({
  unit: fc.constantFrom("a", "b", "漢", "🙂", "e\u0301", " "),
  maxLength: 30,
});
const columnCounts = fc.integer({ min: 1, max: 30 });

test("a shortened name is never wider than it may be, and keeps both its ends", () => {
  fc.assert(
    fc.property(wideTexts, columnCounts, (text, columns) => {
      const short = shortenToWidth(text, columns);
      expect(displayWidth(short)).toBeLessThanOrEqual(columns);
      const [head = "", tail = ""] = short.split("…");
      const hasBothEnds = text.startsWith(head) && text.endsWith(tail);
      expect(displayWidth(text) <= columns ? short === text : hasBothEnds).toBe(true);
    }),
  );
  expect(shortenToWidth("agent-main-2026-11-21", 10)).toBe("agent…1-21");
});

test("a padded text fills its cells", () => {
  expect(padToWidth("漢", 4)).toBe("漢  ");
  expect(padToWidth("abcde", 4)).toBe("abcde");
});

describe("wrapping", () => {
  test("no line is wider than it may be, and no word is lost", () => {
    fc.assert(
      // Two cells at least: half of a wide character cannot be shown.
      fc.property(wideTexts, fc.integer({ min: 3, max: 30 }), (text, columns) => {
        const lines = wrapToWidth(text, columns, " ");
        for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(columns);
        expect(lines.join("").replaceAll(" ", "")).toBe(text.replaceAll(" ", ""));
      }),
    );
  });

  test("breaks between words, indents what follows, and breaks what has no other place", () => {
    expect(wrapToWidth("  one two threefour", 9, "  ")).toEqual(["  one two", "  threefo", "  ur"]);
    expect(wrapToWidth("", 9)).toEqual([""]);
    expect(wrapToWidth("one two", Infinity)).toEqual(["one two"]);
  });
});
