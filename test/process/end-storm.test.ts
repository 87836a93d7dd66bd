import { performance } from "node:perf_hooks";
import { expect, test } from "vitest";
import { endProcess } from "../../lib/process/end.js";
import { identifyProcess } from "../../lib/process/identity.js";
import { start } from "../support/processes/child.js";
import { program } from "../support/processes/programs.js";

test.each([
  ["dies", []],
  ["ignores", ["ignore"]],
  ["orphans", ["orphans"]],
  ["orphans ignore", ["orphans", "ignore"]],
  ["sessions", ["orphans", "ignore", "own-sessions"]],
])("storm %s", async (_, modes) => {
  const child = await start(program("fork-storm"), ["22", ...modes], { detached: true });
  await child.line();
  const token = identifyProcess(child.pid) ?? "";
  const started = performance.now();
  const result = await endProcess(token, { tree: true, graceMs: 500 });
  const ms = performance.now() - started;
  console.log(
    _,
    ms,
    result.state,
    result.killed.length,
    result.killed.filter((k) => k.signal === "SIGKILL").length,
    result.survivors.length,
  );
  await child.exited();
  console.log(performance.now() - started);
  expect(result.survivors).toEqual([]);
});
