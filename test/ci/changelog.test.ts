/**
 * CHANGELOG.md against what is there: every export is named in it, and what it names exists. (1.0.0 was never published:
 * its section and those above it together are what a user of this version reads.)
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { publicEntries } from "../inputs/public-functions.js";
import { ROOT } from "../support/processes/programs.js";

const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

const CHANGELOG = read("CHANGELOG.md");

/** What stands in backticks, which may end in another line. */
const SPANS = [...CHANGELOG.matchAll(/`([^`]+)`/gu)].map(([, span = ""]) =>
  span.replaceAll(/\s+/gu, " "),
);

const ENTRIES = publicEntries();

/** A group of names: `*Options`, `Lease*Error`. */
const isGroup = (span: string): boolean => /^\w*\*\w*$/u.test(span);

function patternOf(group: string): RegExp {
  return new RegExp(`^${group.replaceAll("*", "\\w+")}$`, "u");
}

const GROUPS = SPANS.filter(isGroup);

// One name or several in a span: `acquireFileLock({ lease })`, `release()`.
const words = (span: string): string[] => span.match(/[A-Za-z_$][\w$]*(?:-[\w$]+)*/gu) ?? [];

const NAMED = new Set(SPANS.filter((span) => !isGroup(span)).flatMap(words));

test.each(ENTRIES)("$entry: every export is named, alone or by a group", ({ exported }) => {
  const isNamed = (name: string): boolean =>
    NAMED.has(name) || GROUPS.some((group) => patternOf(group).test(name));
  expect(exported.filter((name) => !isNamed(name))).toEqual([]);
});

test("every group has names", () => {
  const exported = ENTRIES.flatMap((entry) => entry.exported);
  const empty = GROUPS.filter((group) => !exported.some((name) => patternOf(group).test(name)));
  expect(empty).toEqual([]);
});

/** The words of the declarations: names, options, members, and the texts that they may have. */
const DECLARED = new Set(
  readdirSync(join(ROOT, "test/api"))
    .filter((name) => name.endsWith(".txt"))
    .map((name) => read(`test/api/${name}`))
    .flatMap((text) => words(text.replaceAll(/\/\*.*?\*\//gsu, ""))),
);

const { exports: entries, scripts } = JSON.parse(read("package.json")) as {
  readonly exports: Readonly<Record<string, unknown>>;
  readonly scripts: Readonly<Record<string, string>>;
};

const sourcesIn = (folder: string): string =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => read(join(folder, name)))
    .join("\n");

const PRODUCT = sourcesIn("lib");
const COMMAND = sourcesIn("lib/cli");
const BENCHMARKS = read("test/lab/bench/bench.mjs");
/** Where a script's first argument is named. */
const PARTS: Readonly<Record<string, string>> = {
  bench: BENCHMARKS,
  check: read(".ci/check.mjs"),
  trust: read("test/lab/trust/steps.mjs"),
};

/** By how a span looks: whether what it names is there. The first that fits decides. */
const KINDS: readonly (readonly [RegExp, (span: string, parts: readonly string[]) => boolean])[] = [
  [/^pidentity(\/[\w-]+)?$/u, (_, [path = ""]) => `.${path}` in entries],
  [/^pidentity:(\w+)$/u, (span) => PRODUCT.includes(`"${span}"`)],
  [/^pidentity (\w+)/u, (_, [name = ""]) => existsSync(join(ROOT, `lib/cli/commands/${name}.ts`))],
  [/^npm (?:run )?([\w:]+)(?: -- (?:--json FILE|(\w+)))?$/u, isScript],
  [/^node (\S+)$/u, (_, [path = ""]) => existsSync(join(ROOT, path))],
  [/^(?:lib|test)\//u, (span) => existsSync(join(ROOT, span))],
  [/^(PIDENTITY_\w+)(?:=1)?$/u, (_, [name = ""]) => PRODUCT.includes(name)],
  [
    /^(?:locks )?--([\w-]+)/u,
    (_, [flag = ""]) => new RegExp(`\\b"?${flag}"?: \\{ type:`, "u").test(COMMAND + BENCHMARKS),
  ],
];

function isScript(_: string, [name = "", part]: readonly string[]): boolean {
  if (name === "test" || name === "pack") return true;
  if (!(name in scripts)) return false;
  if (part === undefined) return true;
  return new RegExp(`^ +(?:name: "${part}"|${part}: )`, "mu").test(PARTS[name] ?? "");
}

/** What is neither this package's name nor a file of it. */
const OTHERS = {
  "the system's": [
    "flock",
    "O_TMPFILE",
    "link",
    "unlink",
    "ps",
    "/dev/shm",
    "/proc",
    "/proc/uptime",
  ],
  "Node's": ["once", "events.once", "trackUnmanagedFds: false", "node:diagnostics_channel"],
  "other tools'": ["@vercel/nft", "build/Release"],
  "a file's end": [".reclaim"],
  "an escape in URLs": ["%00"],
  "a key of lock files with its text": ['"guard": "inode"'],
};

/** What the command prints, word for word. */
const PRINTED = ["now another process", "another program", "in use", "not in use here", "ALIVE"];

/** Commands of the command, where the sentence says so. */
const COMMANDS = ["ps", "identify", "verify", "locks", "native", "locks --json"];

test("what stands in backticks exists", () => {
  const allowed = new Set([...Object.values(OTHERS).flat(), ...PRINTED, ...COMMANDS]);
  const isThere = (span: string): boolean => {
    if (allowed.has(span) || isGroup(span)) return true;
    for (const [pattern, exists] of KINDS) {
      const [, ...parts] = pattern.exec(span) ?? [];
      if (pattern.test(span)) return exists(span, parts);
    }
    return words(span).length > 0 && words(span).every((word) => DECLARED.has(word));
  };
  expect(SPANS.filter((span) => !isThere(span))).toEqual([]);
});

test("what is allowed beside that is still in the text, and the command still prints it", () => {
  const allowed = [...Object.values(OTHERS).flat(), ...PRINTED, ...COMMANDS];
  expect(allowed.filter((span) => !SPANS.includes(span))).toEqual([]);
  expect(PRINTED.filter((text) => !COMMAND.includes(text))).toEqual([]);
  const commands = COMMANDS.map((command) => command.split(" ")[0] ?? command);
  const missing = commands.filter((name) => !existsSync(join(ROOT, `lib/cli/commands/${name}.ts`)));
  expect(missing).toEqual([]);
});
