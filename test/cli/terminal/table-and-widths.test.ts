import { inspect } from "node:util";

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  cutToWidth,
  displayWidth,
  padToWidth,
  shortenToWidth,
  wrapToWidth,
} from "../../../lib/cli/terminal/display-width.js";
import { formatDuration, formatLocalTime } from "../../../lib/cli/terminal/duration.js";
import { jsonDocument, jsonDocumentPieces } from "../../../lib/cli/json-document.js";
import { programName } from "../../../lib/cli/locks/program-name.js";
import { formatTable, layOutTable } from "../../../lib/cli/terminal/table.js";
import { writePieces } from "../../../lib/cli/terminal/write-pieces.js";
import { recordingStream } from "../../support/command-line.js";

const anyText = fc.string({ unit: "binary", maxLength: 40 });

const DANGEROUS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

describe("jsonDocument", () => {
  test("reads back as what was written, whatever the text, and has no character to obey", () => {
    fc.assert(
      fc.property(anyText, anyText, (key, value) => {
        const document = jsonDocument({ [key]: [value] });
        // Not compared as objects: "__proto__" is a key like any other.
        expect(Object.entries(JSON.parse(document) as object)).toEqual([
          ["schemaVersion", 1],
          [key, [value]],
        ]);
        expect(document.replaceAll("\n", "")).not.toMatch(DANGEROUS);
      }),
    );
  });

  test("in pieces is the same document, however long the list", () => {
    fc.assert(
      fc.property(fc.array(fc.dictionary(anyText, fc.array(anyText))), anyText, (list, text) => {
        const pieces = [...jsonDocumentPieces({ text }, "list", list)];
        expect(pieces.join("")).toBe(jsonDocument({ text, list }));
      }),
    );
  });
});

test("long output is written in pieces of a size, complete and in order", () => {
  const written: string[] = [];
  const stream = { ...recordingStream(false), write: (text: string) => void written.push(text) };
  const pieces = Array.from({ length: 50_000 }, (_, index) => `${String(index)}\n`);
  writePieces(stream, pieces);
  expect(written.join("")).toBe(pieces.join(""));
  expect(written.length).toBeLessThan(10);
});

describe("program name", () => {
  test.each([
    [["/usr/sbin/nginx"], "nginx"],
    [["node", "/opt/gateway/dist/index.js", "gateway"], "node index.js"],
    [["/usr/bin/node", "--enable-source-maps", "/srv/run.mjs"], "node run.mjs"],
    [["node", "--import", "tsx", "-r", "./a.cjs", "b.ts"], "node b.ts"],
    [["node", "-e", "process.stdin.resume()"], "node -e"],
    [["node", "--eval=1"], "node --eval"],
    [["python3", "-m", "http.server"], "python3 http.server"],
    [["node"], "node"],
    [[String.raw`C:\Program Files\nodejs\node.exe`, String.raw`D:\gw\main.mjs`], "node main.mjs"],
    [[String.raw`C:\Program Files\App\App.EXE`], "App"],
    [["/opt/My App/app"], "app"],
    // Titles that programs give themselves, padded up to the room that they had.
    [["openclaw-gateway", "", ""], "openclaw-gateway"],
    [["nginx: worker process"], "nginx: worker process"],
    [["sshd: root@pts/0", "", ""], "sshd: root@pts/0"],
    [["vim", "a b.txt"], "vim"],
    [["-bash"], "-bash"],
    [[""], null],
    [[], null],
    [null, null],
  ])("%j is %j", (args, name) => {
    expect(programName(args)).toBe(name);
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

describe("table", () => {
  const columns = [{ title: "A" }, { title: "B", shrinkTo: 8 }];
  const rows = [
    [{ text: "漢字" }, { text: "x".repeat(50) }],
    [{ text: "abcdef", color: "red" as const }, { text: "" }],
  ];

  test("columns stand under each other also with wide characters", () => {
    expect(formatTable(columns, rows, recordingStream(false))).toBe(
      `A       B\n漢字    ${"x".repeat(50)}\nabcdef\n`,
    );
  });

  test("only a column that may be cut is, to the cell", () => {
    const plain = { ...recordingStream(true, 30), hasColor: false };
    const [, line = ""] = formatTable(columns, rows, plain).split("\n");
    expect(displayWidth(line)).toBe(30);
    expect(line).toMatch(/^漢字 {4}x+…$/u);
    expect(layOutTable(columns, rows, plain).fits).toBe(true);
  });

  test("what cannot become narrow enough is as narrow as it can be, and says that it does not fit", () => {
    const { fits, rows: lines } = layOutTable(columns, rows, recordingStream(true, 10));
    expect(fits).toBe(false);
    expect(displayWidth(lines[0] ?? "")).toBe(6 + 2 + 8);
  });

  test("the widest columns give first, in their middle where they are names", () => {
    const names = [
      { title: "A", shrinkTo: 5, cut: "middle" as const },
      { title: "B", shrinkTo: 5 },
      { title: "C" },
    ];
    const cells = [[{ text: "abcdefghijkl" }, { text: "123456789" }, { text: "z" }]];
    expect(layOutTable(names, cells, recordingStream(true, 19)).rows).toEqual([
      "abc…jkl  123456…  z",
    ]);
  });

  test("a text of megabytes is laid out at once", () => {
    const cells = [[{ text: "a" }, { text: "x".repeat(5_000_000) }]];
    const { rows: lines } = layOutTable(columns, cells, recordingStream(true, 80));
    expect(lines[0]).toHaveLength(80);
  });

  test("colour takes no width", () => {
    const text = formatTable(columns, [[{ text: "x", color: "red" }, { text: "y" }]], {
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
