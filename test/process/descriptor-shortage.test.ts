/** What is said of processes when no file descriptor is free: nothing that was not seen. */
import { describe, expect, test } from "vitest";

import { environmentFor, LINUX_BACKENDS } from "../support/processes/backends.js";
import { runNode } from "../support/processes/child.js";
import { requireLinux } from "../support/require.js";

/** Opens all but so many of the descriptors that are left, and asks. */
const ASK = `
import { closeSync, openSync } from "node:fs";
const own = p.identifyProcess();
const other = p.inspectProcess(process.ppid);
const told = (ask) => {
  try {
    return ask();
  } catch (error) {
    return { code: error.code };
  }
};
const toldLater = async (ask) => {
  try {
    return await ask();
  } catch (error) {
    return { code: error.code };
  }
};
const answers = [];
for (const left of [0, 1]) {
  const opened = [];
  try {
    for (;;) opened.push(openSync("/dev/null", "r"));
  } catch {
    for (let i = 0; i < left; i++) closeSync(opened.pop());
  }
  answers.push({
    other: told(() => p.inspectProcess(process.ppid)),
    many: [...(await p.inspectProcesses([process.ppid])).values()],
    verdict: told(() => p.verifyProcess(own)),
    children: told(() => p.getProcessChildren(process.ppid).length),
    ancestors: told(() => p.getProcessAncestors(process.pid).length),
    list: await toldLater(async () => {
      const all = await p.listProcesses();
      return all.map(({ reason }) => reason);
    }),
  });
  for (const fd of opened) closeSync(fd);
}
console.log(JSON.stringify(answers));`;

describe.each(LINUX_BACKENDS)("backend %s", (name) => {
  test("says neither that access is denied nor that there are no relatives", async (context) => {
    requireLinux(context, "descriptors that can be limited");
    const answers = (await runNode(ASK, {
      env: environmentFor(name),
      prefix: ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"],
    })) as {
      other: { state: string; reason: string };
      many: { state: string; reason: string }[];
      verdict: { state: string; reason: string };
      children: unknown;
      ancestors: unknown;
      list: unknown;
    }[];
    const reasons = answers.flatMap(({ other, many, verdict }) => [other, ...many, verdict]);
    expect(reasons.map(({ reason }) => reason)).not.toContain("access-denied");
    expect(reasons.map(({ state }) => state)).not.toContain("gone");
    const [none] = answers;
    expect(none).toMatchObject({
      children: { code: "PROCESS_LIST_UNSUPPORTED" },
      ancestors: { code: "PROCESS_LIST_UNSUPPORTED" },
      list: { code: "PROCESS_LIST_UNSUPPORTED" },
    });
    for (const { list } of answers) expect(JSON.stringify(list)).not.toContain("access-denied");
    for (const { children, ancestors } of answers) {
      expect(children).not.toBe(0);
      expect(ancestors).not.toBe(0);
    }
  });
});
