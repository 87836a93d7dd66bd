/** Text of others inside JSON and on one line. */
import { describe, expect, test } from "vitest";

import { escapeInJson, oneLine, quote } from "../../lib/util/printable.js";

test("a quoted text has its marks, and escapes between them", () => {
  expect(quote("a\nb")).toBe(String.raw`"a\nb"`);
});

describe("JSON with dangerous characters", () => {
  const facts = { text: "\u0085 \u202e \u{E0001} \u007F 👩\u200d💻 ü", list: [1] };

  test("has an escape for each of them, and keeps its lines", () => {
    const json = JSON.stringify(facts, null, 2);
    const escaped = escapeInJson(json);
    expect(escaped).toContain(String.raw`\u0085 \u202e \udb40\udc01 \u007f 👩` + "\u200d💻 ü");
    expect(escaped.split("\n")).toHaveLength(json.split("\n").length);
  });

  test("means the same", () => {
    expect(JSON.parse(escapeInJson(JSON.stringify(facts, null, 2)))).toEqual(facts);
  });
});

test("lines are put into one without blanks around them, and blank ones are left out", () => {
  expect(oneLine(" a \n\n \t\n  b c\r\n")).toBe("a; b c");
  expect(oneLine("")).toBe("");
});
