/** Runs named checks one after the other, a line each, and counts them as lanes.mjs reads it. */
export function createTally() {
  const counts = { passed: 0, failed: 0 };
  return {
    /** @param {() => string | Promise<string>} check throws what is wrong; returns facts for people */
    async check(name, check) {
      const started = performance.now();
      const seconds = () => ((performance.now() - started) / 1000).toFixed(1);
      try {
        const facts = await check();
        counts.passed += 1;
        console.log(`ok     ${name}: ${facts} (${seconds()} s)`);
      } catch (error) {
        counts.failed += 1;
        console.log(`FAILED ${name} (${seconds()} s)\n${error.stack}`);
      }
    },
    /** The closing line, and the exit code. */
    close() {
      console.log(`${counts.passed} passed, ${counts.failed} failed`);
      process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
    },
  };
}
