// The README's two commands as strangers run them: `node test/lab/install/first-run.mjs [--only <text>]`.
//
// Each surrounding gets a clone of its own of what is committed or at work, installs, builds, runs the demo and all
// tests. What cannot be tried there is skipped with a reason, summed up in the table. One of them goes on to the
// tarball, which is installed elsewhere and asked for its addon. (Root in a folder of any name is what the lane quick
// is.) Needs root to become somebody else; the network is needed for the installation only.
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { outerEnvironment } from "./tools.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const STRANGER = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
/** procps, strace, and what makes FAT file systems and other clocks. */
const RARE_TOOLS =
  /^(?:ps|pgrep|pkill|top|free|uptime|strace.*|faketime|mkfs.*|mkdosfs|mkexfatfs|exfat.*|mount\.exfat.*)$/u;

const { values: options } = parseArgs({ options: { only: { type: "string", default: "" } } });

const SURROUNDINGS = [
  {
    name: "ordinary user, umask 077, HOME unset, a folder with a space and an umlaut",
    folder: "a föl der",
    as: STRANGER,
    shell: "umask 077; unset HOME",
    packs: true,
  },
  {
    name: "root of a user namespace, no network, without procps, strace, FAT and clock tools",
    folder: "clone",
    as: [...STRANGER, "unshare", "--user", "--map-root-user", "--net"],
    shell: "",
    isBare: true,
  },
];

const results = [];
for (const surrounding of SURROUNDINGS) {
  if (surrounding.name.includes(options.only)) results.push(tryIn(surrounding));
}
console.table(
  Object.fromEntries(
    results.map(({ name, reasons, ...row }) => [
      name,
      { ...row, skipped: countOfSkipped(reasons) },
    ]),
  ),
);
for (const { name, reasons } of results) {
  console.log(`${name}:`);
  for (const reason of reasons) console.log(`  ${reason}`);
}
const failed = results.filter(({ ok }) => !ok).length;
console.log(`${results.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 && results.length > 0 ? 0 : 1;

function tryIn({ name, folder, as, shell, isBare = false, packs = false }) {
  const started = performance.now();
  const scratch = mkdtempSync(join(tmpdir(), "pidentity-first-run-"));
  const clone = join(scratch, folder);
  try {
    mkdirSync(clone);
    copySources(clone);
    chown(scratch);
    const env = environmentOf(scratch, isBare);
    // The installation has the network that the surrounding may lack.
    const installed = run([...STRANGER, "sh", "-c", "npm ci --no-audit --no-fund"], clone, env);
    const demo = installed.ok && run([...as, "sh", "-c", `${shell}\nnpm run demo`], clone, env);
    const test = demo.ok && run([...as, "sh", "-c", `${shell}\nnpm test`], clone, env);
    const packed = test.ok && packs && tryTarball(clone, scratch, { as, shell, env });
    const ok = installed.ok && demo.ok && test.ok && (!packs || packed.ok);
    if (!ok)
      console.log((packed || test || demo || installed).text.split("\n").slice(-80).join("\n"));
    return {
      name,
      ok,
      warnings: countOf(installed.text, /^npm warn/gmu),
      demo: demo.ok === true,
      tarball: packs ? packed.ok === true : "–",
      passed: Number(/Tests .*?(\d+) passed/u.exec(test.text ?? "")?.[1] ?? 0),
      reasons: (test.text ?? "").match(/^skipped .*$/gmu) ?? [],
      lines: countOf(test.text ?? "", /\n/gu),
      "test seconds": test.seconds,
      seconds: Math.round((performance.now() - started) / 1000),
    };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** From the clone to a tarball, and from that to an addon that loads, in an empty project. */
function tryTarball(clone, scratch, { as, shell, env }) {
  const commands = [
    shell,
    "npm run --silent make:tarball -- ../tarball",
    'mkdir ../consumer && cd ../consumer && echo "{}" > package.json',
    "npm install --no-audit --no-fund ../tarball/pidentity-*.tgz",
    "npx pidentity native | tee native.txt",
    'grep -q "^backend: native$" native.txt',
  ];
  return run([...as, "sh", "-ec", commands.join("\n")], clone, env);
}

function copySources(clone) {
  const listed = spawnSync(
    "git",
    ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    {
      cwd: ROOT,
      encoding: "utf8",
      maxBuffer: 64 * 1024 * 1024,
    },
  );
  for (const name of listed.stdout.split("\0").filter((each) => each !== "")) {
    mkdirSync(dirname(join(clone, name)), { recursive: true });
    copyFileSync(join(ROOT, name), join(clone, name));
  }
}

function chown(folder) {
  chmodSync(folder, 0o755);
  const { status, stderr } = spawnSync("chown", ["-R", "65534:65534", folder], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
}

function environmentOf(scratch, isBare) {
  const env = {
    ...outerEnvironment(),
    NO_COLOR: "1",
    CI: "",
    npm_config_cache: join(scratch, "npm"),
  };
  // What the lane promises of this machine, the stranger's has not.
  for (const name of Object.keys(env)) if (name.startsWith("PIDENTITY_")) delete env[name];
  env.TMPDIR = join(scratch, "tmp");
  mkdirSync(env.TMPDIR, { mode: 0o777 });
  chmodSync(env.TMPDIR, 0o777);
  if (isBare) env.PATH = binWithout(scratch);
  return env;
}

/** A folder with everything on the PATH but the rare tools. */
function binWithout(scratch) {
  const bin = join(scratch, "bin");
  mkdirSync(bin);
  for (const folder of (process.env.PATH ?? "").split(":").filter((each) => each.startsWith("/"))) {
    for (const name of list(folder)) {
      if (RARE_TOOLS.test(name)) continue;
      try {
        symlinkSync(join(folder, name), join(bin, name));
      } catch {
        // An earlier folder has one of that name.
      }
    }
  }
  return bin;
}

/** What the stranger finds there: it may not enter every folder of ours. */
function list(folder) {
  const { stdout } = spawnSync(STRANGER[0], [...STRANGER.slice(1), "ls", folder], {
    encoding: "utf8",
  });
  return stdout.split("\n").filter((name) => name !== "");
}

function run([file, ...args], cwd, env) {
  const started = performance.now();
  const { status, stdout, stderr, error } = spawnSync(file, args, {
    cwd,
    env,
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
  });
  if (error !== undefined) throw error;
  const seconds = Math.round((performance.now() - started) / 1000);
  return { ok: status === 0, text: `${stdout}${stderr}`, seconds };
}

function countOfSkipped(reasons) {
  return reasons.reduce((sum, line) => sum + Number(/^skipped (\d+)/u.exec(line)?.[1] ?? 0), 0);
}

function countOf(text, pattern) {
  return (text.match(pattern) ?? []).length;
}
