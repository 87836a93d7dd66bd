/** The examples of the README and of the session lock's guide, run as a user would run them; what the guides name. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { DIST, runExample } from "./support/processes/child.js";
import { ROOT } from "./support/processes/programs.js";
import { codeBlock, codeBlocks, writeExample } from "./support/readme-code.js";
import { requireNative } from "./support/require.js";
import { temporaryFolder } from "./support/temporary-folder.js";

/** What each example says, by a text that only it contains. */
const EXAMPLES: readonly {
  readonly mark: string;
  readonly says: RegExp;
}[] = [
  {
    mark: "inspectProcess(process.ppid)",
    says: /^alive \d+ \[.*\]\n\{ state: 'same', reason: 'running' \}\n$/su,
  },
  { mark: "cleanStaleLockFiles({", says: /^0 removed, 0 kept\n$/u },
  { mark: "acquirePidFile({", says: /^running as \d+: .*daemon\.pid\n$/u },
];

describe("README.md", () => {
  const blocks = codeBlocks("README.md", "js");

  test("each example of README.md is known to its test", () => {
    const known = EXAMPLES.map(({ mark }) => mark);
    const marks = blocks.flatMap((block) => {
      const found = known.filter((mark) => block.includes(mark));
      return found.length === 1 ? found : [block];
    });
    expect(marks.sort()).toEqual(known.sort());
  });

  test.for(EXAMPLES)(
    "the example with `$mark` says what README.md says of it",
    async ({ mark, says }, context) => {
      requireNative(context);
      const folder = temporaryFolder();
      const code = blocks.find((block) => block.includes(mark)) ?? "";
      const here = JSON.stringify(join(folder, "sub")).slice(1, -1);
      const script = writeExample(
        code.replaceAll(/\/tmp\/example|\/var\/lib\/gateway/gu, () => here),
        folder,
      );
      expect(await runExample(script)).toMatch(says);
    },
  );
});

test("the session lock's example that tries once takes a lock that is free", async () => {
  const folder = temporaryFolder();
  const example = codeBlock("lib/session-lock/README.md", "js", "timeoutMs: 0");
  const session = JSON.stringify(join(folder, "s.jsonl"));
  const script = writeExample(
    example.replace('"s.jsonl"', () => session),
    folder,
  );
  expect(await runExample(script)).toBe("ours\n");
});

const REFERENCE = "lib/README.md";

/** Each entry point, and where its exports are explained. */
const GUIDES: readonly (readonly [entry: string, guides: readonly string[]])[] = [
  ["index.js", [REFERENCE]],
  ["file-lock/index.js", [REFERENCE, "lib/file-lock/README.md"]],
  ["lease/index.js", ["lib/lease/README.md"]],
  ["session-attention/index.js", ["lib/session-attention/README.md"]],
  ["session-controller/index.js", ["lib/session-controller/README.md"]],
  ["session-lock/index.js", [REFERENCE, "lib/session-lock/README.md"]],
];

const textOf = (guides: readonly string[]): string =>
  guides.map((guide) => readFileSync(join(ROOT, guide), "utf8")).join("\n");

test.for(GUIDES)(
  "the guides of %s name each of its functions and errors",
  async ([entry, guides]) => {
    const text = textOf(guides);
    const exported = (await import(DIST + entry)) as Record<string, unknown>;
    const functions = Object.keys(exported).filter((name) => typeof exported[name] === "function");
    // Classes that are not thrown themselves.
    const abstract = new Set(["FileLockError", "LeaseError", "SessionWriteLockError"]);
    const isNamed = (name: string): boolean => new RegExp(`\\b${name}\\b`, "u").test(text);
    expect(functions.filter((name) => !isNamed(name) && !abstract.has(name))).toEqual([]);
  },
);

test("the example of the tracing channels counts, and says why a lock was taken", async (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  const listener = codeBlock("lib/session-lock/README.md", "ts", "node:diagnostics_channel");
  const session = JSON.stringify(join(folder, "s.jsonl"));
  const script = writeExample(
    `${listener}
    import { writeFileSync } from "node:fs";
    import { withSessionWriteLock } from "pidentity/session-lock";
    // No process has it: pid_max is 2^22 at most, and Windows gives multiples of four.
    writeFileSync(${session} + ".lock", JSON.stringify({ pid: 4194305, createdAt: new Date().toISOString() }));
    await withSessionWriteLock({ sessionFile: ${session} }, () => {});
    console.log(JSON.stringify({ ...counters, waitedMs: typeof counters.waitedMs }));`,
    folder,
  );
  const [line, counted] = (await runExample(script)).split("\n");
  expect(line).toMatch(
    /^acquire removed .*s\.jsonl\.lock: dead-pid; kernel lock silent, owner gone \([a-z-]+\), held \d+ of null ms$/u,
  );
  expect(JSON.parse(counted ?? "")).toEqual({
    acquired: 1,
    waitedMs: "number",
    reclaimed: 1,
    refused: 0,
  });
});
