// Installs the packed tarball into empty folders, as a new user would, with every package manager.
//
//   node test/lab/install/package-managers.mjs                              npm 10, 11, 12, pnpm, yarn (Plug'n'Play), bun
//   node test/lab/install/package-managers.mjs npm yarn                  some of them
//   node test/lab/install/package-managers.mjs --prebuilt                with the binaries in prebuilds/, such as a release's
//   node test/lab/install/package-managers.mjs --windows                 on node.exe under Wine, with npm for Windows
//
// Without --prebuilt the binaries are cross-built first. There is no compiler on PATH, and no script may
// run or be held back. Then the package must answer through its addon, sweep a directory, give the answers of
// test/lab/trial/transcript.txt, start its command and compile in TypeScript. Package managers and Node releases come from the npm registry into
// build/tools, once.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { assertNative, consume, emptyProject, holdTrial, run } from "./consumer.mjs";
import { filesIn } from "../../../.ci/files-in.mjs";
import { packToTry, withFolder } from "./installed.mjs";
import { createTally } from "./tally.mjs";
import { bunOf, DOWNLOADS, nodeOf, outerEnvironment, registry, tool } from "./tools.mjs";
import { testOnWindows } from "./npm-on-windows.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../..");

const COMPILERS = [
  "cc",
  "gcc",
  "g++",
  "c++",
  "clang",
  "clang++",
  "cl",
  "make",
  "python3",
  "python",
];
/** The start scripts that some managers make of a package's command are shell scripts with these. */
const SHELL_PROGRAMS = ["sh", "sed", "dirname", "uname"];

const NODE_20 = "20.20.2";
const NODE_24 = "24.21.0";

/**
 * `program`: file to start; `viaNode`: it is a script. `install`: arguments that add the package.
 * `runs`: how the manager runs a script with Node and a command of the package, where not simply so.
 */
const MANAGERS = [
  ...[
    ["10.9.9", NODE_20],
    ["11.21.2", NODE_20],
    ["12.2.0", NODE_24],
  ].map(([version, node]) => ({
    name: `npm ${version}`,
    node,
    program: () => join(tool(`npm@${version}`), "bin", "npm-cli.js"),
    viaNode: true,
    install: (tarball) => [
      "install",
      tarball,
      // Else npm hides what scripts print.
      "--foreground-scripts",
      "--no-audit",
      "--no-fund",
      "--prefer-offline",
      `--cache=${join(DOWNLOADS, `npm-${version}`)}`,
    ],
  })),
  {
    name: "pnpm 12.21.0",
    node: NODE_24,
    // The package of that name would download or link this one in an install script.
    program: () => join(tool(`@pnpm/exe.${process.platform}-${process.arch}@12.21.0`), "pnpm"),
    install: (tarball) => [
      "add",
      tarball,
      "--prefer-offline",
      `--store-dir=${join(DOWNLOADS, "pnpm")}`,
    ],
  },
  {
    name: "yarn 4.18.1 (Plug'n'Play)",
    node: NODE_20,
    program: () => join(tool("@yarnpkg/cli-dist@4.18.1"), "bin", "yarn.js"),
    viaNode: true,
    install: (tarball, name) => ["add", `${name}@file:${tarball}`],
    runsNode: ["node"],
    runsCommand: ["run"],
  },
  {
    name: "bun 1.4.5",
    node: NODE_20,
    program: () => bunOf("1.4.5"),
    install: (tarball) => ["add", tarball],
  },
];

const find = (program, folders) =>
  folders.map((folder) => join(folder, program)).find((path) => existsSync(path));

/** A folder for PATH with nothing in it but node, the manager's needs, and no compiler. */
function makePath(folder, node) {
  mkdirSync(folder, { recursive: true });
  symlinkSync(node, join(folder, "node"));
  const outside = (process.env["PATH"] ?? "").split(delimiter);
  for (const program of SHELL_PROGRAMS) {
    const found = find(program, outside);
    if (found !== undefined) symlinkSync(found, join(folder, program));
  }
  for (const compiler of COMPILERS) assert.equal(find(compiler, [folder]), undefined);
  // By execution, too: the search above could look for the wrong thing.
  const { error } = spawnSync("cc", ["--version"], { env: { PATH: folder } });
  assert.equal(error?.code, "ENOENT", "cc is reachable");
  return folder;
}

function environment(path) {
  const { CC: _cc, CXX: _cxx, ...outer } = outerEnvironment();
  return {
    ...outer,
    PATH: path,
    npm_config_registry: registry(),
    YARN_NPM_REGISTRY_SERVER: registry(),
    YARN_NODE_LINKER: "pnp",
    YARN_GLOBAL_FOLDER: join(DOWNLOADS, "yarn"),
    YARN_ENABLE_TELEMETRY: "0",
    // On where CI is set; there is no lock file yet.
    YARN_ENABLE_IMMUTABLE_INSTALLS: "false",
    YARN_ENABLE_PROGRESS_BARS: "false",
    BUN_INSTALL_CACHE_DIR: join(DOWNLOADS, "bun"),
    NO_COLOR: "1",
  };
}

