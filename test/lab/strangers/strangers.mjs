// Does a signal ever reach another process than the one that was meant? One pid is given to one process after the other
// (thousands a second), and signals are sent to them by each way while that goes on, until the pid was reused N times
// between the look at a process and its signal. Root, Linux.
//
//   node test/lab/strangers/strangers.mjs [--reuses N] [--way NAME]...
//
// The other ways, shown for comparison, get a share of N: a wrong signal is found in the first hundred.
// tree-kill is that of test/lab/bench (npm --prefix test/lab/bench ci).
// Closes with a table and "N passed, N failed": this package's way must reach no stranger, the others must.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const folderOf = fileURLToPath(new URL(".", import.meta.url));

const { values: options } = parseArgs({
  options: {
    reuses: { type: "string", default: "20000" },
    way: { type: "string", multiple: true },
    json: { type: "boolean", default: false },
  },
});
const reuses = Number(options.reuses);
if (!Number.isSafeInteger(reuses) || reuses < 1) {
  throw new RangeError(`--reuses must be an integer of 1 or more: ${options.reuses}`);
}

/** `share`: of the reuses. */
const WAYS = [
  { name: "signalProcess(token)", share: 1, mayReachStrangers: false },
  { name: "process.kill(pid)", share: 0.1, most: 10_000, mayReachStrangers: true },
  // Starts `ps` for each.
  { name: "tree-kill", share: 0.005, most: 500, mayReachStrangers: true, needs: "tree-kill" },
];
const wanted = WAYS.filter(({ name }) => options.way === undefined || options.way.includes(name));
if (wanted.length === 0) {
  throw new RangeError(`--way must be one of ${WAYS.map(({ name }) => name).join(", ")}`);
}

function compile() {
  const target = join(root, "build/strangers/recycle");
  mkdirSync(join(root, "build/strangers"), { recursive: true });
  const args = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-o", target];
  const { status, stderr, error } = spawnSync("cc", [...args, join(folderOf, "recycle.c")], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`cannot compile recycle.c: ${error?.message ?? stderr}`);
  return target;
}

function run({ name, share, most = Infinity }, recycle) {
  const folder = mkdtempSync(join(tmpdir(), "pidentity-strangers-"));
  try {
    const count = Math.min(most, Math.max(50, Math.ceil(reuses * share)));
    const entry = pathToFileURL(join(root, "dist/index.js")).href;
    const script = join(folderOf, "attempts.mjs");
    const args = [script, name, String(count), recycle, join(folder, "counts"), entry];
    const { status, stdout, stderr, error } = spawnSync(
      "unshare",
      ["--pid", "--fork", "--kill-child", "--mount-proc", process.execPath, ...args],
      { encoding: "utf8", maxBuffer: 2 ** 24 },
    );
    if (status !== 0) throw new Error(`${name}: ${error?.message ?? stderr}`);
    return JSON.parse(stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const recycle = compile();
const rows = [];
let failed = 0;
for (const way of wanted) {
  if (
    way.needs !== undefined &&
    !existsSync(join(root, "test/lab/bench/node_modules", way.needs))
  ) {
    console.error(`skipped ${way.name}: npm --prefix test/lab/bench ci`);
    continue;
  }
  const row = run(way, recycle);
  const isRight =
    row.stranger > 0 === way.mayReachStrangers && row.replaced > 0 && row.unknown === 0;
  if (!isRight) failed++;
  rows.push(row);
}
if (options.json) console.log(JSON.stringify({ rows, failed }));
else {
  console.table(
    Object.fromEntries(
      rows.map(({ way, signals: tried, processes, replaced, gone, right, stranger }) => [
        way,
        { signals: tried, processes, "pid reused": replaced, gone, right, stranger },
      ]),
    ),
  );
  console.log(`${rows.length - failed} passed, ${failed} failed`);
}
process.exitCode = failed === 0 ? 0 : 1;
