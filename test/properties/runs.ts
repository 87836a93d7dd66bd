/**
 * How many examples a property is tried with: `count`, times PIDENTITY_PROPERTY_FACTOR, which the long
 * form of the tests sets (`npm run trust`).
 */
export function runs(count: number): { readonly numRuns: number } {
  const factor = Number(process.env["PIDENTITY_PROPERTY_FACTOR"] ?? "1");
  if (!(factor > 0)) throw new RangeError(`PIDENTITY_PROPERTY_FACTOR must be > 0: ${factor}`);
  return { numRuns: Math.ceil(count * factor) };
}
