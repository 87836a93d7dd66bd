import { inspect } from "node:util";

import { describe, expect, test } from "vitest";

import { displayWidth } from "../../../lib/cli/terminal/display-width.js";
import { formatTable, layOutTable } from "../../../lib/cli/terminal/table.js";
import { recordingStream } from "../../support/command-line.js";

describe("a table", () => {
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
