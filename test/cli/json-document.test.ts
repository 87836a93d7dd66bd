import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { jsonDocument, jsonDocumentParts } from "../../lib/cli/json-document.js";

const anyText = fc.string({ unit: "binary", maxLength: 40 });

const DANGEROUS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

describe("a JSON document", () => {
  test("reads back as what was written, whatever the text, and has no character that a terminal obeys", () => {
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

  test("that is made in parts is the same document, however long the list", () => {
    fc.assert(
      fc.property(fc.array(fc.dictionary(anyText, fc.array(anyText))), anyText, (list, text) => {
        const parts = [...jsonDocumentParts({ text }, "list", list)];
        expect(parts.join("")).toBe(jsonDocument({ text, list }));
      }),
    );
  });
});
