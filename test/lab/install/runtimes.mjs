// The packed tarball, installed once, under every runtime and mode that people use.
//
//   node test/lab/install/runtimes.mjs
//   node test/lab/install/runtimes.mjs --prebuilt    with the binaries in prebuilds/, such as a release's
//
// Without --prebuilt the binaries are cross-built first. Runtimes come from the npm registry into build/tools, once.
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { answerIn, assertNative, assertProcfs, consume, emptyProject, run } from "./consumer.mjs";
import { packToTry, withFolder } from "./installed.mjs";
import { createTally } from "./tally.mjs";
import { BUN, bunOf, DENO, denoOf, DOWNLOADS, nodeOf, outerEnvironment } from "./tools.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../..");

const NODES = ["20.20.2", "22.23.3", "24.21.0", "26.10.0"];
const TOO_OLD = "18.20.8";
/** `flag`: what turns the permission model on. */
const PERMISSION_FLAGS = new Map([["20.20.2", "--experimental-permission"]]);

const { values: options } = parseArgs({
  options: { prebuilt: { type: "boolean", default: false } },
});

const env = outerEnvironment();
// The outer world's wishes must not decide where the addon comes from.
for (const name of ["PREBUILDS_ONLY", "PIDENTITY_NO_NATIVE", "PIDENTITY_NATIVE_PATH"]) {
  delete env[name];
}

/** Whether this is no container: the initial pid namespace has a number of its own. */
function isHost() {
  return statSync("/proc/self/ns/pid").ino === 0xef_ff_ff_fc;
}

function install(folder) {
  const packed = packToTry(join(folder, "packed"), options);
  const project = emptyProject(join(folder, "project"));
  const flags = [
    "--no-audit",
    "--no-fund",
    "--prefer-offline",
    `--cache=${join(DOWNLOADS, "npm")}`,
  ];
  run(["npm", "install", packed.tarball, ...flags], { cwd: project, env });
  for (const name of ["workers.mjs", "require.cjs", "bundle.mjs", "old-node.mjs"]) {
    copyFileSync(join(ROOT, "test/lab/install/consumer", name), join(project, name));
  }
  return { project, ...packed };
}

const milliseconds = (value) => `${value.toFixed(1)} ms`;
/** Of one run, on whatever machine: printed, never judged. */
const times = ({ importMs, firstAnswerMs }) =>
  `native, import ${milliseconds(importMs)}, loading the addon ${milliseconds(firstAnswerMs)}`;

