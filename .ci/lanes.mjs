// Runs the lanes of the CI: `node .ci/lanes.mjs [--prebuilt] [lane…]`, by default all that one machine can run; those that
// compile beside those that mostly wait, then the others one after the other. The jobs of .github/workflows/ci.yml run the
// same lanes, each on its own machine.
//
// A lane is a list of commands. Its output goes to build/ci/<lane>.log and is shown when it fails. Tests
// are counted by the lines in which runners close ("N passed"); a lane without such lines counts as one.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { runSteps } from "./schedule.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const logs = join(root, "build/ci");
const SHOWN_FAILURES = 5;

/**
 * `proof`: how the lane's platform was tried: run, emulated, compiled and linked, stand-in.
 * `kind`: whether another lane may run beside it, see schedule.mjs; "alone" if not given.
 * `needsBuild`: tries what `npm run build` makes, which is made before all lanes, since two must not make it at a time.
 * `needsPrebuilds`: tries what is in prebuilds/, which the lane `cross` makes first, unless `--prebuilt` says that it is
 * there, such as a release's.
 * `isElsewhere`: for machines that have nothing but a release's binaries; only by its name.
 */
const LANES = [
  {
    name: "static",
    what: "format, lint, types, unused code, the guides' figures, workflows",
    proof: "checked",
    commands: ["npm run --silent check -- build format lint types unused figures workflows"],
  },
  {
    name: "first-run",
    what: "the README's two commands, as strangers run them",
    proof: "run",
    commands: ["node test/lab/install/first-run.mjs"],
  },
  {
    name: "quick",
    what: "this machine, everything quick",
    proof: "run",
    // With proper-lockfile itself, which ours is compared with, and with clients of PostgreSQL. The README's command; on
    // Linux, where most of the tests run, what it covers of each room is compared with vitest.config.ts on the way.
    commands: [
      ...installed("bench", "lease"),
      process.platform === "linux" ? "npm test -- --coverage" : "npm test",
    ],
  },
  {
    name: "slow",
    what: "this machine, the long proofs",
    proof: "run",
    commands: [...installed("lease"), "npx vitest run --project long --project slow"],
  },
  {
    name: "published",
    what: "this machine, everything, on the addon in prebuilds/",
    proof: "run",
    isElsewhere: true,
    commands: ["npm run --silent build:ts", "npx vitest run"],
  },
  {
    name: "worlds",
    what: "locks between containers, hosts, boots, overlays, FUSE and runtimes",
    proof: "run in namespaces",
    kind: "waits",
    needsBuild: true,
    commands: ["node test/lab/worlds/worlds.mjs"],
  },
  {
    name: "lease",
    what: "leases on real etcd and PostgreSQL servers: crashes, stops, clocks, networks, moving pods",
    proof: "run",
    kind: "waits",
    needsBuild: true,
    commands: [
      ...installed("lease"),
      "node test/lab/lease/adversity.mjs",
      "node test/lab/lease/pods.mjs",
    ],
  },
  {
    name: "demo",
    what: "the demo, as root and as an ordinary user",
    proof: "run",
    commands: ["npm run demo", "node test/lab/demo/as-nobody.mjs test/lab/demo/demo.mjs"],
  },
  {
    name: "sanitizers",
    what: "parsers, the Linux side and the addon under ASan, UBSan and LSan",
    proof: "run",
    commands: [
      "node test/native/run-unit.mjs --sanitize",
      "node test/native/linux/run.mjs --sanitize",
      "node test/lab/sanitizers/run.mjs",
    ],
  },
  {
    name: "valgrind",
    what: "parsers and the Linux side under Valgrind",
    proof: "run",
    commands: [
      "node test/native/run-unit.mjs --valgrind",
      "node test/native/linux/run.mjs --valgrind",
    ],
  },
  {
    name: "leaks",
    what: "descriptors and memory over 20 000 calls of every function",
    proof: "run",
    needsBuild: true,
    commands: ["node --expose-gc test/native/leaks.mjs --calls 20000"],
  },
  {
    name: "fuzz",
    what: "every parser, 10 s each",
    proof: "run",
    commands: ["npm run fuzz -- --seconds 10"],
  },
  {
    name: "windows",
    what: "Windows x64, all but the slow proofs",
    proof: "run on node.exe under Wine",
    commands: [
      "node test/lab/windows/run.mjs --project unit --project alone --project long",
      "node test/lab/windows/native/run.mjs",
    ],
  },
  {
    name: "arm64",
    what: "Linux arm64, addon and processes",
    proof: "emulated (qemu)",
    needsBuild: true,
    commands: ["node test/lab/arm64/run.mjs"],
  },
  {
    name: "musl",
    what: "Linux musl, addons and the native side",
    proof: "run, static program",
    kind: "computes",
    commands: ["node test/lab/musl/run.mjs"],
  },
  {
    name: "darwin",
    what: "macOS, the native side",
    proof: "stand-in",
    kind: "computes",
    commands: ["node test/lab/darwin/run.mjs --sanitize --apple-headers"],
  },
  {
    name: "cross",
    what: "the addon for all eight targets, in prebuilds/",
    proof: "compiled and linked",
    kind: "computes",
    commands: ["npm run make:prebuild -- --cross"],
  },
  {
    name: "package",
    what: "publint, attw, every file and all eight binaries by name",
    proof: "checked",
    needsPrebuilds: true,
    commands: ["npm run --silent build:ts", "node .ci/check-package.mjs --release"],
  },
  {
    name: "install",
    what: "the tarball with npm 10, 11, 12, pnpm, yarn, bun",
    proof: "run",
    needsPrebuilds: true,
    commands: ["node test/lab/install/package-managers.mjs --prebuilt"],
  },
  {
    name: "install-windows",
    what: "the tarball with npm on node.exe, and a build agent's day with it",
    proof: "run on node.exe under Wine",
    needsPrebuilds: true,
    commands: ["node test/lab/install/package-managers.mjs --windows --prebuilt"],
  },
  {
    name: "bundlers",
    what: "the tarball in bundlers, Jest, tsx",
    proof: "run",
    needsPrebuilds: true,
    commands: ["node test/lab/install/bundlers.mjs --prebuilt"],
  },
  {
    name: "runtimes",
    what: "the tarball on Node 20 to 26, Bun, Deno, in workers, under permissions",
    proof: "run",
    needsPrebuilds: true,
    commands: ["node test/lab/install/runtimes.mjs --prebuilt"],
  },
];

