/** A short form of `npm run torture`: every mode, a few hundred acquisitions. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { ROOT } from "../../support/processes/programs.js";
import { requireNative, requirePosix } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const SCRIPT = join(ROOT, "test/lab/torture/torture.mjs");

interface Report {
  readonly passed: number;
  readonly failed: number;
  readonly modes: readonly {
    readonly acquired: number;
    readonly reclaimed: number;
    readonly deaths: number;
    readonly written: number;
    readonly refused: number;
    readonly stops: Readonly<Record<string, number>>;
    readonly illegal: readonly string[];
  }[];
}

/** What a run of that mode reports. */
function torture(mode: string): { readonly status: number | null; readonly report: Report } {
  const args = ["--mode", mode, "--acquisitions", "240", "--processes", "6", "--json"];
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [SCRIPT, ...args, "--directory", temporaryFolder()],
    { encoding: "utf8" },
  );
  if (stderr !== "") throw new Error(stderr);
  return { status, report: JSON.parse(stdout) as Report };
}

const aboveZero = expect.toSatisfy((count: number) => count > 0) as number;

// What each mode is there to make happen; without it the run would have shown nothing.
describe("without a signal", () => {
  test.for<[string, Partial<Report["modes"][number]>]>([
    ["plain", { acquired: 240, written: 240, reclaimed: 0, deaths: 0 }],
    ["overdue", { acquired: 240, reclaimed: aboveZero, refused: aboveZero, deaths: 0 }],
  ])("%s", { timeout: 120_000 }, ([mode, happened], context) => {
    requireNative(context);
    const { status, report } = torture(mode);
    expect(report).toMatchObject({ passed: 1, failed: 0, modes: [{ ...happened, illegal: [] }] });
    expect(status).toBe(0);
  });
});

describe("with signals", () => {
  test.for<[string, Partial<Report["modes"][number]>]>([
    ["abandon", { reclaimed: aboveZero, deaths: aboveZero }],
    ["killed", { deaths: aboveZero }],
    ["stopped", { acquired: aboveZero }],
    ["stopped-inside", { stops: { fence: aboveZero } }],
  ])("%s", { timeout: 120_000 }, ([mode, happened], context) => {
    requireNative(context);
    requirePosix(context, "signals");
    const { status, report } = torture(mode);
    expect(report).toMatchObject({ passed: 1, failed: 0, modes: [{ ...happened, illegal: [] }] });
    expect(status).toBe(0);
  });
});

test.each([
  ["--mode", "gentle", /--mode must be one of plain, .*: gentle/],
  ["--acquisitions", "0", /--acquisitions must be an integer > 0: 0/],
  ["--processes", "many", /--processes must be an integer > 0: many/],
])("bad input is named: %s %s", (option, value, message) => {
  const { status, stderr } = spawnSync(process.execPath, [SCRIPT, option, value], {
    encoding: "utf8",
  });
  expect(status).toBe(1);
  expect(stderr).toMatch(message);
});
