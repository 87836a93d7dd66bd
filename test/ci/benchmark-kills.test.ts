/** `npm run bench` counts what killed processes leave beside their locks: a count that misses files proves nothing. */
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { expect, it } from "vitest";

import { ROOT } from "../support/processes/programs.js";
import { requireNative } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const { leftByKills } = (await import(
  pathToFileURL(join(ROOT, "test/lab/bench/measure/kills.mjs")).href
)) as {
  leftByKills: (
    count: number,
    folder: string,
  ) => Promise<{ readonly left: readonly (readonly [string, number])[]; readonly ms: number }>;
};

it("processes are killed while they fight for a lock, each lock can be taken again, and every other file is counted", async (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  const planted = ["session-0.jsonl.lock.guard", `session-9.jsonl.lock.${"a".repeat(32)}.gone`];
  for (const name of [...planted, "stray"]) writeFileSync(join(folder, name), "");
  const { left } = await leftByKills(6, folder);
  const counts = new Map(left);
  // The guard is entered, and removed, by the processes that find it.
  expect([counts.get("gone"), counts.get("stray")]).toEqual([1, 1]);
  const total = left.reduce((sum, [, count]) => sum + count, 0);
  expect(readdirSync(folder)).toHaveLength(total);
});
