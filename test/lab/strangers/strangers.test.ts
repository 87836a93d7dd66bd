/** A short form of the `strangers` step of `npm run trust`: 20 000 reuses of one pid, instead of a million. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

import { beforeEach, expect, test } from "vitest";

import { ROOT } from "../../support/processes/programs.js";
import { requireNative, requireRoot } from "../../support/require.js";

const REUSES = 20_000;

beforeEach((context) => {
  requireRoot(context, "chooses pids in a pid namespace");
  requireNative(context);
});

interface Row {
  readonly way: string;
  readonly signals: number;
  readonly processes: number;
  readonly replaced: number;
  readonly gone: number;
  readonly unknown: number;
  readonly right: number;
  readonly stranger: number;
}

function tryWay(way: string, reuses: number): Row {
  const script = join(ROOT, "test/lab/strangers/strangers.mjs");
  const args = [script, "--way", way, "--reuses", String(reuses), "--json"];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${stdout}${stderr}`);
  const { rows } = JSON.parse(stdout) as { readonly rows: readonly [Row] };
  return rows[0];
}

test(
  "a signal by token reaches the process that was meant or none, while the pid is given to others",
  { timeout: 900_000 },
  () => {
    const { way, ...row } = tryWay("signalProcess(token)", REUSES);
    console.log(way, row);
    expect(row).toMatchObject({ stranger: 0, unknown: 0 });
    expect(row.replaced).toBeGreaterThanOrEqual(REUSES);
    // Some came in time, and reached it.
    expect(row.right).toBeGreaterThan(0);
    expect(row.gone).toBeGreaterThan(0);
  },
);

test(
  "the same harness finds strangers that process.kill hits after a look",
  { timeout: 300_000 },
  () => {
    const row = tryWay("process.kill(pid)", 1000);
    console.log(row);
    expect(row.stranger).toBeGreaterThan(0);
  },
);

test("the same harness finds strangers that tree-kill hits", { timeout: 300_000 }, (context) => {
  if (!existsSync(join(ROOT, "test/lab/bench/node_modules/tree-kill"))) {
    context.skip("needs tree-kill: npm --prefix test/lab/bench ci");
  }
  const row = tryWay("tree-kill", 1000);
  console.log(row);
  expect(row.stranger).toBeGreaterThan(0);
});
