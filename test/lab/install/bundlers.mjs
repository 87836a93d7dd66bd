// The packed tarball in bundlers, tracers, test runners and compilers: each either has the addon, or gets one sentence.
//
//   node test/lab/install/bundlers.mjs
//   node test/lab/install/bundlers.mjs --prebuilt         with the binaries in prebuilds/, such as a release's
//   node test/lab/install/bundlers.mjs rollup "jest 30"   some consumers, by the beginning of their names
//
// Without --prebuilt the binaries are cross-built first. What a bundler makes with the package inside is moved to a
// folder without any package before it is run. The tools come from the npm registry into build/tools, once.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

import { answerIn, emptyProject, run } from "./consumer.mjs";
import { packToTry, withFolder } from "./installed.mjs";
import { createTally } from "./tally.mjs";
import { DOWNLOADS, nodeOf, outerEnvironment, tool } from "./tools.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../..");

const TOOLS = {
  esbuild: "0.28.2",
  rollup: "4.68.8",
  "@rollup/plugin-node-resolve": "16.0.3",
  webpack: "5.113.0",
  vite: "8.3.8",
  "@vercel/nft": "1.11.5",
  "@vercel/ncc": "0.45.0",
  tsx: "4.23.15",
  postject: "1.0.0-alpha.6",
  typescript: "5.9.3",
};
const NODE_20 = "20.20.2";
const NODE_24 = "24.21.0";
const JESTS = ["29.7.0", "30.5.2"];

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { prebuilt: { type: "boolean", default: false } },
});

const env = outerEnvironment();
// The outer world's wishes must not decide where the addon comes from.
for (const name of ["PREBUILDS_ONLY", "PIDENTITY_NO_NATIVE", "PIDENTITY_NATIVE_PATH"]) {
  delete env[name];
}

const toolAt = (name, ...path) => join(tool(`${name}@${TOOLS[name]}`), ...path);
const load = (name, ...path) => import(pathToFileURL(toolAt(name, ...path)).href);

const PLATFORM = `${process.platform}-${process.arch}`;
/** The line that tells it, once. */
const WARNING = "pidentity: stale locks are kept (no-guard): ";
/** What a bundle says that was made without the addon, and one that does not know where it lies. */
const NOT_BESIDE = `this bundle of pidentity has no native addon for ${PLATFORM} beside it: `;
const NOWHERE = "cannot look for the native addon: the bundler has left no import.meta.url";

/** Of a process that has ended. */
const deadPid = () => spawnSync(process.execPath, ["--version"]).pid;

/** A directory with one stale lock. */
function sessionsIn(folder) {
  const sessions = mkdtempSync(join(folder, "sessions-"));
  const createdAt = new Date().toISOString();
  writeFileSync(join(sessions, "dead.jsonl.lock"), JSON.stringify({ pid: deadPid(), createdAt }));
  return sessions;
}

/** Runs the program that was made of consumer/bundled.mjs. */
function start(command, folder, extra = {}) {
  const [file, ...args] = [...command, sessionsIn(folder)];
  const { status, error, stdout, stderr } = spawnSync(file, args, {
    cwd: folder,
    env: { ...env, ...extra },
    encoding: "utf8",
  });
  if (error !== undefined) throw error;
  assert.equal(status, 0, `${stdout}${stderr}`);
  const warnings = stderr.split("\n").filter((line) => line.startsWith(WARNING));
  return { ...answerIn(stdout), warnings };
}

/** Everything is there: both entry points have one addon, the stale lock is removed, and nothing is told. */
function assertNative({ state, process: asked, locks, fate, warnings }) {
  assert.deepEqual([asked.error, locks.error], [undefined, undefined]);
  assert.equal(asked.backend, "native");
  assert.deepEqual(locks, asked);
  assert.deepEqual({ state, fate, warnings }, { state: "alive", fate: ["removed"], warnings: [] });
  return "native";
}

/** The addon is missing in the lock layer: why is told once, and the stale lock stays. */
function assertTold({ state, locks, fate, warnings }, sentence) {
  assert.notEqual(locks.backend, "native");
  assert.ok(locks.error.startsWith(sentence), locks.error);
  assert.deepEqual({ state, fate }, { state: "alive", fate: ["no-guard"] });
  assert.equal(warnings.length, 1);
  assert.ok(warnings[0].includes(locks.error), warnings[0]);
  assert.match(warnings[0], /; keep every pidentity import out of the bundle \(external\), or /u);
  return sentence.replace(/: $/u, "");
}

