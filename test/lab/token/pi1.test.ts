/** A reader of tokens in another language: agrees with the package on every vector, and names and verifies real processes. */
import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";

import { identifyProcess, verifyProcess } from "../../../lib/index.js";
import type { ProcessIdentity } from "../../../lib/process/backends/backend.js";
import type { NestedProcess } from "../../../lib/process/nested-processes.js";
import { formatToken, INITIAL_PID_NAMESPACE, type TokenHost } from "../../../lib/process/token.js";
import { nodeArguments, runNode, startReady } from "../../support/processes/child.js";
import { program, ROOT } from "../../support/processes/programs.js";
import {
  judgeFacts,
  readTokenVectors,
  type TokenFacts,
} from "../../support/processes/token-vectors.js";
import { requireLinux, requireNative, requireProgram, requireRoot } from "../../support/require.js";

const PI1 = join(ROOT, "test/lab/token/pi1.py");
const GENERATED = 10_000;

beforeEach((context) => requireProgram(context, "python3"));

interface Question extends TokenFacts {
  readonly reader: TokenHost;
}

/** Its verdicts on all of them, in order: one line each. */
async function judgeInPython(questions: readonly Question[]): Promise<string[]> {
  const child = spawn("python3", [PI1, "judge"], { stdio: ["pipe", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stdin.end(questions.map((question) => `${JSON.stringify(question)}\n`).join(""));
  const [code] = (await once(child, "close")) as [number | null];
  expect(code).toBe(0);
  return output.trimEnd().split("\n");
}

test("the reader in Python agrees with every vector", async () => {
  const { readers, vectors } = readTokenVectors();
  const questions = vectors.map((vector) => {
    const reader = readers[vector.reader];
    if (reader === undefined) throw new Error(`no such reader: ${vector.reader}`);
    return { ...vector, reader };
  });
  const verdicts = await judgeInPython(questions);
  const expected = vectors.map(({ verdict }) => `${verdict.state} ${verdict.reason}`);
  expect(verdicts).toEqual(expected);
});

describe("generated", () => {
  const maybe = <T>(values: fc.Arbitrary<T>) => fc.option(values, { freq: 5 });
  const START = 132_119;
  const start = fc.oneof(
    fc.integer({ min: START - 2, max: START + 2 }),
    fc.constantFrom(START, START + 1000, START + 1001),
    fc.constantFrom(0, Number.MAX_SAFE_INTEGER),
  );
  // Two that a double takes for one.
  const exact = fc.constantFrom("8812345", "9007199254740993", "9007199254740992", "0");
  // Mostly of one boot and pid namespace, where more is asked.
  const boot = fc.constantFrom(...Array<string>(5).fill("c707c71d3a604d30"), "0123456789abcdef");
  const host = fc.constantFrom("256f26e41ea79230", "0".repeat(16));
  const platforms = ["linux", "linux", "linux", "linux", "android", "darwin", "win32"] as const;
  const platform = fc.constantFrom(...platforms);
  const namespaces = Array<string>(5).fill(INITIAL_PID_NAMESPACE);
  const namespace = fc.constantFrom(...namespaces, "0", "4026532001");
  const state = fc.constantFrom<ProcessIdentity["state"][]>("alive", "gone", "unknown");
  const reason = fc.constantFrom<ProcessIdentity["reason"][]>(
    "running",
    "no-such-process",
    "zombie",
    "exited",
    "thread-id",
    "invalid-pid",
    "access-denied",
    "unsupported",
  );
  const token = fc
    .record({
      platform,
      hostDigest: maybe(host),
      hostnameDigest: maybe(fc.constant("409a294e")),
      boot: maybe(boot),
      pidNamespace: maybe(namespace),
      pid: fc.constantFrom(1, 4711, 2 ** 22 + 1, 2 ** 32 - 1),
      startTime: maybe(start),
      exactId: maybe(exact),
    })
    .map(formatToken);
  const spoilt = fc
    .tuple(token, fc.nat(160), fc.nat(3), fc.string({ unit: "binary", maxLength: 3 }))
    .map(([text, at, cut, put]) => text.slice(0, at) + put + text.slice(at + cut));
  const nested: fc.Arbitrary<Omit<NestedProcess, "startTimeOffset" | "outerPid">> = fc.record({
    startTime: maybe(start),
    exactId: maybe(exact),
    pidNamespace: maybe(namespace),
  });
  const question: fc.Arbitrary<Question> = fc.record({
    token: fc.oneof({ weight: 8, arbitrary: token }, { weight: 2, arbitrary: spoilt }),
    reader: fc.record({
      platform,
      hostDigest: maybe(host),
      hostnameDigest: maybe(fc.constant("409a294e")),
      boot: maybe(boot),
      pidNamespace: maybe(namespace),
      initialPidNamespace: fc.boolean(),
      isHostIdPinned: fc.boolean(),
    }),
    atPid: fc.record({ state, reason, startTime: maybe(start), exactId: maybe(exact) }),
    byExactId: fc.record({ state, reason }),
    nested: fc.option(
      fc.record({ isComplete: fc.boolean(), having: fc.array(nested, { maxLength: 3 }) }),
    ),
  });

  test("the reader in Python agrees on 10 000 tokens, readers and facts", async () => {
    const questions = fc.sample(question, GENERATED);
    const expected = questions.map((asked) => {
      const verdict = judgeFacts(asked, asked.reader);
      return `${verdict.state} ${verdict.reason}`;
    });
    const verdicts = await judgeInPython(questions);
    const wrong = questions.flatMap((asked, index) =>
      verdicts[index] === expected[index]
        ? []
        : [{ asked: JSON.stringify(asked), python: verdicts[index], expected: expected[index] }],
    );
    expect(wrong).toEqual([]);
    expect(verdicts).toHaveLength(GENERATED);
    // They reach every verdict.
    expect(new Set(expected).size).toBe(11);
  });
});

test("the digests are the same in Python", () => {
  const { digests } = readTokenVectors();
  const script = `
import json, sys
sys.path.insert(0, ${JSON.stringify(join(ROOT, "test/lab/token"))})
sys.dont_write_bytecode = True
import pi1
print(json.dumps([
    {"hostDigest": pi1.digest(d["machineId"], 16), "hostnameDigest": pi1.digest(d["hostname"], 8), "boot": pi1.boot_field(d["bootId"])}
    for d in json.load(sys.stdin)
]))`;
  const { stdout, stderr } = spawnSync("python3", ["-c", script], {
    input: JSON.stringify(digests),
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  expect(JSON.parse(stdout)).toEqual(digests.map(({ fields }) => fields));
});

describe("on this machine", () => {
  beforeEach((context) => requireLinux(context, "its facts from /proc"));

  const IDLE = nodeArguments("console.log(p.identifyProcess()); process.stdin.resume();");
  const python = async (...args: string[]): Promise<string[]> => {
    // Its exit code says what it has found.
    const { stdout } = await promisify(execFile)("python3", [PI1, ...args]).catch(
      (error: { stdout: string }) => error,
    );
    return stdout.trimEnd().split("\n");
  };

  test("a process that runs is the same, one that has ended is gone", async () => {
    const child = await startReady(process.execPath, IDLE);
    expect(await python("verify", child.first, "pi2.x")).toEqual([
      "same running",
      "unknown malformed",
    ]);
    await child.kill();
    expect(await python("verify", child.first)).toEqual(["gone no-such-process"]);
  });

  test("a zombie is gone", async () => {
    const zombie = Number((await startReady(program("zombie-parent"), ["later"])).first);
    const token = identifyProcess(zombie) ?? "";
    process.kill(zombie, "SIGKILL");
    await expect.poll(() => python("verify", token), { timeout: 20_000 }).toEqual(["gone zombie"]);
  });

  test("a process whose first thread has ended runs, and its other thread's id is no process", async () => {
    const leader = await startReady(program("leader-exits"));
    const token = identifyProcess(leader.pid) ?? "";
    const ofThread = token.split(".").with(6, leader.first).with(8, "-").join(".");
    expect(await python("verify", token, ofThread)).toEqual([
      "same running",
      "gone no-such-process",
    ]);
  });

  test("what another one has now is recycled", async (context) => {
    requireRoot(context, "to choose pids in a pid namespace");
    const verdicts = await runNode(
      `import { spawn, spawnSync } from "node:child_process";
       import { createInterface } from "node:readline";
       import { readFileSync } from "node:fs";
       const program = spawn(${JSON.stringify(program("fork-as"))}, ["4711"], { stdio: ["pipe", "pipe", "inherit"] });
       const answers = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
       const ask = async (line) => { program.stdin.write(line + "\\n"); return (await answers.next()).value; };
       const uptime = () => Number(readFileSync("/proc/uptime", "latin1").split(" ")[0]);
       const python = (...args) => spawnSync("python3", [${JSON.stringify(PI1)}, ...args], { encoding: "utf8" }).stdout.trim();
       await ask("fork");
       const first = p.identifyProcess(4711);
       const named = python("identify", "4711");
       const before = python("verify", first);
       const from = uptime();
       while (uptime() < from + 0.04) await new Promise((resolve) => setTimeout(resolve, 5));
       await ask("recycle");
       const after = python("verify", first, named);
       const { reason } = p.verifyProcess(named);
       program.stdin.end();
       console.log(JSON.stringify({ before, after, reason }));`,
      { prefix: ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"] },
    );
    expect(verdicts).toEqual({
      before: "same running",
      after: "gone recycled\ngone recycled",
      reason: "recycled",
    });
  });

  test("a process in a container is found from its host, and a process of the host is unknown in there", async (context) => {
    requireRoot(context, "to make a pid namespace");
    const inside = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    const [file = "", ...args] = [...inside, process.execPath, ...IDLE];
    const inner = await startReady(file, args);
    const outside = await python("verify", inner.first);
    // As the package: where this is itself a container nothing is known of the other.
    const { state, reason } = verifyProcess(inner.first);
    expect(outside).toEqual([`${state} ${reason}`]);
    const [tool, ...options] = [...inside, "python3", PI1, "verify", identifyProcess() ?? ""];
    expect(spawnSync(tool, options, { encoding: "utf8" }).stdout).toBe(
      "unknown other-pid-namespace\n",
    );
  });

  test.for([
    ["100", "0"],
    ["7", "123456789"],
  ] as const)(
    "a time namespace %s s and %s ns away changes no verdict",
    async ([seconds, nanoseconds], context) => {
      requireRoot(context, "to make a time namespace");
      const child = await startReady(process.execPath, IDLE);
      // By start time alone.
      const token = child.first.split(".").with(8, "-").join(".");
      const { stdout } = spawnSync(
        program("in-time-namespace"),
        [seconds, nanoseconds, "python3", PI1, "verify", token, child.first],
        { encoding: "utf8" },
      );
      expect(stdout).toBe("same running\nsame running\n");
    },
  );

  test("a token that it has written is the package's, too", async (context) => {
    requireNative(context);
    const child = await startReady(process.execPath, IDLE);
    const [written] = await python("identify", `${child.pid}`);
    expect(written).toBe(child.first);
    expect(verifyProcess(written ?? "")).toEqual({ state: "same", reason: "running" });
  });

  test("a pinned host id is what names the host", async () => {
    const env = { ...process.env, PIDENTITY_HOST_ID: "\ufeff rack 7 \u00a0" };
    const { stdout } = spawnSync("python3", [PI1, "identify"], { env, encoding: "utf8" });
    const other = await runNode("console.log(JSON.stringify(p.identifyProcess().split('.')[2]))", {
      env,
    });
    expect(stdout.split(".")[2]).toBe(other);
  });

  test("hostile arguments are malformed, and without one it tells its usage", async () => {
    const texts = ["", "-", "pi1", "pi1.\u0661", "x".repeat(100_000), "--help"];
    expect(await python("verify", ...texts)).toEqual(texts.map(() => "unknown malformed"));
    const { status, stderr } = spawnSync("python3", [PI1], { encoding: "utf8" });
    expect(status).toBe(64);
    expect(stderr).toContain("verify <token>");
  });
});

test("the vectors are made anew without writing, and every reading is true of its process", async (context) => {
  requireRoot(context, "to make worlds");
  requireNative(context);
  const folder = mkdtempSync(join(tmpdir(), "pidentity-vectors-"));
  // One world runs as a user without rights.
  chmodSync(folder, 0o755);
  try {
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      [join(ROOT, "test/lab/token/make-vectors.mjs"), "--check"],
      { env: { ...process.env, TMPDIR: folder }, maxBuffer: 2 ** 26 },
    ).catch((error: { stdout: string; stderr: string }) => error);
    expect(stdout + stderr).toMatch(/^\d{4,} passed, 0 failed$/mu);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 600_000);
