// Checks by name what would be published: `npm pack`, then every file of the tarball.
//
//   node .ci/check-package.mjs               whatever binaries there are
//   node .ci/check-package.mjs --release     exactly the eight of a release
//   node .ci/check-package.mjs [--release] [--tarball <file>] [folder of the package]
//                                          that very tarball instead of a fresh one
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, posix, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { checkBinary } from "./addon/check-binary.mjs";
import { distFiles } from "./dist-files.mjs";
import { publishedGuides, relativeLinks } from "./guides.mjs";
import { packPublished, readTarball } from "./pack.mjs";
import { PREBUILDS } from "./addon/prebuilds.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const MAX_BYTES = 1_200_000;
const MAX_DEPENDENCIES = 2;
const DOCUMENTS = ["LICENSE", "README.md", "package.json"];
/** The lines of Node in which require() loads ES modules. */
const ENGINES = "^20.19.0 || >=22.12.0";

/** What npm runs while it installs a package, or, as `pre…`, before a script of that name. */
const INSTALL_SCRIPTS = ["preinstall", "install", "postinstall", "prepare", "prepublish"];

/** @param {Record<string, unknown>} manifest */
function manifestProblems(manifest) {
  const problems = [];
  const scripts = manifest.scripts ?? {};
  for (const name of INSTALL_SCRIPTS) {
    if (scripts[name] !== undefined) problems.push(`package.json has an install script: ${name}`);
  }
  for (const name of Object.keys(scripts)) {
    const runsBefore = name.startsWith("pre") ? scripts[name.slice(3)] : undefined;
    if (runsBefore !== undefined) problems.push(`package.json has a hidden first step: ${name}`);
  }
  // Without this npm makes up an install script wherever it finds a binding.gyp.
  if (manifest.gypfile !== false) problems.push(`package.json lacks "gypfile": false`);
  if (manifest.engines?.node !== ENGINES) {
    problems.push(`package.json has other engines than ${ENGINES}: ${manifest.engines?.node}`);
  }
  if (manifest.type !== "module") problems.push(`package.json is not of the type module`);
  const dependencies = Object.keys(manifest.dependencies ?? {});
  if (dependencies.length > MAX_DEPENDENCIES) {
    problems.push(`more than ${MAX_DEPENDENCIES} dependencies: ${dependencies.join(", ")}`);
  }
  for (const kind of ["optionalDependencies", "peerDependencies", "bundleDependencies"]) {
    if (manifest[kind] !== undefined) problems.push(`package.json has unexpected ${kind}`);
  }
  return problems;
}

/** Every file that `exports`, `bin`, `types` and `main` point to. */
function entryPoints({ exports: exported, bin, types, main }) {
  const targets = [];
  const collect = (value) => {
    if (typeof value === "string") targets.push(posix.normalize(value));
    else if (value !== null && typeof value === "object") Object.values(value).forEach(collect);
  };
  [exported, bin, types, main].forEach(collect);
  return targets;
}

