/** The code in dist/: what an import has to find, open and run. Every file more costs it about half a millisecond. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { DIST, runNode } from "../support/processes/child.js";
import { ROOT } from "../support/processes/programs.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/** Prints all files of modules that importing `entry` reads, and the native libraries then loaded. */
function importing(entry: string): string {
  const hooks = `
    let port;
    export const initialize = (data) => void (port = data.port);
    export const load = (url, context, next) => (port.postMessage(url), next(url, context));`;
  return `
    import { register } from "node:module";
    import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
    const { port1, port2 } = new MessageChannel();
    const hooks = "data:text/javascript," + encodeURIComponent(${JSON.stringify(hooks)});
    register(hooks, { data: { port: port2 }, transferList: [port2] });
    await import(${JSON.stringify(DIST + entry)});
    const files = [];
    for (let got = receiveMessageOnPort(port1); got; got = receiveMessageOnPort(port1)) {
      if (!got.message.startsWith("node:")) files.push(got.message);
    }
    port1.close();
    process.report.excludeNetwork = true;
    const native = process.report.getReport().sharedObjects.filter((file) => file.endsWith(".node"));
    console.log(JSON.stringify({ files, native }));`;
}

test.for([
  ["index.js", ["shared/process.js", "shared/util.js"]],
  [
    "session-lock/index.js",
    ["shared/lease.js", "shared/process.js", "shared/lock.js", "shared/util.js"],
  ],
  ["session-controller/index.js", ["shared/util.js"]],
  ["session-attention/index.js", ["shared/util.js"]],
  [
    "file-lock/index.js",
    [
      "shared/file-lock.js",
      "shared/lease.js",
      "shared/process.js",
      "shared/lock.js",
      "shared/util.js",
    ],
  ],
  [
    "proper-lockfile/index.js",
    [
      "shared/file-lock.js",
      "shared/lease.js",
      "shared/process.js",
      "shared/lock.js",
      "shared/util.js",
    ],
  ],
  ["lease/index.js", ["shared/lease.js", "shared/process.js", "shared/util.js"]],
] as const)("importing %s reads itself and %j, nothing native", async ([entry, shared]) => {
  // Instead of the package, which would be loaded before the watch begins.
  const empty = join(temporaryFolder(), "empty.mjs");
  writeFileSync(empty, "");
  const { files, native } = (await runNode(importing(entry), { entry: empty })) as {
    readonly files: readonly string[];
    readonly native: readonly string[];
  };
  expect(files.toSorted()).toEqual([entry, ...shared].map((name) => DIST + name).toSorted());
  expect(native).toEqual([]);
});

test("nothing is imported later: a bundler can put all of it into one file", () => {
  const code = readdirSync(new URL(DIST), { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".js"),
  );
  expect(code).toContain("session-lock/index.js");
  for (const name of code) {
    expect(readFileSync(new URL(name, DIST), "utf8"), name).not.toMatch(/\bimport\(/u);
  }
});

test("no module is in two files: its state and its classes exist once", () => {
  const folder = join(ROOT, "dist");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const placed = files
    .filter((name) => name.endsWith(".js"))
    // The bundler writes a module's name above its code.
    .flatMap((name) => readFileSync(join(folder, name), "utf8").match(/^\/\/ \S+\.js$/gmu) ?? []);
  const twice = placed.filter((name, index) => placed.indexOf(name) !== index);
  expect(twice).toEqual([]);
  expect(placed).toContain("// native/load.js");
  expect(placed).toContain("// lock/held-locks.js");
});

test("every published file is named by an expression that bundlers and tracers follow", () => {
  const code = readFileSync(join(ROOT, "dist/shared/process.js"), "utf8");
  const listed = readFileSync(join(ROOT, ".ci/addon/prebuilds.mjs"), "utf8");
  const published = [...listed.matchAll(/"(prebuilds\/[^"]+)"/gu)];
  expect(published).toHaveLength(8);
  const named = [
    ...code.matchAll(/new URL\("\.\.\/\.\.\/(prebuilds\/[^"]+)", import\.meta\.url\)/gu),
  ];
  expect(new Set(named.map(([, path]) => path))).toEqual(
    new Set(published.map(([, path]) => path)),
  );
});

test("no file imports the name `constants`, with which @vercel/nft fails wherever `fs.constants` is read", () => {
  const files = readdirSync(join(ROOT, "dist"), { recursive: true, encoding: "utf8" });
  const code = files.filter((name) => name.endsWith(".js"));
  expect(code.length).toBeGreaterThan(0);
  for (const name of code) {
    expect(readFileSync(join(ROOT, "dist", name), "utf8")).not.toMatch(
      /import \{[^}]*\bconstants\b/u,
    );
  }
});

test("no library file imports a module of Node, which reads all its exports and runs their getters", () => {
  const files = readdirSync(join(ROOT, "dist"), { recursive: true, encoding: "utf8" });
  const code = files.filter((name) => name.endsWith(".js") && !name.startsWith("cli"));
  expect(code).toHaveLength(12);
  for (const name of code) {
    expect(readFileSync(join(ROOT, "dist", name), "utf8")).not.toMatch(/^import .*"node:/mu);
  }
});

test("the code is ASCII: V8 keeps one byte for each character and reads it faster", () => {
  const files = readdirSync(join(ROOT, "dist"), { recursive: true, encoding: "utf8" });
  for (const name of files.filter((file) => file.endsWith(".js"))) {
    expect(readFileSync(join(ROOT, "dist", name), "utf8")).not.toMatch(/[\u0080-\uffff]/u);
  }
});

test("the declarations name nothing of the command", () => {
  const files = readdirSync(join(ROOT, "dist"), { recursive: true, encoding: "utf8" });
  const declarations = files.filter((name) => name.endsWith(".d.ts"));
  expect(declarations).toHaveLength(11);
  for (const name of declarations) {
    expect(readFileSync(join(ROOT, "dist", name), "utf8")).not.toMatch(/^\/\/ cli\//mu);
  }
});

test("a declaration keeps what its source says about it, and an entry what it is for", () => {
  const text = readFileSync(join(ROOT, "dist/index.d.ts"), "utf8");
  expect(text).toMatch(/^\/\*\*\n \* Processes: [^/]*@packageDocumentation/u);
  const undocumented = [...text.matchAll(/(?<!\*\/)\ndeclare function (\w+)/gu)];
  expect(undocumented.map(([, name]) => name)).toEqual([]);
});
