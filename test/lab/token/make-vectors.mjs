// Makes test/process/token-vectors.json: tokens that were written in real worlds, what readers in real worlds saw of
// their processes, and the verdicts.
//
//   node test/lab/token/make-vectors.mjs [--check] [--verbose]     --check: writes nothing
//
// Each verdict is `verifyProcess`'s own, is compared with the pure judge's on the facts that are stored, and has to be
// true of the process's real fate: one that runs is never gone, one that has ended never the same. Ids of machines, host
// names and boots are replaced, each by the same one everywhere, so that nothing of the machine is in the file. What
// this machine has no world for (Windows, macOS) is composed, and marked so. Root on Linux; after `npm run build` and
// one test run, which compiles the programs. Closes with "N passed, N failed".
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { judgeToken } from "../../../build/modules/process/judge-token.js";
import { parseToken } from "../../../build/modules/process/token.js";
import { endAll } from "../worlds/child.mjs";
import { composedVectors } from "./composed.mjs";
import { digestVectors } from "./digests.mjs";
import { malformedTexts } from "./malformed.mjs";
import { thinned } from "./thinned.mjs";
import { copyForEveryUser, openWorld, program, ROOT, worldsOf } from "./worlds.mjs";

const FILE = join(ROOT, "test/process/token-vectors.json");

/** Where a token has which field. */
const HOST_DIGEST = 2;
const HOSTNAME_DIGEST = 3;
const BOOT = 4;
const PID_NAMESPACE = 5;
const PID = 6;
const START = 7;
const EXACT = 8;

const { values: options } = parseArgs({
  options: {
    check: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
  },
});

const scratch = mkdtempSync(join(tmpdir(), "pidentity-tokens-"));
let passed = 0;
const failures = [];
try {
  const copy = copyForEveryUser(scratch);
  const worlds = [];
  for (const world of worldsOf(scratch)) {
    worlds.push(await openWorld(world, copy));
    progress(world.name);
  }
  const named = [];
  for (const world of worlds) {
    named.push(...(await nameProcesses(world)));
    progress(`${world.name}: named`);
  }
  const tokens = [...named, ...named.filter(isVaried).flatMap(variants)];
  const seen = [];
  for (const world of worlds) {
    seen.push(...(await readAll(world, tokens)));
    progress(`${world.name}: read`);
  }
  const readers = Object.fromEntries(worlds.map(({ name, about }) => [name, about.reader]));
  const vectors = thinned(seen, readers);
  const made = withoutSecrets(worlds, vectors);
  if (!options.check && failures.length === 0) write(made);
  console.log(`${made.vectors.length} vectors of ${seen.length} readings`);
} finally {
  await endAll();
  rmSync(scratch, { recursive: true, force: true });
}
for (const failure of failures) console.log(failure);
console.log(`${passed} passed, ${failures.length} failed`);
process.exitCode = failures.length === 0 ? 0 : 1;

function progress(text) {
  if (options.verbose) console.error(`${(performance.now() / 1000).toFixed(1)} s: ${text}`);
}

/** Tokens of a world's processes, each with its fate: "alive", "dead", "zombie", or "altered": of no process. */
async function nameProcesses(world) {
  const { ask } = world;
  const found = [];
  const name = async (what, fate, pid) => {
    const token = await ask("identify", { pid });
    if (token !== null) found.push({ what, fate, token, world });
  };
  await name("the agent", "alive", undefined);
  const idle = await ask("start", { command: [program("idle")] });
  await name("a child", "alive", idle.pid);
  const killed = await ask("start", { command: [program("idle")] });
  await name("a killed child", "dead", killed.pid);
  await ask("end", { pid: killed.pid });
  // That program asks /proc when its first thread has ended.
  if (world.hasOwnProc) {
    const leader = await ask("start", { command: [program("leader-exits")] });
    await name("a process whose first thread has ended", "alive", leader.pid);
    const [first] = found;
    if (first !== undefined) {
      const token = withField(first.token, PID, leader.line);
      found.push({ what: "the id of a thread", fate: "altered", token, world });
    }
  }
  const parent = await ask("start", { command: [program("zombie-parent"), "later"] });
  const zombie = Number(parent.line);
  await name("a zombie", "zombie", zombie);
  // In a container with the host's /proc the program tells its own numbers, as the agent does.
  await ask("kill", { pid: zombie });
  if (world.isContainer) found.push(...(await recycle(world)));
  return found;
}

