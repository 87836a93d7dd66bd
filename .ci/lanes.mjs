// Runs the lanes of the CI one after the other: `node .ci/lanes.mjs [lane…]`, all of them by default.
//
// A lane is a list of commands. Its output goes to build/ci/<lane>.log and is shown when it fails. Tests
// are counted by the lines in which runners close ("N passed"); a lane without such lines counts as one.
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const logs = join(root, "build/ci");

/** `proof`: how the lane's platform was tried: run, emulated, compiled and linked, stand-in. */
const LANES = [
  {
    name: "static",
    what: "format, lint, types, unused code",
    proof: "checked",
    commands: [
      // The types of what is published are among what is checked.
      "npm run --silent build:ts",
      "npm run check:format",
      "npm run check:lint",
      "npm run check:types",
      "npm run check:unused",
      "npm run check:workflows",
    ],
  },
  {
    name: "first-run",
    what: "the README's two commands, as strangers run them",
    proof: "run",
    commands: ["node .ci/first-run.mjs"],
  },
  {
    name: "linux",
    what: "Linux x64, everything quick",
    proof: "run",
    commands: ["node .ci/get-runtimes.mjs", "npm test"],
  },
  {
    name: "slow",
    what: "Linux x64, the long proofs",
    proof: "run",
    commands: ["npm run test:built -- --project long --project slow"],
  },
  {
    name: "worlds",
    what: "locks between containers, hosts, boots, overlays, FUSE and runtimes",
    proof: "run in namespaces",
    commands: ["npm run --silent build", "node test/worlds/worlds.mjs"],
  },
  {
    name: "demo",
    what: "the demo, as root and as an ordinary user",
    proof: "run",
    commands: ["npm run demo", "node .ci/as-nobody.mjs test/demo/demo.mjs"],
  },
  {
    name: "sanitizers",
    what: "parsers, the Linux side and the addon under ASan, UBSan and LSan, all but the addon under Valgrind",
    proof: "run",
    commands: [
      "node test/native/run-unit.mjs --sanitize",
      "node test/native/linux/run.mjs --sanitize",
      "node .ci/sanitized.mjs",
      "node test/native/run-unit.mjs --valgrind",
      "node test/native/linux/run.mjs --valgrind",
    ],
  },
  {
    name: "leaks",
    what: "descriptors and memory over 20 000 calls of every function",
    proof: "run",
    commands: ["npm run --silent build", "node --expose-gc test/native/leaks.mjs --calls 20000"],
  },
  {
    name: "fuzz",
    what: "every parser, 10 s each",
    proof: "run",
    commands: ["npm run fuzz -- --seconds 10"],
  },
  {
    name: "cross",
    what: "the addon for all eight targets",
    proof: "compiled and linked",
    commands: ["npm run cross"],
  },
  {
    name: "windows",
    what: "Windows x64, all but the slow proofs",
    proof: "run on node.exe under Wine",
    commands: [
      "npm run test:windows -- --project unit --project alone --project long",
      "npm run test:native:windows",
    ],
  },
  {
    name: "arm64",
    what: "Linux arm64, addon and processes",
    proof: "emulated (qemu)",
    commands: ["npm run --silent build", "npm run test:arm64"],
  },
  {
    name: "musl",
    what: "Linux musl, addons and the native side",
    proof: "run, static program",
    commands: ["npm run test:musl"],
  },
  {
    name: "darwin",
    what: "macOS, the native side",
    proof: "stand-in",
    commands: ["node test/native/darwin/run.mjs --sanitize --apple-headers"],
  },
  {
    name: "package",
    what: "publint, attw, every file and all eight binaries by name",
    proof: "checked",
    commands: ["npm run make:prebuild -- --cross", "npm run check:package -- --release"],
  },
  {
    name: "install",
    what: "the tarball with npm 10, 11, 12, pnpm, yarn, bun; with npm on node.exe under Wine; in bundlers, Jest, tsx",
    proof: "run",
    commands: [
      "npm run test:install",
      "npm run test:install -- --windows --prebuilt",
      "npm run test:bundlers -- --prebuilt",
    ],
  },
  {
    name: "runtimes",
    what: "the tarball on Node 20 to 26, Bun, Deno, in workers, under permissions",
    proof: "run",
    commands: ["npm run test:runtimes"],
  },
];

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !LANES.some((lane) => lane.name === name));
if (unknown !== undefined) {
  console.error(`no such lane: ${unknown}`);
  process.exit(2);
}
mkdirSync(logs, { recursive: true });

const results = [];
for (const lane of LANES) {
  if (wanted.length === 0 || wanted.includes(lane.name)) results.push(run(lane));
}

console.log();
console.table(
  Object.fromEntries(
    results.map(({ name, what, proof, passed, failed, seconds }) => [
      name,
      { what, proof, passed, failed, seconds },
    ]),
  ),
);
const passed = results.reduce((sum, lane) => sum + lane.passed, 0);
const failed = results.reduce((sum, lane) => sum + lane.failed, 0);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

function run(lane) {
  const started = performance.now();
  const log = join(logs, `${lane.name}.log`);
  const output = openSync(log, "w");
  let ok = true;
  for (const command of lane.commands) {
    const { status } = spawnSync(command, {
      cwd: root,
      shell: true,
      // Some runners (Wine) take nothing but a file for their output.
      stdio: ["ignore", output, output],
    });
    ok = status === 0;
    if (!ok) break;
  }
  closeSync(output);
  const text = readFileSync(log, "utf8");
  const seconds = Math.round((performance.now() - started) / 1000);
  console.log(`${ok ? "ok    " : "FAILED"} ${lane.name} ${seconds} s`);
  for (const line of text.match(/^(?:skipped \d+:|does not apply on) .*$/gmu) ?? []) {
    console.log(`       ${line}`);
  }
  if (!ok) console.log(text.split("\n").slice(-150).join("\n"));
  const counts = countTests(text);
  return {
    ...lane,
    seconds,
    passed: counts.passed || (ok ? 1 : 0),
    failed: counts.failed || (ok ? 0 : 1),
  };
}

/** Sums vitest's `Tests  1 failed | 405 passed (406)` and the plain `405 passed, 1 failed`. */
function countTests(text) {
  const counts = { passed: 0, failed: 0 };
  // eslint-disable-next-line no-control-regex
  for (const line of text.replaceAll(/\u001B\[[0-9;]*m/gu, "").split("\n")) {
    if (!/^\s*Tests\s+\d/u.test(line) && !/^\d+ passed, \d+ failed/u.test(line)) continue;
    counts.passed += Number(/(\d+) passed/u.exec(line)?.[1] ?? 0);
    counts.failed += Number(/(\d+) failed/u.exec(line)?.[1] ?? 0);
  }
  return counts;
}
