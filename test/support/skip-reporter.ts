/**
 * Ends a run with one list of the tests that do not apply here, each with its reason. A test that was
 * skipped without a reason fails the run: nobody would ever notice that it never runs.
 */
import type { Reporter, TestCase, TestModule, Vitest } from "vitest/node";

export default class SkipReporter implements Reporter {
  #vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped = modules.flatMap((module) => [...module.children.allTests("skipped")]);
    const isChosenByName = this.#vitest?.getGlobalTestNamePattern() !== undefined;
    for (const test of skipped.filter((candidate) => reasonOf(candidate) !== undefined)) {
      const name = `${test.module.relativeModuleId} > ${test.fullName}`;
      process.stdout.write(`does not apply on ${process.platform}: ${name}: ${reasonOf(test)}\n`);
    }
    if (isChosenByName) return;
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