/** Where a bundle lies alone: no package near it. */
function moved(from, folder) {
  const alone = mkdtempSync(join(folder, "moved-"));
  cpSync(from, alone, { recursive: true });
  return alone;
}

function installProject(folder, { tarball }) {
  const project = emptyProject(join(folder, "project"));
  const flags = ["--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"];
  run(["npm", "install", tarball, ...flags, `--cache=${join(DOWNLOADS, "npm")}`], {
    cwd: project,
    env,
  });
  copyFileSync(join(ROOT, "test/lab/install/consumer/bundled.mjs"), join(project, "bundled.mjs"));
  const prebuilds = join(project, "node_modules/pidentity/prebuilds", PLATFORM);
  const own = process.platform === "linux" ? `pidentity.${libc()}.node` : "pidentity.node";
  return { project, addon: join(prebuilds, own) };
}

/** Node on musl reports no glibc. */
function libc() {
  return process.report.getReport().header.glibcVersionRuntime ? "glibc" : "musl";
}

/**
 * The check of each returns what is to be seen in the table.
 *
 * @returns {[consumer: string, way: string, check: () => string | Promise<string>][]}
 */
function casesFor({ project, addon, folder }) {
  const entry = join(project, "bundled.mjs");
  const node = process.execPath;
  const within = (name) => join(project, "out", name);
  const inPlace = (name, file) => start([node, join(within(name), file)], project);
  const alone = (name, file, extra) => {
    const place = moved(within(name), folder);
    return start([node, join(place, file)], place, extra);
  };

  const esbuild = (name, format, flags = []) =>
    run(
      [
        node,
        toolAt("esbuild", "bin/esbuild"),
        entry,
        "--bundle",
        "--platform=node",
        `--format=${format}`,
        `--outfile=${join(within(name), `main.${format === "esm" ? "mjs" : "cjs"}`)}`,
        "--log-level=error",
        ...flags,
      ],
      { cwd: project, env },
    );

  const rollup = async (name, external) => {
    const { rollup: make } = await load("rollup", "dist/es/rollup.js");
    const { nodeResolve } = await load("@rollup/plugin-node-resolve", "dist/es/index.js");
    const plugins = [nodeResolve({ exportConditions: ["node"], preferBuiltins: true })];
    const bundle = await make({ input: entry, external, plugins, logLevel: "silent" });
    await bundle.write({ file: join(within(name), "main.mjs"), format: "es" });
    await bundle.close();
  };

  const rolldown = async (name, external) => {
    const { rolldown: make } = await import("rolldown");
    const bundle = await make({ input: entry, external, platform: "node", logLevel: "silent" });
    await bundle.write({ dir: within(name), entryFileNames: "main.mjs", format: "es" });
    await bundle.close();
  };

  const webpack = async (name, { externals, isModule = false }) => {
    const { default: make } = await load("webpack", "lib/index.js");
    const compiler = make({
      mode: "production",
      target: "node20",
      context: project,
      entry,
      externals,
      ...(isModule ? { experiments: { outputModule: true } } : {}),
      output: {
        path: within(name),
        filename: isModule ? "main.mjs" : "main.cjs",
        ...(isModule ? { module: true, chunkFormat: "module" } : {}),
      },
    });
    const stats = await new Promise((resolve, reject) => {
      compiler.run((error, made) => (error ? reject(error) : resolve(made)));
    });
    await new Promise((resolve) => {
      compiler.close(resolve);
    });
    assert.equal(stats.hasErrors(), false, stats.toString({ all: false, errors: true }));
  };

  const vite = async (name, ssr) => {
    const { build } = await load("vite", "dist/node/index.js");
    await build({
      root: project,
      configFile: false,
      logLevel: "silent",
      ssr,
      build: {
        ssr: entry,
        outDir: within(name),
        emptyOutDir: true,
        rollupOptions: { output: { entryFileNames: "main.mjs" } },
      },
    });
  };

  const typescript = (compiler, moduleKind, resolution, file) => {
    copyFileSync(join(ROOT, "test/lab/install/consumer", file), join(project, file));
    const compilerOptions = {
      module: moduleKind,
      moduleResolution: resolution,
      target: "es2023",
      lib: ["es2023", "esnext.disposable"],
      strict: true,
      skipLibCheck: false,
      noEmit: true,
      types: ["node"],
      typeRoots: [join(ROOT, "node_modules/@types")],
    };
    const config = join(project, "tsconfig.json");
    writeFileSync(config, JSON.stringify({ compilerOptions, files: [file] }));
    const { stdout } = spawnSync(node, [compiler, "-p", config], { encoding: "utf8" });
    return stdout;
  };
  const tsc = { "5.9.3": () => toolAt("typescript", "lib/tsc.js") };
  tsc["7.0.2"] = () => join(ROOT, "node_modules/typescript/bin/tsc");
  const compiles = (version, ...rest) => {
    assert.equal(typescript(tsc[version](), ...rest), "");
    return "types";
  };

  const jest = (version, workers) => {
    const place = join(project, `jest-${version}`);
    mkdirSync(place, { recursive: true });
    const config = { rootDir: place, transform: {}, testMatch: ["**/*.test.mjs"] };
    writeFileSync(join(place, "jest.config.json"), JSON.stringify(config));
    for (const name of ["first", "second", "third"]) {
      copyFileSync(
        join(ROOT, "test/lab/install/consumer/locks.test.mjs"),
        join(place, `${name}.test.mjs`),
      );
    }
    const program = join(tool(`jest@${version}`), "bin/jest.js");
    const output = run([node, "--experimental-vm-modules", program, workers], {
      cwd: place,
      env: {
        ...env,
        FOLDER: folder,
        DEAD_PID: String(deadPid()),
        NODE_OPTIONS: "--experimental-vm-modules",
      },
    });
    assert.match(output, /^Tests: +3 passed, 3 total$/mu);
    // Of what was accessed after it was deleted.
    assert.doesNotMatch(output, /JEST-01|torn down|pidentity/u);
    return "native";
  };

  return [
    ["node", "import", () => assertNative(start([node, entry], project))],
    [
      "node",
      "require()",
      () => {
        copyFileSync(
          join(ROOT, "test/lab/install/consumer/require.cjs"),
          join(project, "require.cjs"),
        );
        assert.equal(run([node, "require.cjs"], { cwd: project, env }).trim(), "required");
        return "native";
      },
    ],
    [
      `tsx ${TOOLS.tsx}`,
      "TypeScript, as modules",
      () => {
        copyFileSync(entry, join(project, "bundled.mts"));
        return assertNative(start([node, toolAt("tsx", "dist/cli.mjs"), "bundled.mts"], project));
      },
    ],
    [
      `tsx ${TOOLS.tsx}`,
      `TypeScript, as CommonJS, node ${NODE_24}`,
      () => {
        copyFileSync(entry, join(project, "bundled.cts"));
        const command = [nodeOf(NODE_24), toolAt("tsx", "dist/cli.mjs"), "bundled.cts"];
        return assertNative(start(command, project));
      },
    ],
    [
      `tsx ${TOOLS.tsx}`,
      `TypeScript, as CommonJS, node ${NODE_20}`,
      () => {
        copyFileSync(entry, join(project, "bundled.cts"));
        // That Node's require() of modules does not get on with the hooks by which tsx loads.
        const command = [nodeOf(NODE_20), toolAt("tsx", "dist/cli.mjs"), "bundled.cts"];
        const output = run(command, { cwd: project, env, exitCode: 1 });
        const sentence = /^Error: (request for '.*' is not in cache)$/mu;
        assert.match(output, sentence);
        return sentence.exec(output)[1];
      },
    ],
    [
      `esbuild ${TOOLS.esbuild}`,
      "external: --external:pidentity",
      () => {
        esbuild("esbuild-external", "esm", ["--external:pidentity"]);
        return assertNative(inPlace("esbuild-external", "main.mjs"));
      },
    ],
    [
      `esbuild ${TOOLS.esbuild}`,
      "external, CommonJS",
      () => {
        esbuild("esbuild-external-cjs", "cjs", ["--external:pidentity"]);
        return assertNative(inPlace("esbuild-external-cjs", "main.cjs"));
      },
    ],
    [
      `esbuild ${TOOLS.esbuild}`,
      "inside",
      () => {
        esbuild("esbuild", "esm");
        return assertTold(alone("esbuild", "main.mjs"), NOT_BESIDE);
      },
    ],
    [
      `esbuild ${TOOLS.esbuild}`,
      "inside, CommonJS",
      () => {
        esbuild("esbuild-cjs", "cjs");
        return assertTold(alone("esbuild-cjs", "main.cjs"), NOWHERE);
      },
    ],
    [
      `esbuild ${TOOLS.esbuild}`,
      "inside, CommonJS, PIDENTITY_NATIVE_PATH",
      () => {
        esbuild("esbuild-cjs", "cjs");
        copyFileSync(addon, join(within("esbuild-cjs"), "addon.node"));
        const named = { PIDENTITY_NATIVE_PATH: "addon.node" };
        return assertNative(alone("esbuild-cjs", "main.cjs", named));
      },
    ],
    [
      "single executable",
      "inside, CommonJS, PIDENTITY_NATIVE_PATH",
      () => {
        esbuild("sea", "cjs");
        const place = within("sea");
        const config = { main: join(place, "main.cjs"), output: join(place, "main.blob") };
        const settings = join(place, "sea.json");
        writeFileSync(settings, JSON.stringify({ ...config, disableExperimentalSEAWarning: true }));
        run([node, "--experimental-sea-config", settings], { cwd: place, env });
        const program = join(place, "program");
        copyFileSync(node, program);
        chmodSync(program, 0o755);
        const fuse = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";
        const inject = [node, toolAt("postject", "dist/cli.js"), program, "NODE_SEA_BLOB"];
        run([...inject, config.output, "--sentinel-fuse", fuse], { cwd: place, env });
        assertTold(start([program], place), NOWHERE);
        return assertNative(start([program], place, { PIDENTITY_NATIVE_PATH: addon }));
      },
    ],
    [
      `rollup ${TOOLS.rollup}`,
      String.raw`external: [/^pidentity(\/|$)/]`,
      async () => {
        await rollup("rollup-external", [/^pidentity(?:\/|$)/u]);
        return assertNative(inPlace("rollup-external", "main.mjs"));
      },
    ],
    [
      `rollup ${TOOLS.rollup}`,
      `external: ["pidentity"], which leaves the subpath inside`,
      async () => {
        await rollup("rollup-half", ["pidentity"]);
        const answer = inPlace("rollup-half", "main.mjs");
        // The two copies disagree, and each says so of itself.
        assert.equal(answer.process.backend, "native");
        return assertTold(answer, NOT_BESIDE);
      },
    ],
    [
      `rollup ${TOOLS.rollup}`,
      "inside",
      async () => {
        await rollup("rollup", []);
        return assertTold(alone("rollup", "main.mjs"), NOT_BESIDE);
      },
    ],
    [
      "rolldown",
      String.raw`external: [/^pidentity(\/|$)/]`,
      async () => {
        await rolldown("rolldown-external", [/^pidentity(?:\/|$)/u]);
        return assertNative(inPlace("rolldown-external", "main.mjs"));
      },
    ],
    [
      "rolldown",
      "inside",
      async () => {
        await rolldown("rolldown", []);
        return assertTold(alone("rolldown", "main.mjs"), NOT_BESIDE);
      },
    ],
    [
      `webpack ${TOOLS.webpack}`,
      String.raw`externals: [/^pidentity(\/|$)/], CommonJS`,
      async () => {
        await webpack("webpack-external", { externals: [externalOf("commonjs")] });
        return assertNative(inPlace("webpack-external", "main.cjs"));
      },
    ],
    [
      `webpack ${TOOLS.webpack}`,
      String.raw`externals: [/^pidentity(\/|$)/], modules`,
      async () => {
        await webpack("webpack-esm", { externals: [externalOf("module")], isModule: true });
        return assertNative(inPlace("webpack-esm", "main.mjs"));
      },
    ],
    [
      `webpack ${TOOLS.webpack}`,
      "inside, CommonJS",
      async () => {
        await webpack("webpack", {});
        return assertNative(alone("webpack", "main.cjs"));
      },
    ],
    [
      `webpack ${TOOLS.webpack}`,
      "inside, modules",
      async () => {
        await webpack("webpack-inside-esm", { isModule: true });
        return assertNative(alone("webpack-inside-esm", "main.mjs"));
      },
    ],
    [
      `vite ${TOOLS.vite}`,
      "SSR, external: as it comes",
      async () => {
        await vite("vite-external", {});
        return assertNative(inPlace("vite-external", "main.mjs"));
      },
    ],
    [
      `vite ${TOOLS.vite}`,
      "SSR, inside: ssr.noExternal",
      async () => {
        await vite("vite", { noExternal: true });
        return assertTold(alone("vite", "main.mjs"), NOT_BESIDE);
      },
    ],
    [
      `@vercel/nft ${TOOLS["@vercel/nft"]}`,
      "traced, and copied elsewhere",
      async () => {
        const { default: nft } = await load("@vercel/nft", "out/index.js");
        const { fileList, warnings } = await nft.nodeFileTrace([entry], { base: project });
        assert.deepEqual([...warnings], []);
        const place = mkdtempSync(join(folder, "traced-"));
        for (const name of fileList) {
          mkdirSync(dirname(join(place, name)), { recursive: true });
          copyFileSync(join(project, name), join(place, name));
        }
        const own = join("node_modules/pidentity/prebuilds", PLATFORM);
        assert.ok(existsSync(join(place, own)) && readdirSync(join(place, own)).length > 0);
        return assertNative(start([node, "bundled.mjs"], place));
      },
    ],
    ...[true, false].map((isExternal) => [
      `ncc ${TOOLS["@vercel/ncc"]}`,
      isExternal ? "external: -e pidentity -e pidentity/session-lock" : "inside",
      () => {
        const name = isExternal ? "ncc-external" : "ncc";
        const flags = isExternal ? ["-e", "pidentity", "-e", "pidentity/session-lock"] : [];
        const program = toolAt("@vercel/ncc", "dist/ncc/cli.js");
        const command = [node, program, "build", entry, "-o", within(name), ...flags];
        run(command, { cwd: project, env });
        const file = readdirSync(within(name)).find((found) => /^index\.m?js$/u.test(found));
        return assertNative(isExternal ? inPlace(name, file) : alone(name, file));
      },
    ]),
    ...JESTS.flatMap((version) =>
      ["--runInBand", "--maxWorkers=2"].map((workers) => [
        `jest ${version}`,
        `modules, ${workers}`,
        () => jest(version, workers),
      ]),
    ),
    ...Object.keys(tsc).flatMap((version) => [
      ...[
        ["node16", "node16"],
        ["nodenext", "nodenext"],
        ["esnext", "bundler"],
      ].map(([kind, resolution]) => [
        `TypeScript ${version}`,
        `moduleResolution ${resolution}`,
        () => compiles(version, kind, resolution, "consume.mts"),
      ]),
      [
        `TypeScript ${version}`,
        "CommonJS, nodenext",
        () => compiles(version, "nodenext", "nodenext", "consume.cts"),
      ],
      [
        `TypeScript ${version}`,
        "CommonJS, node16",
        () => {
          const output = typescript(tsc[version](), "node16", "node16", "consume.cts");
          const sentence = /TS1479: (The current file is a CommonJS module .*? with 'require')/u;
          assert.match(output, sentence);
          return sentence.exec(output)[1];
        },
      ],
    ]),
  ];
}

/** webpack's form of "the package and its subpaths": each stays the import, or becomes the require(), that it is. */
function externalOf(type) {
  return ({ request }, callback) =>
    /^pidentity(?:\/|$)/u.test(request) ? callback(null, `${type} ${request}`) : callback();
}

const tally = createTally();
const rows = [];
await withFolder(mkdtempSync(join(tmpdir(), "pidentity-bundlers-")), async (folder) => {
  const packed = packToTry(join(folder, "packed"), options);
  const installed = { ...installProject(folder, packed), folder };
  assert.ok(readFileSync(installed.addon).length > 0);
  for (const [consumer, way, check] of casesFor(installed)) {
    if (positionals.length > 0 && !positionals.some((name) => consumer.startsWith(name))) continue;
    const row = { consumer, way, result: "FAILED" };
    rows.push(row);
    await tally.check(`${consumer}, ${way}`, async () => (row.result = await check()));
  }
});
console.table(rows);
tally.close();
