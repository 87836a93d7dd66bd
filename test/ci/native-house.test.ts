/** The order of native/: what is compiled where, what may know an OS, and that its guide is true of it. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { describe, expect, test } from "vitest";

import { ROOT } from "../support/processes/programs.js";
import { requireLinux } from "../support/require.js";

const NATIVE = join(ROOT, "native");
const MAX_LINES = 300;

/** Folders of native/ beside those that every OS compiles, by the OS's name in binding.gyp. */
const OS_FOLDERS = { linux: ["linux", "posix"], mac: ["darwin", "posix"], win: ["windows"] };

const { readTarget } = (await import(pathToFileURL(join(ROOT, ".ci/addon/gyp.mjs")).href)) as {
  readTarget: (path: string, variables: object) => { readonly sources: readonly string[] };
};

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8").replaceAll("\r\n", "\n");
}

function filesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${folder}/${entry.name}`)
    .sort();
}

const folders = readdirSync(NATIVE, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);
const glue = filesIn("native").filter((file) => /\.(?:cc|h)$/u.test(file));

test.for(Object.entries(OS_FOLDERS))(
  "binding.gyp names every source file that %s needs, and no other",
  ([os, own], context) => {
    requireLinux(context, "where the build of every OS is checked");
    const variables = { OS: os, target_arch: "x64", module_root_dir: "." };
    const { sources } = readTarget(join(ROOT, "binding.gyp"), variables);
    const expected = ["native", "native/parse", ...own.map((name) => `native/${name}`)]
      .flatMap((folder) => filesIn(folder))
      .filter((file) => file.endsWith(".cc"));
    expect([...sources].sort()).toEqual(expected.sort());
  },
);

test("the glue between Node-API and the contracts includes no header of an OS, and asks for none", () => {
  for (const file of glue) {
    const text = read(file);
    const guard = /^#(?:ifndef|endif|define)\b.*PIDENTITY_NATIVE_/u;
    const directives = text
      .split("\n")
      .filter((line) => line.startsWith("#") && !guard.test(line))
      // <napi.h> and the C++ library, or a file of this folder.
      .filter((line) => !/^#include (?:<napi\.h>|<c?[a-z_]+>|"[a-z_]+\.h")$/u.test(line));
    expect({ file, directives }).toEqual({ file, directives: [] });
  }
});

test(`no file of native/ has more than ${String(MAX_LINES)} lines`, () => {
  const files = [...filesIn("native"), ...folders.flatMap((name) => filesIn(`native/${name}`))];
  const long = files.filter((file) => read(file).split("\n").length - 1 > MAX_LINES);
  expect(long).toEqual([]);
});

describe("native/README.md", () => {
  const guide = read("native/README.md");
  const quoted = [...guide.matchAll(/`([^`\n]+)`/gu)].map(([, text = ""]) => text);

  test("the guide of native/ names every folder and every file of the glue", () => {
    const isNamed = (file: string): boolean => {
      const stem = file.slice("native/".length).replace(/\.(?:cc|h)$/u, "");
      return quoted.includes(`${stem}.cc`) || quoted.includes(`${stem}.h`);
    };
    expect(glue.filter((file) => !isNamed(file))).toEqual([]);
    expect(folders.filter((name) => !quoted.includes(`${name}/`))).toEqual([]);
  });

  test("the guide of native/ names no file, folder, script or lane that is not there", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    const lanes = new Set(
      [...read(".ci/lanes.mjs").matchAll(/^ {4}name: "([a-z0-9-]+)",$/gmu)].map(([, name]) => name),
    );
    // What is built is not there in a fresh clone.
    const built = new Set(read(".gitignore").split(/\r?\n/u));
    const isThere = (text: string): boolean => {
      if (built.has(text)) return true;
      const [, script] = /^npm run ([\w:-]+)/u.exec(text) ?? [];
      if (script !== undefined) return script in scripts;
      const [, lane] = /^\.ci\/run ([a-z0-9-]+)$/u.exec(text) ?? [];
      if (lane !== undefined) return lanes.has(lane);
      if (/^(?:lib|test|\.ci)\//u.test(text)) return existsSync(join(ROOT, text));
      if (/^[a-z_]+(?:\/|\.cc|\.h|\.map)$/u.test(text)) {
        return existsSync(join(NATIVE, text)) || existsSync(join(ROOT, text));
      }
      return true;
    };
    expect(quoted.filter((text) => !isThere(text))).toEqual([]);
    expect(quoted.filter((text) => text.startsWith(".ci/run ")).length).toBeGreaterThan(0);
  });
});
