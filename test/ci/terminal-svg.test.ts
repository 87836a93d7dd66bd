import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { describe, expect, test } from "vitest";

import { ROOT } from "../support/processes/programs.js";

const { terminalSvg } = (await import(
  pathToFileURL(join(ROOT, "test/lab/trial/terminal-svg.mjs")).href
)) as {
  readonly terminalSvg: (output: string, options: { readonly title: string }) => string;
};

describe("a picture of a terminal", () => {
  const draw = (output: string): string => terminalSvg(output, { title: "t" });

  test("a terminal's picture has every run of text in its cell, with its look", () => {
    const svg = draw(
      "plain \u001B[1mbold\u001B[22m\r\n  \u001B[33mold\u001B[39m  \u001B[2mdim\u001B[22m\r\n",
    );
    const texts = [
      ...svg.matchAll(/<text x="([\d.]+)" y="([\d.]+)" .*?fill="(.*?)"(.*?)>(.*?)<\/text>/gu),
    ];
    expect(texts.map(([, x, y, , , text]) => [Number(x), Number(y), text])).toEqual([
      [16, 29.5, "plain"],
      [66.4, 29.5, "bold"],
      [32.8, 47.5, "old"],
      [74.8, 47.5, "dim"],
    ]);
    const [plain, bold, old, dim] = texts.map(
      ([, , , ink, weight]) => `${ink ?? ""}${weight ?? ""}`,
    );
    expect(bold).toBe(`${plain ?? ""} font-weight="bold"`);
    expect(new Set([plain, old, dim]).size).toBe(3);
  });

  test("a terminal's picture is as large as its text", () => {
    expect(draw("x".repeat(100))).toContain('viewBox="0 0 872 50"');
  });

  test("a terminal's picture is well-formed whatever the text says", () => {
    expect(draw('<b> & "q"')).toContain("&lt;b&gt; &amp; &quot;q&quot;</text>");
  });

  test("a terminal's picture is refused where something would be lost", () => {
    expect(() => draw("\u001B[2J")).toThrow("cannot draw");
    expect(() => draw("\u001B[95mpink")).toThrow("cannot draw the escape sequence: 95");
    expect(() => draw("a\tb")).toThrow("cannot draw");
  });
});
