/** waitForProcessExit of many tokens: one timer, few descriptors, no later process of a pid. */
import { getEventListeners } from "node:events";

import { beforeEach, describe, expect, test } from "vitest";

import { identifyProcess, ProcessUnknownError, waitForProcessExit } from "../../lib/index.js";
import { MOST_REFERENCES, waitForManyExits } from "../../lib/process/wait-for-many.js";
import { backendNamed, environmentFor, LINUX_BACKENDS } from "../support/processes/backends.js";
import { nodeArguments, runNode, startReady } from "../support/processes/child.js";
import { program } from "../support/processes/programs.js";
import { requireLinux, requireRoot } from "../support/require.js";

const IDLE = nodeArguments("console.log(p.identifyProcess()); process.stdin.resume();");
const OWN = identifyProcess() ?? "";

/** Hundreds of processes on a machine that has other work, too. */
const BUSY = { timeout: 180_000 };

/** A token of a process that had this one's pid before: it is gone. */
function earlier(index: number): string {
  const fields = OWN.split(".");
  return fields
    .with(7, String(index))
    .with(8, fields[8] === "-" ? "-" : String(index + 1))
    .join(".");
}

describe("no tokens at all", () => {
  test.each<[string, Iterable<string>]>([
    ["list", []],
    ["set", new Set<string>()],
    ["generator", (function* () {})()],
  ])("an empty %s is waited for at once", async (_, tokens) => {
    await expect(waitForProcessExit(tokens)).resolves.toEqual(new Map());
  });
});

test("each token has its outcome, once, in order of first appearance", async () => {
  const child = await startReady(process.execPath, IDLE);
  await child.kill();
  const tokens = [OWN, child.first, OWN, earlier(5), child.first];
  const outcomes = await waitForProcessExit(tokens, { timeoutMs: 30 });
  expect([...outcomes]).toEqual([
    [OWN, "timeout"],
    [child.first, "exited"],
    [earlier(5), "exited"],
  ]);
});

test("it resolves when the last of them has ended", async () => {
  const children = await Promise.all([1, 2, 3].map(() => startReady(process.execPath, IDLE)));
  const tokens = children.map(({ first }) => first);
  let isOver = false;
  const wait = waitForProcessExit(new Set(tokens)).finally(() => (isOver = true));
  const [last, ...others] = children;
  for (const child of others) await child.kill();
  await waitForProcessExit(others.map(({ first }) => first));
  expect(isOver).toBe(false);
  await last?.kill();
  expect(await wait).toEqual(new Map(tokens.map((token) => [token, "exited"])));
});

test("a timeout of 0 looks once at each", async () => {
  const tokens = [OWN, ...Array.from({ length: 2000 }, (_, index) => earlier(index))];
  const outcomes = await waitForProcessExit(tokens, { timeoutMs: 0 });
  expect(outcomes.get(OWN)).toBe("timeout");
  expect([...outcomes.values()].filter((outcome) => outcome === "exited")).toHaveLength(2000);
});

test("a text is one token, not an iterable of characters", async () => {
  const error = await waitForProcessExit("pi9.what").catch((caught: unknown) => caught);
  expect(error).toMatchObject({ reason: "malformed", token: "pi9.what" });
});

describe("one that cannot be decided", () => {
  const foreign = OWN.split(".").with(2, "0".repeat(16)).with(4, "0".repeat(32)).join(".");
  test.each<[string, unknown, string, string]>([
    ["of another host", foreign, "other-host", foreign],
    ["that is none", "pi9.what", "malformed", "pi9.what"],
    ["that is a number", 7, "malformed", "7"],
    ["that is a symbol", Symbol("x"), "malformed", "Symbol(x)"],
    ["that is null", null, "malformed", "null"],
    [
      "that throws when it is asked for its text",
      {
        toString() {
          throw new Error("asked");
        },
      },
      "malformed",
      "{ toString: [Function: toString] }",
    ],
    ["that has no prototype", Object.create(null), "malformed", "[Object: null prototype] {}"],
  ])("a token %s rejects, naming it", async (_, token, reason, text) => {
    for (const wait of [
      () => waitForProcessExit([OWN, token as string, earlier(1)]),
      () => waitForProcessExit(token as string),
    ]) {
      const error = await wait().catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(ProcessUnknownError);
      expect(error).toMatchObject({ code: "PROCESS_UNKNOWN", reason, token });
      expect((error as Error).message).toBe(
        `cannot tell whether the process is running (${reason}): ${text}`,
      );
    }
  });
});

