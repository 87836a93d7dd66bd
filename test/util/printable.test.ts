import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { printable, printableStack } from "../../lib/util/printable.js";

describe("printable", () => {
  test("nothing that a terminal obeys or that turns a line around survives, whatever the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
        // A joiner survives, but only between two pictures.
        const shown = printable(text).replaceAll(/(?<=.)\u200d(?=\p{Extended_Pictographic})/gu, "");
        expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
        expect(printable(shown)).toBe(shown);
      }),
    );
  });

  test.each([
    ["umlauts, accents and spaces", "Grüße aus Ærø, e\u0301t e\u0301"],
    ["Han, Kana and Hangul", "漢字 かな 한글"],
    ["pictures", "🎉 ❤\ufe0f 🇩🇪 👍🏽"],
    ["pictures that are joined", "👩\u200d💻 👨\u200d👩\u200d👧 🧑🏽\u200d🚀 ❤\ufe0f\u200d🔥"],
    ["a Windows path", String.raw`C:\Users\me\new`],
    ["quotation marks and shell characters", `it's "$HOME" & more`],
  ])("%s stay as they are", (_what, text) => {
    expect(printable(text)).toBe(text);
  });

  test.each([
    ["a NUL byte and ESC", "\u0000\u001B[2J", String.raw`\x00\x1b[2J`],
    ["line ends and a tab", "a\tb\r\nc", String.raw`a\tb\r\nc`],
    ["a bell and a backspace", "\u0007\b", String.raw`\x07\x08`],
    ["DEL", "\u007F", String.raw`\x7f`],
    ["C1: next line and the control sequence introducer", "\u0085\u009B", String.raw`\x85\x9b`],
    ["an override of the direction and its end", "\u202Ex\u202C", String.raw`\u202ex\u202c`],
    ["an isolate", "\u2066x\u2069", String.raw`\u2066x\u2069`],
    ["marks of direction", "\u200E\u200F\u061C", String.raw`\u200e\u200f\u061c`],
    ["the line and the paragraph separator", "\u2028\u2029", String.raw`\u2028\u2029`],
    ["half of a character", "\uD800", String.raw`\ud800`],
    ["a language tag", "\u{E0001}", String.raw`\u{e0001}`],
    ["a joiner that joins no pictures", "a\u200Db 👩\u200D", String.raw`a\u200db 👩\u200d`],
    ["invisible characters", "a\u200Bb\uFEFF", String.raw`a\u200bb\ufeff`],
  ])("%s", (_what, text, shown) => {
    expect(printable(text)).toBe(shown);
  });
});

describe("an error's stack in a log", () => {
  test("has its message on one line, and its frames below", () => {
    const error = new Error("no such file: 'a\n    at forged (frame.js:1:1)\u001B[2J'");
    const [head, ...frames] = printableStack(error).split("\n");
    expect(head).toBe(String.raw`Error: no such file: 'a\n    at forged (frame.js:1:1)\x1b[2J'`);
    expect(frames.length).toBeGreaterThan(0);
    expect(frames.filter((frame) => !/^ {4}at /u.test(frame))).toEqual([]);
    expect(frames.join()).not.toContain("forged");
  });

  test("is one line where its message was changed since", () => {
    const error = new Error("a\nb");
    // Made when it is read first.
    expect(error.stack).toContain("a\nb");
    error.message = "c";
    expect(printableStack(error)).toMatch(/^Error: a\\nb\\n {4}at /u);
  });

  test("is the message where there is no stack", () => {
    const error = new TypeError("a\nb");
    delete error.stack;
    expect(printableStack(error)).toBe(String.raw`TypeError: a\nb`);
  });
});
