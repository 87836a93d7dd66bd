// The numbers that a guide says of what a trust run has tried.

/**
 * @typedef {object} Claim
 * @property {string} text such as "over 2 million states"
 * @property {string} unit
 * @property {(count: number) => boolean} holds whether it is true of what was counted
 */

/** "about" may be so far off. */
const TOLERANCE = 0.02;

/**
 * Every number right in front of one of the units: "209 397 acquisitions", "over 2 million states", "about 5 800 cases".
 *
 * @param {string} guide
 * @param {readonly string[]} units words without a meaning in a pattern
 * @returns {Claim[]}
 */
export function claimsIn(guide, units) {
  return units.flatMap((unit) => {
    const pattern = new RegExp(
      String.raw`(?:\b(over|about)\s)?(?<![\d.])(\d{1,3}(?:[ \u00A0\u202F]\d{3})+|\d+)(\smillion)?\s${unit}(?![\w-])`,
      "gu",
    );
    return Array.from(guide.matchAll(pattern), ([text, word, digits, million]) => {
      const claimed =
        Number(digits.replaceAll(/\D/gu, "")) * (million === undefined ? 1 : 1_000_000);
      return { text, unit, holds: (count) => isTrue(word, claimed, count) };
    });
  });
}

function isTrue(word, claimed, count) {
  // "flat over 100 000 calls" has the word in its other sense.
  if (word === "over") return count >= claimed;
  if (word === "about") return Math.abs(count - claimed) <= TOLERANCE * count;
  return count === claimed;
}