async function testAll({ project, manifest }, tally) {
  const here = { cwd: project, env };
  const program = join(project, "node_modules/pidentity/dist/cli/main.js");
  /** What the consumer answers when it is started by this command. */
  const answerOf = (command, extra = {}) =>
    consume(
      (script, args) => run([...command, script, ...args], { ...here, env: { ...env, ...extra } }),
      {
        folder: project,
        manifest,
      },
    );
  const status = (command, exitCode = 0) =>
    run([...command, program, "native"], { ...here, exitCode });

  for (const version of NODES) {
    const node = nodeOf(version);
    await tally.check(`node ${version}`, () => {
      const answer = answerOf([node]);
      assertNative(answer, manifest);
      assert.match(status([node]), /^backend: native$/mu);
      return times(answer);
    });
    await tally.check(`node ${version}, require() from CommonJS`, () => {
      // Not even a warning.
      assert.equal(run([node, "require.cjs"], here).trim(), "required");
      return "native, without a flag or a warning";
    });
    await tally.check(`node ${version}, worker threads`, () =>
      run([node, "workers.mjs"], here).trim(),
    );
    const flag = PERMISSION_FLAGS.get(version) ?? "--permission";
    const permitted = [node, flag, "--allow-fs-read=*", "--allow-fs-write=*"];
    await tally.check(`node ${version} ${flag}`, () => {
      const reason = /^cannot load the native addon \(Cannot load native addon because /u;
      assertProcfs(answerOf(permitted), reason);
      const output = status(permitted, 1);
      assert.match(output, /^backend: procfs\nerror: cannot load the native addon /mu);
      return "procfs, with the reason";
    });
    await tally.check(`node ${version} ${flag}, nothing readable but the package`, () => {
      const strict = [node, flag, `--allow-fs-read=${project}/*`, "bundle.mjs"];
      const { backend, error, state, named } = answerIn(run(strict, here));
      assert.deepEqual(
        { backend, state, named },
        { backend: "procfs", state: "unknown", named: false },
      );
      assert.match(error, /^cannot l/u);
      return "procfs, with the reason; nothing is claimed";
    });
    await tally.check(`node ${version} ${flag} --allow-addons`, () => {
      assertNative(answerOf([...permitted, "--allow-addons"]), manifest);
      return "native";
    });
  }

  await tally.check(`node ${TOO_OLD}`, () => {
    const sentence = `pidentity needs Node.js ^20.19.0 or >=22.12.0, this is v${TOO_OLD}`;
    const node = nodeOf(TOO_OLD);
    assert.equal(run([node, program, "--version"], { ...here, exitCode: 2 }).trim(), sentence);
    assert.equal(run([node, "old-node.mjs"], here).trim(), sentence);
    return "told in one sentence";
  });

  await tally.check(`bun ${BUN}`, () => {
    const bun = bunOf(BUN);
    const answer = answerOf([bun]);
    assertNative(answer, manifest);
    assert.match(status([bun]), /^backend: native$/mu);
    return times(answer);
  });

  const deno = [denoOf(DENO), "run", "--no-prompt"];
  const permissions = ["--allow-read", "--allow-write", "--allow-env", "--allow-sys"];
  await tally.check(`deno ${DENO} --allow-all`, () => {
    const answer = answerOf([...deno, "--allow-all"]);
    assertNative(answer, manifest);
    return times(answer);
  });
  await tally.check(`deno ${DENO} --allow-ffi`, () => {
    // Deno lets nobody read /proc/<pid> without --allow-all: the addon answers, but on a host the containers'
    // processes cannot be seen, and a plain lock may be one of theirs.
    const answer = answerOf([...deno, ...permissions, "--allow-ffi"]);
    const locks = { "dead.jsonl.lock": isHost() ? "valid" : "removed", "live.jsonl.lock": "valid" };
    assert.deepEqual(answer.locks, locks);
    assertNative({ ...answer, locks: { ...locks, "dead.jsonl.lock": "removed" } }, manifest);
    assert.match(status([...deno, ...permissions, "--allow-ffi"]), /^backend: native$/mu);
    return `${times(answer)}${isHost() ? "; on a host every plain lock is kept" : ""}`;
  });
  await tally.check(`deno ${DENO} without --allow-ffi`, () => {
    // Nothing is known of other processes, so nothing is removed.
    const { backend, error, alive, same, locks } = answerOf([...deno, ...permissions]);
    assert.match(error, /^cannot load the native addon \(Requires ffi access /u);
    assert.deepEqual({ backend, alive, same }, { backend: "procfs", alive: true, same: "unknown" });
    assert.deepEqual(locks, { "dead.jsonl.lock": "valid", "live.jsonl.lock": "valid" });
    return "procfs, with the reason; every lock is kept";
  });
  await tally.check(`deno ${DENO} --allow-ffi --allow-read and nothing else`, () => {
    const output = run([...deno, "--allow-ffi", "--allow-read", "bundle.mjs"], here);
    const { backend, error, state, named } = answerIn(output);
    assert.deepEqual(
      { backend, state, named },
      { backend: "procfs", state: "unknown", named: false },
    );
    assert.match(error, /^cannot look for the native addon: Requires env access /u);
    return "procfs, with the reason";
  });

  await tally.check("PREBUILDS_ONLY=1", () => {
    // As if somebody had built the addon there, badly.
    const release = join(project, "node_modules/pidentity/build/Release");
    mkdirSync(release, { recursive: true });
    try {
      writeFileSync(join(release, "pidentity.node"), "no addon");
      assertProcfs(answerOf([process.execPath]), /build\/Release\/pidentity\.node$/u);
      assertNative(answerOf([process.execPath], { PREBUILDS_ONLY: "1" }), manifest);
    } finally {
      rmSync(dirname(release), { recursive: true });
    }
    return "native, past a broken build/Release";
  });
}

const tally = createTally();
await withFolder(mkdtempSync(join(tmpdir(), "pidentity-runtimes-")), async (folder) =>
  testAll(install(folder), tally),
);
tally.close();