test("what an iterable throws is what the wait rejects with", async () => {
  const reason = new Error("no more");
  const tokens = (function* () {
    yield OWN;
    throw reason;
  })();
  await expect(waitForProcessExit(tokens)).rejects.toBe(reason);
});

describe("an abort", () => {
  test("rejects with the signal's reason and leaves no listener behind", async () => {
    const controller = new AbortController();
    const reason = new Error("changed my mind");
    const wait = waitForProcessExit([OWN, earlier(1)], { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 20);
    await expect(wait).rejects.toBe(reason);
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
  });

  test("before the call rejects without reading the tokens", async () => {
    const reason = new Error("too late");
    const tokens = (function* () {
      yield OWN;
      throw new Error("read");
    })();
    const wait = waitForProcessExit(tokens, { signal: AbortSignal.abort(reason) });
    await expect(wait).rejects.toBe(reason);
  });
});

describe("references", () => {
  const SAME = { state: "same", reason: "running" } as const;
  const GONE = { state: "gone", reason: "no-such-process" } as const;
  const UNKNOWN = { state: "unknown", reason: "access-denied" } as const;

  test("are given back by half where the OS refuses one, so that the rest can be verified", async () => {
    const tokens = Array.from({ length: 40 }, (_, index) => `t${index}`);
    const open = new Set<string>();
    const descriptors = 20;
    let refusals = 0;
    let most = 0;
    let rounds = 0;
    const outcomes = await waitForManyExits(
      tokens,
      { signal: undefined, deadline: Infinity },
      {
        mayRefer: () => true,
        refer(token) {
          if (open.size >= descriptors) {
            refusals++;
            return null;
          }
          open.add(token);
          most = Math.max(most, open.size);
          return {
            exited: () => rounds > 3,
            close: () => void open.delete(token),
          };
        },
        round() {
          rounds++;
          // Verifying takes a descriptor, too.
          return () => (open.size >= descriptors ? UNKNOWN : rounds > 3 ? GONE : SAME);
        },
        pause: () => Promise.resolve(),
      },
    );
    expect([...outcomes.values()].every((outcome) => outcome === "exited")).toBe(true);
    expect({ most, refusals, left: open.size }).toEqual({
      most: descriptors,
      refusals: 0,
      left: 0,
    });
  });

  test("are not given back for one that has no process any more", async () => {
    let closed = 0;
    const wait = waitForManyExits(
      ["a", "b", "gone"],
      { signal: undefined, deadline: performance.now() },
      {
        mayRefer: () => true,
        refer: (token) =>
          token === "gone" ? null : { exited: () => false, close: () => void closed++ },
        round: () => (token) => (token === "gone" ? GONE : SAME),
        pause: () => {
          throw new Error("there is no time left");
        },
      },
    );
    const outcomes = await wait;
    expect(Object.fromEntries(outcomes)).toEqual({ a: "timeout", b: "timeout", gone: "exited" });
    expect(closed).toBe(2);
  });
});

describe.each(LINUX_BACKENDS)("with the backend %s", (name) => {
  beforeEach((context) => requireLinux(context, "two backends"));
  const env = environmentFor(name);

  test(
    "more processes than references share one timer, and leave no descriptor behind",
    BUSY,
    async (context) => {
      backendNamed(name, context);
      const count = MOST_REFERENCES + 50;
      const seen = await runNode(
        `${childrenScript(count)}
       const before = descriptors();
       const gone = Array.from({ length: 1000 }, (_, index) => goneToken(index));
       let isOver = false;
       const wait = p.waitForProcessExit([...gone, ...tokens, ...tokens]).finally(() => (isOver = true));
       const other = p.waitForProcessExit(tokens.slice(0, 20));
       await turns(() => descriptors() - before >= (${name === "native"} ? ${MOST_REFERENCES} : 0));
       const held = descriptors() - before;
       // A wait that is just asking has none.
       let timers = 0;
       for (let i = 0; i < 50; i++) {
         await new Promise((resolve) => setImmediate(resolve));
         timers = Math.max(timers, process.getActiveResourcesInfo().filter((name) => name === "Timeout").length);
       }
       const left = await ask(${count - 1});
       const first = await other;
       const wasOver = isOver;
       await ask(1);
       const outcomes = await wait;
       console.log(JSON.stringify({
         held, isOneTimerEach: timers <= 2, left, wasOver,
         first: [...first.values()].every((outcome) => outcome === "exited"),
         outcomes: outcomes.size,
         exited: [...outcomes.values()].filter((outcome) => outcome === "exited").length,
         leaked: descriptors() - before,
       }));
       program.stdin.end();`,
        { env },
      );
      expect(seen).toEqual({
        held: name === "native" ? MOST_REFERENCES : 0,
        isOneTimerEach: true,
        left: 1,
        wasOver: false,
        first: true,
        outcomes: 1000 + count,
        exited: 1000 + count,
        leaked: 0,
      });
    },
  );

  test("more processes than descriptors are waited for, and the program can still open files", async (context) => {
    backendNamed(name, context);
    const seen = await runNode(
      `${childrenScript(120)}
       import { openSync, closeSync } from "node:fs";
       const limit = Number(/Max open files +(\\d+)/.exec(readFileSync("/proc/self/limits", "latin1"))[1]);
       const wait = p.waitForProcessExit(tokens);
       for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
       for (let i = 0; i < 10; i++) closeSync(openSync("/dev/null"));
       await ask(120);
       const outcomes = await wait;
       console.log(JSON.stringify({
         limit,
         exited: [...outcomes.values()].filter((outcome) => outcome === "exited").length,
       }));
       program.stdin.end();`,
      { env, prefix: ["sh", "-c", 'ulimit -n 80; exec "$@"', "sh"] },
    );
    expect(seen).toEqual({ limit: 80, exited: 120 });
  });

  test("a wait does not go on with the process that got a pid next", async (context) => {
    requireRoot(context, "to choose pids in a pid namespace");
    backendNamed(name, context);
    const seen = await runNode(
      `import { spawn } from "node:child_process";
       import { createInterface } from "node:readline";
       import { readFileSync } from "node:fs";
       const program = spawn(${JSON.stringify(program("fork-as"))}, ["4711"], { stdio: ["pipe", "pipe", "inherit"] });
       const answers = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
       const ask = async (line) => { program.stdin.write(line + "\\n"); return Number((await answers.next()).value); };
       const uptime = () => Number(readFileSync("/proc/uptime", "latin1").split(" ")[0]);
       const token = p.identifyProcess(await ask("fork"));
       const wait = p.waitForProcessExit([p.identifyProcess(), token], { timeoutMs: 500 });
       const from = uptime();
       while (uptime() < from + 0.04) await new Promise((resolve) => setTimeout(resolve, 5));
       await ask("recycle");
       const outcomes = await wait;
       const alive = p.isPidAlive(4711);
       program.stdin.end();
       console.log(JSON.stringify({ outcomes: [...outcomes.values()], alive }));`,
      { prefix: ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"], env },
    );
    expect(seen).toEqual({ outcomes: ["timeout", "exited"], alive: true });
  });
});

/** In a script: `tokens` of that many children, and `ask(n)`, which ends the next n of them and tells how many are left. */
function childrenScript(count: number): string {
  return `
  import { spawn } from "node:child_process";
  import { createInterface } from "node:readline";
  import { readdirSync, readFileSync } from "node:fs";
  const program = spawn(${JSON.stringify(program("idle-children"))}, ["${count}"], { stdio: ["pipe", "pipe", "inherit"] });
  const answers = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  const tokens = (await answers.next()).value.trim().split(" ").map((pid) => p.identifyProcess(Number(pid)));
  const ask = async (count) => { program.stdin.write(count + "\\n"); return Number((await answers.next()).value); };
  const descriptors = () => readdirSync("/proc/self/fd").length;
  const turns = async (condition) => {
    const deadline = Date.now() + 90_000;
    while (!condition() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  const goneToken = (index) => {
    const fields = p.identifyProcess().split(".");
    fields[7] = String(index);
    if (fields[8] !== "-") fields[8] = String(index + 1);
    return fields.join(".");
  };`;
}
