import { inspect } from "node:util";

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { cutToWidth, displayWidth } from "../../lib/cli/display-width.js";
import { formatDuration, formatLocalTime } from "../../lib/cli/duration.js";
import { jsonDocument, printable } from "../../lib/cli/printable.js";
import { formatTable } from "../../lib/cli/table.js";
import { recordingStream } from "../support/command-line.js";

const anyText = fc.string({ unit: "binary", maxLength: 40 });

describe("printable", () => {
  test("nothing that a terminal obeys or that turns a line around survives, whatever the text", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(printable(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
      }),
    );
  });

  test.each([
    ["plain text, ümläute and 漢字", "plain text, ümläute and 漢字"],
    [String.raw`C:\Users\me`, String.raw`C:\Users\me`],
    ["\u0000\u001B\u009B", String.raw`\x00\x1b\x9b`],
    ["a\tb\r\nc", String.raw`a\tb\r\nc`],
    ["\u202Ex\u2066", String.raw`\u202ex\u2066`],
    ["\uD800", String.raw`\ud800`],
    ["\u{E0001}", String.raw`\u{e0001}`],
  ])("%j", (text, shown) => {
    expect(printable(text)).toBe(shown);
  });
});

describe("jsonDocument", () => {
  test("reads back as what was written, whatever the text, and has no character to obey", () => {
    fc.assert(
      fc.property(anyText, anyText, (key, value) => {
        const document = jsonDocument({ [key]: [value] });
        // Not compared as objects: "__proto__" is a key like any other.
        expect(Object.entries(JSON.parse(document) as object)).toEqual([[key, [value]]]);
        expect(document.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
      }),
    );
  });
});

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

describe("table", () => {
  const rows = [
    [{ text: "漢字" }, { text: "x".repeat(50) }],
    [{ text: "abcdef", color: "red" as const }, { text: "" }],
  ];

  test("columns stand under each other also with wide characters", () => {
    expect(formatTable(["A", "B"], rows, recordingStream(false))).toBe(
      `A       B\n漢字    ${"x".repeat(50)}\nabcdef\n`,
    );
  });

  test("only the last column is cut, to the cell", () => {
    const [, line = ""] = formatTable(["A", "B"], rows, recordingStream(true, 30)).split("\n");
    expect(displayWidth(line)).toBe(30);
    expect(line).toMatch(/^漢字 {4}x+…$/u);
  });

  test("colour takes no width", () => {
    const text = formatTable(["A", "B"], [[{ text: "x", color: "red" }, { text: "y" }]], {
      ...recordingStream(true),
      hasColor: true,
    });
    expect(inspect(text)).toContain(String.raw`\x1B[31mx\x1B[39m  y`);
  });
});

describe("duration", () => {
  test.each([
    [0, "0s"],
    [999, "0s"],
    [45_000, "45s"],
    [123_456, "2m3s"],
    [300_000, "5m"],
    [3_599_999, "59m59s"],
    [3_600_000, "1h"],
    [3_725_000, "1h2m"],
    [86_400_000, "1d"],
    [86_405_000, "1d"],
    [273_600_000, "3d4h"],
    [null, "unknown"],
  ])("%j ms is %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  test("a moment is told in this process's time zone and reads back to the second", () => {
    const moment = Date.UTC(2026, 10, 21, 8, 9, 10);
    const text = formatLocalTime(moment);
    expect(text).toMatch(/^2026-11-2\d \d\d:\d\d:10$/u);
    expect(Date.parse(text.replace(" ", "T"))).toBe(moment);
  });

  test.each([null, Number.NaN, 1e300])("the moment %j is not known", (moment) => {
    expect(formatLocalTime(moment)).toBe("-");
  });
});