/** One pid that three processes have had. */
async function recycle(world) {
  const { ask } = world;
  const found = [];
  const { pid: forker } = await ask("start", {
    command: [program("fork-as"), "4711"],
    isSilent: true,
  });
  for (const round of [1, 2, 3]) {
    const pid = Number(await ask("say", { pid: forker, line: round === 1 ? "fork" : "recycle" }));
    const token = await ask("identify", { pid });
    if (token !== null) {
      const fate = round === 3 ? "alive" : "dead";
      found.push({ what: `process ${round} of one pid`, fate, token, world });
    }
    // Start times more than one clock tick apart: what a start time alone can tell.
    const from = uptime();
    while (uptime() < from + 0.04) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return found;
}

function uptime() {
  return Number(readFileSync("/proc/uptime", "latin1").split(" ")[0]);
}

function withField(token, field, value) {
  return token.split(".").with(field, value).join(".");
}

function isVaried({ what, world }) {
  const isOften = ["host, addon", "container, addon"].includes(world.name);
  return isOften && /^(?:a child|a zombie|a killed child|process [13])/u.test(what);
}

/** The token with fields that its writer could not know, and others that name no process at all. */
function variants({ what, fate, token, world }) {
  const start = token.split(".")[START];
  const erased = [
    [HOST_DIGEST],
    [HOSTNAME_DIGEST],
    [BOOT],
    [PID_NAMESPACE],
    [START],
    [EXACT],
    [START, EXACT],
    [PID_NAMESPACE, EXACT],
    [HOST_DIGEST, BOOT],
  ].map((fields) => ({
    what: `${what}, field ${fields.map((field) => field + 1).join(" and ")} unknown`,
    fate,
    token: fields.reduce((varied, field) => withField(varied, field, "-"), token),
    world,
  }));
  const changed = [
    ["a tick earlier", START, `${Math.max(0, Number(start) - 1)}`],
    ["a tick later", START, `${Number(start) + 1}`],
    ["ten ticks earlier", START, `${Math.max(0, Number(start) - 10)}`],
    ["on another platform", 1, "darwin"],
    ["on the sibling platform", 1, "android"],
    ["on a platform to come", 1, "plan9"],
    ["with a pid that no process can have", PID, "4294967295"],
  ].map(([how, field, value]) => {
    return {
      what: `${what}, ${how}`,
      fate: "altered",
      token: withField(token, field, value),
      world,
    };
  });
  return [...erased, ...changed];
}

async function readAll(world, tokens) {
  const { ask, about } = world;
  const answers = await ask("read", { tokens: tokens.map(({ token }) => token) });
  const vectors = answers.map((answer, index) => {
    const { what, fate, token, world: writer } = tokens[index];
    const vector = {
      world: `${what} of ${writer.name}`,
      token,
      reader: world.name,
      atPid: answer.atPid,
      byExactId: answer.byExactId,
      nested: answer.nested,
      verdict: answer.verdict,
    };
    check(vector, about.reader, fate);
    return vector;
  });
  const texts = world.name === "host, addon" ? malformedTexts(tokens[0].token) : [];
  const refused = await ask("read", { tokens: texts.map(([, text]) => text) });
  for (const [index, [why, token]] of texts.entries()) {
    const vector = { world: `malformed: ${why}`, token, reader: world.name, ...refused[index] };
    check(vector, about.reader, "malformed");
    vectors.push(vector);
  }
  return vectors;
}

/** The stored facts lead to the same verdict, and that is true of the process. */
function check(vector, reader, fate) {
  const { verdict } = vector;
  const again = judgeStored(vector, reader);
  const text = `${verdict.state} ${verdict.reason}`;
  const wrong = [];
  if (`${again.state} ${again.reason}` !== text) {
    wrong.push(`the pure judge says ${again.state} ${again.reason}`);
  }
  const parsed = parseToken(vector.token);
  const isOtherBoot = parsed !== null && parsed.boot !== reader.boot;
  if (fate === "malformed" && verdict.reason !== "malformed") wrong.push("it is malformed");
  if (fate !== "malformed" && verdict.reason === "malformed") wrong.push("it is no such thing");
  if (isOtherBoot && !["gone rebooted", "unknown other-host"].includes(text)) {
    wrong.push("it is of another boot");
  }
  if (!isOtherBoot && fate === "alive" && verdict.state === "gone") wrong.push("it runs");
  if (["dead", "zombie"].includes(fate) && verdict.state === "same") wrong.push("it has ended");
  if (verdict.reason === "zombie" && !["zombie", "altered"].includes(fate))
    wrong.push("it is no zombie");
  if (wrong.length === 0) passed++;
  else failures.push(`${vector.world}, read by ${vector.reader}: ${text}, but ${wrong.join("; ")}`);
}

function judgeStored({ token, atPid, byExactId, nested }, reader) {
  return judgeToken(parseToken(token), reader, {
    identity: () => atPid,
    byExactId: () => byExactId,
    nested: () => nested && { isComplete: nested.isComplete, having: () => nested.having },
  });
}

/** Every id of a machine, a host name or a boot is replaced by the digest of a number. */
function withoutSecrets(worlds, vectors) {
  const replaced = new Map();
  const replace = (kind, id, digits) => {
    if (id === null) return null;
    if (!replaced.has(id)) {
      const text = `${kind} ${replaced.size}`;
      replaced.set(id, createHash("sha256").update(text).digest("hex").slice(0, digits));
    }
    return replaced.get(id);
  };
  const readers = Object.fromEntries(
    worlds.map(({ name, about: { reader } }) => [
      name,
      {
        ...reader,
        hostDigest: replace("host", reader.hostDigest, 16),
        hostnameDigest: replace("hostname", reader.hostnameDigest, 8),
        boot: replace("boot", reader.boot, 32),
      },
    ]),
  );
  const clean = (token) => {
    let text = token;
    for (const [id, other] of replaced) text = text.replaceAll(id, other);
    return text;
  };
  const composed = composedVectors();
  for (const vector of composed.vectors) {
    const again = judgeStored(vector, composed.readers[vector.reader]);
    const isAgreed = JSON.stringify(again) === JSON.stringify(vector.verdict);
    if (isAgreed) passed++;
    else failures.push(`composed: ${vector.world}: ${JSON.stringify(again)}`);
  }
  const real = vectors.map((vector) => ({ ...vector, token: clean(vector.token), made: "real" }));
  return {
    digests: digestVectors(),
    readers: { ...readers, ...composed.readers },
    vectors: [...real, ...composed.vectors.map((vector) => ({ ...vector, made: "composed" }))],
  };
}

/** One line for each vector. */
function write({ digests, readers, vectors }) {
  const lines = (list) => list.map((item) => `    ${JSON.stringify(item)}`).join(",\n");
  const named = Object.entries(readers).map(
    ([name, reader]) => `    ${JSON.stringify(name)}: ${JSON.stringify(reader)}`,
  );
  const text = [
    "{",
    '  "format": "pi1, see lib/process/token.md",',
    `  "digests": [\n${lines(digests)}\n  ],`,
    `  "readers": {\n${named.join(",\n")}\n  },`,
    `  "vectors": [\n${lines(vectors)}\n  ]`,
    "}",
    "",
  ].join("\n");
  writeFileSync(FILE, text);
}