/** What a file imports, statically or by import(): specifiers. */
function importsOf(source) {
  const pattern = /(?:\bfrom\s*|\bimport\s*\(?\s*)(["'])([^"'\n]+)\1/gu;
  return [...source.matchAll(pattern)].map(([, , specifier]) => specifier);
}

function importProblems(files, dependencies) {
  const problems = [];
  for (const [path, content] of files) {
    const isTypes = path.endsWith(".d.ts");
    if (!isTypes && !path.endsWith(".js")) continue;
    const source = content.toString("utf8");
    for (const specifier of importsOf(source)) {
      if (specifier.startsWith("node:")) continue;
      if (!specifier.startsWith(".")) {
        // None of the dependencies has types.
        const known = !isTypes && dependencies.includes(specifier);
        if (!known) problems.push(`${path} imports what users do not have: ${specifier}`);
        continue;
      }
      const target = posix.join(posix.dirname(path), specifier);
      const wanted = isTypes ? target.replace(/\.js$/u, ".d.ts") : target;
      if (!files.has(wanted)) problems.push(`${path} imports a file that is not there: ${wanted}`);
    }
    if (source.includes("sourceMappingURL=")) problems.push(`${path} refers to a source map`);
  }
  return problems;
}

/** Links of guides that lead to nothing in the package. */
function linkProblems(files) {
  const guides = [...files].filter(([path]) => path.endsWith(".md"));
  return guides.flatMap(([guide, content]) =>
    relativeLinks(guide, content.toString("utf8"))
      .filter(({ path }) => !files.has(path))
      .map(({ to }) => `${guide} has a link to what is not in the package: ${to}`),
  );
}

function problemsOf(target, file) {
  try {
    return checkBinary(target, file).problems;
  } catch (error) {
    return [`is ${error.message}`];
  }
}

function binaryProblems(files, release) {
  const problems = [];
  for (const [target, path] of PREBUILDS) {
    const file = files.get(path);
    if (file !== undefined) {
      problems.push(...problemsOf(target, file).map((problem) => `${path} ${problem}`));
    } else if (release) {
      problems.push(`a release needs the binary ${path}`);
    }
  }
  return problems;
}

/**
 * Everything that is wrong with a package; an empty list when it may be published.
 *
 * @param {Map<string, Buffer>} files of the tarball
 * @param {{ size: number, dist: string[], guides: string[], release: boolean }} facts `dist`: what belongs into dist/;
 *   `guides`: what is to be read beside README.md
 * @returns {string[]}
 */
function packageProblems(files, { size, dist, guides, release }) {
  const manifest = JSON.parse(files.get("package.json").toString("utf8"));
  const problems = manifestProblems(manifest);
  if (size > MAX_BYTES) problems.push(`the tarball has more than ${MAX_BYTES} bytes: ${size}`);

  const required = [...DOCUMENTS, ...guides, ...dist];
  for (const path of required)
    if (!files.has(path)) problems.push(`is not in the package: ${path}`);
  const allowed = new Set([...required, ...PREBUILDS.values()]);
  for (const path of files.keys()) {
    if (!allowed.has(path)) problems.push(`does not belong into the package: ${path}`);
  }
  for (const target of entryPoints(manifest)) {
    if (!files.has(target)) problems.push(`package.json names a file that is not there: ${target}`);
  }
  for (const path of Object.values(manifest.bin ?? {})) {
    const program = files.get(posix.normalize(path))?.toString("utf8") ?? "";
    if (!program.startsWith("#!/usr/bin/env node\n")) problems.push(`is no program: ${path}`);
  }
  problems.push(...importProblems(files, Object.keys(manifest.dependencies ?? {})));
  problems.push(...binaryProblems(files, release), ...linkProblems(files));
  for (const [path, content] of files) {
    if (content.includes(ROOT)) problems.push(`${path} contains the path ${ROOT}`);
  }
  return problems;
}

/** What others see in the tarball; they print it. attw: how every kind of importer finds the types. */
function othersAgree(tarball) {
  const commands = [
    ["publint/src/cli.js", "run", tarball],
    ["@arethetypeswrong/cli/dist/index.js", tarball, "--profile", "esm-only"],
  ];
  return commands.every(([program, ...args]) => {
    const file = join(ROOT, "node_modules", program);
    const { status } = spawnSync(process.execPath, [file, ...args], {
      cwd: ROOT,
      stdio: "inherit",
    });
    return status === 0;
  });
}

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { release: { type: "boolean", default: false }, tarball: { type: "string" } },
});
const root = resolve(positionals[0] ?? ROOT);
const folder = mkdtempSync(join(tmpdir(), "pidentity-pack-"));
try {
  const tarball = options.tarball ?? packPublished(root, folder);
  const files = readTarball(tarball);
  const { size } = statSync(tarball);
  const problems = packageProblems(files, {
    size,
    dist: distFiles(),
    guides: publishedGuides(ROOT),
    release: options.release,
  });
  const binaries = [...PREBUILDS.values()].filter((path) => files.has(path)).length;
  console.log(`${files.size} files, ${binaries} binaries, ${size} bytes packed`);
  for (const problem of problems) console.error(problem);
  const isAgreed = root !== ROOT || othersAgree(resolve(tarball));
  process.exitCode = problems.length === 0 && isAgreed ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
