/** Text of a short file whose encoding is not known. */
import { describe, expect, test } from "vitest";

import { decodeText } from "../../lib/file-lock/decode-text.js";

const decoded = (...bytes: readonly number[]): string => decodeText(Buffer.from(bytes));

describe("a byte order mark decides", () => {
  test.each([
    ["UTF-16, the lower byte first", [0xff, 0xfe, 0x37, 0x00]],
    ["UTF-16, the higher byte first", [0xfe, 0xff, 0x00, 0x37]],
    ["UTF-8", [0xef, 0xbb, 0xbf, 0x37]],
    ["UTF-16 whose last character is torn", [0xff, 0xfe, 0x37, 0x00, 0x38]],
    ["UTF-16, the higher byte first, whose last character is torn", [0xfe, 0xff, 0x00, 0x37, 0x00]],
  ])("%s", (_, bytes) => {
    expect(decoded(...bytes)).toBe("7");
  });

  test("only as a whole, and at the beginning", () => {
    for (const byte of [0xff, 0xfe]) {
      expect(decoded(byte, 0x37)).toBe("\uFFFD7");
      expect(decoded(0x37, byte)).toBe("7\uFFFD");
    }
    expect(decodeText(Buffer.from("7\uFEFF"))).toBe("7\uFEFF");
  });
});

describe("without one", () => {
  test("every second byte is zero in UTF-16 of ASCII, from two characters on", () => {
    expect(decoded(0x34, 0, 0x37, 0)).toBe("47");
    expect(decoded(0, 0x34, 0, 0x37)).toBe("47");
    expect(decoded(0x34, 0, 0x37, 0, 0x38)).toBe("47");
    expect(decoded(0x37, 0)).toBe("7\0");
    expect(decoded(0, 0x37)).toBe("\x007");
  });

  test("padding of whole characters tells nothing of the encoding", () => {
    expect(decoded(0x34, 0, 0x37, 0, 0, 0, 0, 0)).toBe("47\0\0");
    expect(decoded(0, 0x34, 0, 0x37, 0, 0)).toBe("47\0");
    expect(decoded(0x37, 0, 0, 0)).toBe("7\0\0\0");
    expect(decoded(0, 0, 0, 0, 0, 0)).toBe("\0".repeat(6));
  });

  test("text with a zero too many or too few is UTF-8", () => {
    expect(decoded(0x34, 0, 0x37, 0x38)).toBe("4\x0078");
    expect(decoded(0, 0x34, 0x37, 0x38)).toBe("\x00478");
    expect(decoded(0x34, 0, 0, 0, 0x37, 0)).toBe("4\0\0\x007\0");
    expect(decodeText(Buffer.from("grün"))).toBe("grün");
    expect(decodeText(Buffer.alloc(0))).toBe("");
  });
});

test("the bytes are left as they are", () => {
  const bytes = Buffer.from([0xfe, 0xff, 0x00, 0x37]);
  decodeText(bytes);
  expect([...bytes]).toEqual([0xfe, 0xff, 0x00, 0x37]);
});
