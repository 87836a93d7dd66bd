/**
 * Sums the lines in which the test programs of check.h close.
 *
 * @param {string} output
 * @returns {{ passed: number, failed: number }}
 */
export function countChecks(output) {
  const counts = { passed: 0, failed: 0 };
  for (const [, tests, failed] of output.matchAll(/(\d+) tests, (\d+) failed$/gmu)) {
    counts.passed += Number(tests) - Number(failed);
    counts.failed += Number(failed);
  }
  return counts;
}
