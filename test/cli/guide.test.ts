import { readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { type Explanation, KEPT_REASONS, STALE_REASONS } from "../../lib/cli/locks/explanations.js";
import { FORMS } from "../../lib/cli/locks/forms/registry.js";
import { runHere } from "../support/command-line.js";
import { endedPid, lockDirectory } from "../support/locks/lock-directory.js";
import { ROOT } from "../support/processes/programs.js";

const GUIDE = readFileSync(join(ROOT, "lib/cli/README.md"), "utf8");

/** The rows of the table below a heading, cell by cell, without the header. */
function tableBelow(heading: string): string[][] {
  const [, section = ""] = GUIDE.split(`\n${heading}\n`);
  const rows: string[][] = [];
  let isInside = false;
  for (const line of section.split(/\r?\n/u)) {
    if (line.startsWith("|")) {
      isInside = true;
      const cells = line.slice(1, -1).split("|");
      rows.push(cells.map((cell) => cell.trim()));
    } else if (isInside) break;
  }
  return rows.slice(2);
}

/** The options in the guide's table; a row without a command belongs to the one above. */
function guideOptionsOf(command: string): string[] {
  let current = "";
  return tableBelow("## Options").flatMap(([name = "", option = ""]) => {
    if (name !== "") current = name.replaceAll("`", "");
    const [, long] = /^`(--[\w-]+)/u.exec(option) ?? [];
    return current === command && long !== undefined ? [long] : [];
  });
}

describe("the guide's texts are those of --explain", () => {
  const rowsOf = (explanations: Readonly<Record<string, Explanation>>): string[][] =>
    Object.entries(explanations).map(([reason, { meaning, remedy }]) => [
      `\`${reason}\``,
      meaning,
      remedy,
    ]);

  test("for every reason why a lock is stale", () => {
    expect(tableBelow("### Why a lock is stale")).toEqual(rowsOf(STALE_REASONS));
  });

  test("for every reason why a lock is kept", () => {
    expect(tableBelow("### Why a lock is kept")).toEqual(rowsOf(KEPT_REASONS));
  });
});

describe("the guide's JSON keys are those that are printed", () => {
  const keysBelow = (heading: string): string[] =>
    tableBelow(heading).map(([key = ""]) => key.replaceAll("`", ""));

  test("of locks", async () => {
    const directory = lockDirectory();
    directory.writePlain("a", { pid: await endedPid() });
    const args = ["locks", directory.path, "--json", "--explain"];
    const document = JSON.parse((await runHere(args)).stdout) as { locks: object[] };
    expect(Object.keys(document)).toEqual(keysBelow("### `locks --json`"));
    const [, ofALock = ""] = GUIDE.split("| key of a lock");
    const keys = [...(ofALock.split("\n###")[0]?.matchAll(/^\| `(\w+)`/gmu) ?? [])];
    expect(new Set(Object.keys(document.locks[0] ?? {}))).toEqual(
      new Set(keys.map(([, key]) => key)),
    );
  });

  test("of any lock", async () => {
    const directory = lockDirectory();
    directory.writePlain("a", { pid: await endedPid() });
    const args = ["locks", "--all", directory.path, "--json"];
    const document = JSON.parse((await runHere(args)).stdout) as {
      counts: object;
      locks: object[];
    };
    const heading = "### `locks <file> --json`, `locks --all --json`";
    expect(Object.keys(document)).toEqual(keysBelow(heading));
    const [, counts = ""] = tableBelow(heading).find(([key]) => key === "`counts`") ?? [];
    expect(counts).toContain(`{ ${Object.keys(document.counts).join(", ")} }`);
    const [, ofAnyLock = ""] = GUIDE.split("| key of any lock");
    const keys = [...(ofAnyLock.split("\n###")[0]?.matchAll(/^\| `(\w+)`/gmu) ?? [])];
    expect(Object.keys(document.locks[0] ?? {})).toEqual(keys.map(([, key]) => key));
  });

  test.each([
    ["ps", String(process.pid)],
    ["tree", String(process.pid)],
    ["identify", String(process.pid)],
    ["verify", "x"],
    ["wait", String(process.pid), "--timeout", "0"],
    ["kill", String(2 ** 52)],
    ["native"],
  ])("of %s", async (...args) => {
    const [command = ""] = args;
    const { schemaVersion, ...rest } = JSON.parse(
      (await runHere([...args, "--json"])).stdout,
    ) as Record<string, unknown>;
    expect(schemaVersion).toBe(1);
    const [, text = ""] =
      tableBelow("### The others").find(([name]) => name === `\`${command} --json\``) ?? [];
    const documented = [...text.matchAll(/`(\w+)`/gu)].map(([, key]) => key);
    const [list] = Object.values(rest);
    const inner = Array.isArray(list)
      ? (list as object[]).flatMap((item) => Object.keys(item))
      : [];
    for (const key of Object.keys(rest)) expect(documented).toContain(key);
    for (const key of inner) expect(text).toMatch(new RegExp(`\\b${key}\\b`, "u"));
  });
});

test("the guide's table of lock forms has those that are read, in their order", () => {
  const [, table = ""] = GUIDE.split("\n| `kind`");
  const kinds = [...(table.split("\n\n")[0]?.matchAll(/^\| `([\w-]+)`/gmu) ?? [])];
  expect(kinds.map(([, kind]) => kind)).toEqual(FORMS.map(({ kind }) => kind));
});

test.each([
  [
    "locks",
    "--all",
    "--fix",
    "--state-dir",
    "--explain",
    "--watch",
    "--stale-ms",
    "--owner",
    "--keep-plain",
    "--json",
  ],
  ["ps", "--json"],
  ["tree", "--json"],
  ["identify", "--json"],
  ["verify", "--json"],
  ["wait", "--timeout", "--json"],
  ["kill", "--tree", "--grace-ms", "--signal", "--yes", "--json"],
  ["break", "--reason", "--force", "--yes", "--stale-ms", "--owner", "--keep-plain", "--json"],
  ["run", "--lock", "--timeout", "--no-wait", "--label"],
  ["native", "--json"],
])("the guide and the help of %s list the same options", async (command, ...options) => {
  expect(GUIDE).toContain(`\`pidentity ${command}`);
  const { stdout } = await runHere([command, "--help"]);
  const [, section = ""] = stdout.split("\nOptions:\n");
  const named = [...section.matchAll(/^ {2}(--[\w-]+)/gmu)].map(([, option]) => option);
  expect(named).toEqual(options);
  expect(guideOptionsOf(command).toSorted()).toEqual(options.toSorted());
});
