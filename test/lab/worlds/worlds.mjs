// The world matrix: who wrote a lock, where, what became of its owner, and who judges it from where.
//
//   node test/lab/worlds/worlds.mjs [--only <text>]
//
// Real pid, mount and UTS namespaces, overlays and a FUSE file system, a bind-mounted boot id for reboots, real
// Bun and Deno. Two columns count: live owners removed, and dead owners kept for ever. Both must be empty but for
// the exceptions of exceptions.mjs, each of which must occur. Needs root; closes with "N passed, N failed".
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { endAll, start } from "./child.mjs";
import { EXCEPTIONS, exceptionFor } from "./exceptions.mjs";
import { mountFuse } from "./fuse.mjs";
import { PLACES } from "./places.mjs";
import { WRITERS } from "./writers.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const JUDGE = join(ROOT, "test/lab/worlds/judge.mjs");
const SPAWN_AS = join(ROOT, "build/test-programs/spawn-as");
const JUDGES = ["sweep", "acquire", "command"];
// They wait more than they compute.
const AT_A_TIME = 4;

let nextPid = Math.floor(Number(readFileSync("/proc/sys/kernel/pid_max", "utf8")) * 0.9);

const { values: options } = parseArgs({ options: { only: { type: "string", default: "" } } });

inOwnMountNamespace();
compile();
const fuse = await mountFuse();
const scenarios = [];
const cells = [];
let next = 0;
try {
  for (const place of PLACES) {
    for (const writer of WRITERS) {
      for (const owner of place.owners) {
        const scenario = {
          name: `${writer.name} · ${place.name} · ${owner}`,
          place,
          writer,
          owner,
        };
        if (!scenario.name.includes(options.only)) continue;
        scenarios.push({ ...scenario, plainLocks: "judge" });
        if (writer.isPlain && place.isNeighbour && owner === "alive") {
          scenarios.push({ ...scenario, name: `${scenario.name} · keep`, plainLocks: "keep" });
        }
      }
    }
  }
  const results = [];
  const work = async () => {
    for (let index = next++; index < scenarios.length; index = next++) {
      results[index] = await judgeOne(scenarios[index]);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  cells.push(...results.flat());
} finally {
  await endAll();
  fuse.unmount();
}
report(cells);

/** Everything is mounted where only this process and its children see it. */
function inOwnMountNamespace() {
  if (process.env.PIDENTITY_WORLDS_INSIDE === "1") return;
  const args = ["--mount", "--propagation", "private", process.execPath, ...process.argv.slice(1)];
  const env = { ...process.env, PIDENTITY_WORLDS_INSIDE: "1" };
  const { status } = spawnSync("unshare", args, { stdio: "inherit", env });
  process.exit(status ?? 1);
}

function compile() {
  const source = join(ROOT, "test/support/native/spawn-as.c");
  if (existsSync(SPAWN_AS) && statSync(SPAWN_AS).mtimeMs > statSync(source).mtimeMs) return;
  mkdirSync(dirname(SPAWN_AS), { recursive: true });
  const { status } = spawnSync("cc", ["-std=gnu11", "-O1", "-o", SPAWN_AS, source], {
    stdio: "inherit",
  });
  if (status !== 0) throw new Error("cannot compile spawn-as.c");
}

/** One writer at one place with one fate, judged in three ways. */
async function judgeOne({ name, place, writer, owner, plainLocks }) {
  const scratch = mkdtempSync(join(tmpdir(), "pidentity-world-"));
  const worlds = [];
  try {
    const world = await place.open({
      scratch,
      fuse: join(fuse.folder, `${Math.random()}`.slice(2)),
    });
    worlds.push(world.writer);
    const folder = world.folder ?? join(scratch, "volume");
    const sessionFiles = JUDGES.map((judge) => join(folder, judge, "s.jsonl"));
    await runIn(world.writer, ["mkdir", "-p", ...JUDGES.map((judge) => join(folder, judge))]);

    const pid = freePid();
    const command = [
      ...world.writer.prefix,
      SPAWN_AS,
      `${pid}`,
      ...writer.command(),
      ...sessionFiles,
    ];
    const holder = start(command, { env: { ...process.env, ...writer.env } });
    const said = await holder.line();
    if (Number(said) !== pid) throw new Error(`another pid than the chosen one: ${said}`);
    if (owner !== "alive") {
      await holder.finish();
    }
    const judge = await world.judge();
    worlds.push(judge);
    const successor =
      owner === "reused"
        ? await startSuccessor(world.reuseIn === "judge" ? judge : world.writer, pid)
        : null;
    const judging = start([...judge.prefix, process.execPath, JUDGE, folder, plainLocks]);
    const answers = JSON.parse(await judging.line());
    await judging.ended;
    await successor?.finish();
    if (owner === "alive") await holder.finish();
    return JUDGES.map((by) => ({
      name,
      place: place.name,
      writer: writer.name,
      owner,
      plainLocks,
      by,
      ...answers[by],
    }));
  } catch (error) {
    return [{ name, place: place.name, writer: writer.name, owner, by: "all", error }];
  } finally {
    for (const world of worlds.toReversed()) await world.end();
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Another program under the pid that the owner had. */
async function startSuccessor(world, pid) {
  const command = ["sh", "-c", "echo started; read -r _ || :"];
  const successor = start([...world.prefix, SPAWN_AS, `${pid}`, ...command]);
  await successor.line();
  return successor;
}

async function runIn(world, command) {
  const { ended } = start([...world.prefix, ...command]);
  const [code] = await ended;
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}`);
}

/** Far from the numbers that the kernel gives out now, in every namespace. */
function freePid() {
  do nextPid -= 1;
  while (existsSync(`/proc/${nextPid}`));
  return nextPid;
}

function report(all) {
  let failed = 0;
  const fail = (text) => {
    failed += 1;
    console.log(`FAILED ${text}`);
  };
  const used = new Set();
  const rows = new Map();
  for (const cell of all) {
    const row = rows.get(cell.place) ?? { cells: 0, "live removed": 0, "dead kept": 0 };
    rows.set(cell.place, row);
    if (cell.error !== undefined) {
      fail(`${cell.name}: ${cell.error.stack}`);
      continue;
    }
    row.cells += 1;
    const isWrong = cell.owner === "alive" ? cell.removed : !cell.removed;
    if (isWrong) row[cell.owner === "alive" ? "live removed" : "dead kept"] += 1;
    const exception = exceptionFor(cell);
    if (isWrong && exception === undefined) fail(`${cell.name} · ${cell.by}: ${cell.why}`);
    if (isWrong && exception !== undefined) used.add(exception);
    // What stays undecided is not "nothing to do".
    if (cell.by === "command" && cell.owner !== "alive" && !cell.removed && cell.exitCode !== 1) {
      fail(`${cell.name}: the command ends with ${cell.exitCode} for a lock that is not decided`);
    }
  }
  console.table(Object.fromEntries(rows));
  console.log("Exceptions:");
  for (const exception of EXCEPTIONS) {
    console.log(`- ${exception.what}: ${exception.why} ${exception.remedy}`);
    if (options.only === "" && !used.has(exception))
      fail(`does not occur any more: ${exception.what}`);
  }
  console.log(`${all.length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && all.length > 0 ? 0 : 1;
}