/** What managers print when a script ran, or when they kept one from running. */
const SCRIPT_WORDS =
  /\b(?:blocked|(?:pre|post)install|install scripts?|build scripts?|approve-builds|must be built|gyp info|gyp ERR)/iu;

/** A package with an install script, as a control: the words above must be found in its installation. */
function packScripted(folder) {
  const script = `node -e "require('fs').writeFileSync('ran', '')"`;
  emptyProject(folder, { name: "scripted", private: false, scripts: { postinstall: script } });
  run(["npm", "pack", "--silent", "--ignore-scripts"], { cwd: folder });
  return join(folder, "scripted-1.0.0.tgz");
}

/** What managers leave beside a package's own files. */
const MANAGER_MARKS = new Set([".bun-tag", ".ready"]);

/** Every file of an installed package, by its path in it, without what a manager adds. */
function installedFiles(folder) {
  return filesIn(folder).filter(
    (name) => !name.startsWith("node_modules/") && !MANAGER_MARKS.has(name),
  );
}

/** Nothing was built, added or changed: what is installed is what was packed. */
function assertAsPacked(folder, files) {
  assert.deepEqual(new Set(installedFiles(folder)), new Set(files.keys()));
  for (const [name, content] of files) {
    // npm up to version 6 rewrote package.json; nobody does today.
    assert.ok(
      readFileSync(join(folder, name)).equals(content),
      `differs from the tarball: ${name}`,
    );
  }
}

function compile(folder, command, options) {
  copyFileSync(join(ROOT, "test/lab/install/consumer/consume.mts"), join(folder, "consume.mts"));
  const { typeRoots } = options;
  const compilerOptions = {
    module: "nodenext",
    target: "es2023",
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    types: ["node"],
    ...(typeRoots === undefined ? {} : { typeRoots }),
  };
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ compilerOptions, files: ["consume.mts"] }),
  );
  run([...command, "-p", "tsconfig.json"], { cwd: folder, env: options.env });
}

function testManager(manager, folder, { tarball, files, manifest, scripted }) {
  const node = nodeOf(manager.node);
  const program = manager.program();
  const command = manager.viaNode ? [node, program] : [program];
  const path = makePath(join(folder, "path"), node);
  const env = environment(path);

  const control = emptyProject(join(folder, "control"));
  const told = spawnSync(
    command[0],
    [...command.slice(1), ...manager.install(scripted, "scripted")],
    {
      cwd: control,
      env,
      encoding: "utf8",
    },
  );
  // Some managers run it, some say that they did not, some fail for it.
  assert.match(`${told.stdout}${told.stderr}`, SCRIPT_WORDS, "an install script goes unnoticed");

  const project = emptyProject(join(folder, "project"));
  const inProject = { cwd: project, env };
  const output = run([...command, ...manager.install(tarball, manifest.name)], inProject);
  assert.doesNotMatch(output, SCRIPT_WORDS);

  const runsNode = manager.runsNode ? [...command, ...manager.runsNode] : [node];
  const start = (script, args) => run([...runsNode, script, ...args], inProject);
  const answer = consume(start, { folder: project, manifest });
  assertNative(answer, manifest);
  holdTrial(start, { folder: project });
  assertAsPacked(dirname(dirname(dirname(answer.path))), files);

  const runsCommand = manager.runsCommand
    ? [...command, ...manager.runsCommand, manifest.name]
    : [join(project, "node_modules/.bin", manifest.name)];
  assert.match(run([...runsCommand, "native"], inProject), /^backend: native$/mu);

  let typescript = [process.execPath, join(ROOT, "node_modules/typescript/bin/tsc")];
  let typeRoots = [join(ROOT, "node_modules/@types")];
  if (manager.runsNode) {
    // Only a TypeScript that yarn has installed knows where Plug'n'Play keeps packages.
    run([...command, "add", "-D", "typescript@5.9.3", "@types/node@20.19.43"], inProject);
    typescript = [...command, "run", "tsc"];
    typeRoots = undefined;
  }
  compile(project, typescript, { typeRoots, env });
  return `node ${manager.node}, no script, native, sweep, trial, command, types`;
}

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    prebuilt: { type: "boolean", default: false },
    windows: { type: "boolean", default: false },
  },
});

if (options.windows) {
  await testOnWindows(options);
} else {
  const tally = createTally();
  await withFolder(mkdtempSync(join(tmpdir(), "pidentity-install-")), async (folder) => {
    const packed = packToTry(join(folder, "packed"), options);
    const scripted = packScripted(join(folder, "scripted"));
    for (const [index, manager] of MANAGERS.entries()) {
      const isWanted = positionals.some((name) => manager.name.startsWith(name));
      if (positionals.length > 0 && !isWanted) continue;
      await tally.check(manager.name, () =>
        testManager(manager, join(folder, String(index)), { ...packed, scripted }),
      );
    }
  });
  tally.close();
}
