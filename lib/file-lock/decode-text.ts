/** Text of a short file whose encoding is not known. Pure. */

const BOM = "\uFEFF";

/**
 * UTF-16 of either byte order, recognised by its byte order mark, or without one by every other byte being zero as in
 * all text that ASCII has; else UTF-8. Without the byte order mark.
 */
export function decodeText(bytes: Buffer): string {
  const text = decode(bytes);
  return text.startsWith(BOM) ? text.slice(BOM.length) : text;
}

function decode(bytes: Buffer): string {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return utf16(bytes, "little");
  if (first === 0xfe && second === 0xff) return utf16(bytes, "big");
  if (hasOnlyZerosAt(1, bytes)) return utf16(bytes, "little");
  if (hasOnlyZerosAt(0, bytes)) return utf16(bytes, "big");
  return bytes.toString("utf8");
}

function utf16(bytes: Buffer, order: "little" | "big"): string {
  // A half character at the end is a torn one.
  const whole = bytes.subarray(0, bytes.length & ~1);
  return (order === "little" ? whole : Buffer.from(whole).swap16()).toString("utf16le");
}

/**
 * Whether every second byte from `start` on is zero, and the others are not; two bytes alone could be anything. Padding
 * at the end, whole characters of zeros, is left out.
 */
function hasOnlyZerosAt(start: 0 | 1, bytes: Buffer): boolean {
  let end = bytes.length;
  while (end >= 2 && bytes[end - 1] === 0 && bytes[end - 2] === 0) end -= 2;
  if (end < 4) return false;
  for (const [index, byte] of bytes.subarray(0, end).entries()) {
    if ((byte === 0) !== (index % 2 === start)) return false;
  }
  return true;
}