const { values: options, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: { prebuilt: { type: "boolean", default: false } },
});
const unknown = wanted.find((name) => !LANES.some((lane) => lane.name === name));
if (unknown !== undefined) {
  console.error(`no such lane: ${unknown}`);
  process.exit(2);
}
mkdirSync(logs, { recursive: true });

const isWanted = ({ name, isElsewhere = false }) =>
  wanted.length === 0 ? !isElsewhere : wanted.includes(name);
const makesPrebuilds =
  !options.prebuilt && LANES.some((lane) => lane.needsPrebuilds && isWanted(lane));
const chosen = LANES.filter((lane) => isWanted(lane) || (lane.name === "cross" && makesPrebuilds));
const results = [];
if (chosen.some(({ needsBuild }) => needsBuild)) {
  results.push(
    await run({ name: "build", what: "addon and dist", commands: ["npm run --silent build"] }),
  );
}
await runSteps(
  chosen.map((lane) => ({ kind: "alone", seconds: 0, ...lane })),
  async (lane) => results.push(await run(lane)),
);

console.log();
console.table(
  Object.fromEntries(
    results.map(({ name, what, proof, passed, failed, seconds }) => [
      name,
      { what, proof, passed, failed, seconds },
    ]),
  ),
);
// Last of all, where even a shortened log shows them, and each lane's.
console.log(results.map(({ name, seconds }) => `${name} ${seconds} s`).join(", "));
for (const { name, failures } of results) {
  for (const failure of failures.slice(0, SHOWN_FAILURES))
    console.log(`FAILED ${name}: ${failure}`);
  const rest = failures.length - SHOWN_FAILURES;
  if (rest > 0) console.log(`FAILED ${name}: and ${rest} more, see build/ci/${name}.log`);
}
const passed = results.reduce((sum, lane) => sum + lane.passed, 0);
const failed = results.reduce((sum, lane) => sum + lane.failed, 0);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

/** Commands that install what folders of the lab try this package with. */
function installed(...folders) {
  return folders.map((name) => `npm --prefix test/lab/${name} ci --silent --no-audit --no-fund`);
}

async function run(lane) {
  const started = performance.now();
  const log = join(logs, `${lane.name}.log`);
  const output = openSync(log, "w");
  let ok = true;
  for (const command of lane.commands) {
    const child = spawn(command, {
      cwd: root,
      shell: true,
      // Some runners (Wine) take nothing but a file for their output.
      stdio: ["ignore", output, output],
    });
    const [status] = await once(child, "close");
    ok = status === 0;
    if (!ok) break;
  }
  closeSync(output);
  // eslint-disable-next-line no-control-regex
  const text = readFileSync(log, "utf8").replaceAll(/\u001B\[[0-9;]*m/gu, "");
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
    failures: ok ? [] : failuresIn(text),
    passed: counts.passed || (ok ? 1 : 0),
    failed: counts.failed || (ok ? 0 : 1),
  };
}

/** Sums vitest's `Tests  1 failed | 405 passed (406)` and the plain `405 passed, 1 failed`. */
function countTests(text) {
  const counts = { passed: 0, failed: 0 };
  for (const line of text.split("\n")) {
    if (!/^\s*Tests\s+\d/u.test(line) && !/^\d+ passed, \d+ failed/u.test(line)) continue;
    counts.passed += Number(/(\d+) passed/u.exec(line)?.[1] ?? 0);
    counts.failed += Number(/(\d+) failed/u.exec(line)?.[1] ?? 0);
  }
  return counts;
}

/** What failed, in vitest's words (` FAIL  unit  test/a.test.ts > title`) and in those of the lab's own runners. */
function failuresIn(text) {
  const named = text.matchAll(/^\s*(?:FAIL|FAILED):?\s+(.+)$/gmu);
  const failures = [...new Set(Array.from(named, ([, what]) => what.trim()))];
  return failures.length > 0 ? failures : (text.trim().split("\n").slice(-1) ?? []);
}
