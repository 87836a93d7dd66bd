/**
 * What a TypeScript user can name, and of which types it is: the declarations in dist/, rolled up into one text per
 * entry and stored beside this test. The code may be arranged anew at will; these texts change only with the API.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { ROOT } from "../support/processes/programs.js";
import { requirePosix } from "../support/require.js";

const UPDATE = "npx vitest run test/api --update";

const { exports: exported } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  readonly exports: Readonly<Record<string, string | { readonly types: string }>>;
};

/** One text with all that an entry's declarations name, wherever it is declared. */
async function rollUp(declarations: string): Promise<string> {
  // Here: the folder in which Windows programs are tried has no bundler.
  const { rolldown } = await import("rolldown");
  const { dts } = await import("rolldown-plugin-dts");
  const build = await rolldown({
    input: declarations,
    external: /^node:/u,
    plugins: [dts({ dtsInput: true, sourcemap: false, tsconfig: false })],
  });
  const { output } = await build.generate();
  await build.close();
  expect(output).toHaveLength(1);
  return output[0].code;
}

/** Without remarks and in the order of the alphabet: neither is what a program can depend on. */
function inOrder(declarations: string): string {
  const statements = declarations
    .replaceAll(/^ *\/\*\*(?:[^*]|\*(?!\/))*\*\/\n/gmu, "")
    .replaceAll(/^\/\/.*\n/gmu, "")
    // A statement begins where a line does.
    .split(/\n(?=[a-z])/u)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== "")
    // One name a line: the lines that differ are the names that do.
    .map((statement) =>
      statement.startsWith("export {") ? statement.replaceAll(/(?<=[{,]) /gu, "\n  ") : statement,
    );
  return `${statements.toSorted().join("\n")}\n`;
}

test("the public API has the names and types that are stored for it", async (context) => {
  requirePosix(context, "the declarations are the same everywhere, and rolled up there");
  const entries = Object.entries(exported).flatMap(([entry, target]) =>
    typeof target === "string" ? [] : [[entry, target.types] as const],
  );
  expect(entries.map(([entry]) => entry)).toMatchInlineSnapshot(`
    [
      ".",
      "./file-lock",
      "./lease",
      "./proper-lockfile",
      "./session-attention",
      "./session-controller",
      "./session-lock",
    ]
  `);
  for (const [entry, types] of entries) {
    const name = entry === "." ? "index" : entry.slice(2);
    const text = inOrder(await rollUp(join(ROOT, types)));
    const message =
      `the public API of ${entry} is not what test/api/${name}.txt says; users depend on every line that is gone or ` +
      `changed. If it shall be so: ${UPDATE}, and a line in CHANGELOG.md`;
    await expect(text, message).toMatchFileSnapshot(`${name}.txt`);
  }
});
