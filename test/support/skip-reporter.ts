/**
 * Ends a run with why tests do not apply here: a line for each reason with its count (`--reporter=verbose` names the
 * tests). A test that was skipped without a reason fails the run: it would never be noticed that it never runs.
 */
import type { Reporter, TestCase, TestModule, Vitest } from "vitest/node";

export default class SkipReporter implements Reporter {
  #vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped = modules.flatMap((module) => [...module.children.allTests("skipped")]);
    const counts = new Map<string, number>();
    for (const test of skipped) {
      const reason = reasonOf(test);
      if (reason !== undefined) counts.set(reason, (counts.get(reason) ?? 0) + 1);
    }
    for (const [reason, count] of counts) {
      process.stdout.write(`skipped ${String(count)}: ${reason}\n`);
    }
    // With --testNamePattern all others are skipped, without a reason.
    if (this.#vitest?.getGlobalTestNamePattern() !== undefined) return;
    for (const test of skipped.filter((candidate) => reasonOf(candidate) === undefined)) {
      const name = `${test.module.relativeModuleId} > ${test.fullName}`;
      process.stdout.write(`skipped without a reason: ${name}\n`);
      process.exitCode = 1;
    }
  }
}

function reasonOf(test: TestCase): string | undefined {
  const result = test.result();
  return result.state === "skipped" ? result.note : undefined;
}
