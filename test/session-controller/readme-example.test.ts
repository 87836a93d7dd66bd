/** The turn in the controller's guide, run for real: through an abort, through kills, and after a stranger's write. */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { expect, test } from "vitest";

import { type RunningChild, runExample, start } from "../support/processes/child.js";
import { codeBlock, writeExample } from "../support/readme-code.js";
import { requireNative } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const EXAMPLE = codeBlock("lib/session-controller/README.md", "js", "export async function turn");

interface Session {
  readonly sessionFile: string;
  /** Runs one turn in a process of its own, which says "asked" when it asks the model. */
  readonly turn: (call: TurnCall) => Promise<RunningChild>;
  readonly entries: () => unknown[];
}

interface TurnCall {
  readonly id: string;
  readonly prompt: string;
  readonly timeoutMs?: number;
  /** `hangs`: until its signal aborts it. `obeys`: answers when told to. */
  readonly model: "answers" | "hangs" | "obeys";
  /** Whether the process kills itself in the middle of its first write, holding the lock. */
  readonly diesWriting?: boolean;
}

function newSession(): Session {
  const folder = temporaryFolder();
  const sessionFile = join(folder, "s.jsonl");
  const example = pathToFileURL(writeExample(EXAMPLE, folder)).href;
  return {
    sessionFile,
    turn: (call) => {
      const script = `
        import { once } from "node:events";
        import { turn } from ${JSON.stringify(example)};
        const { model, diesWriting, prompt, ...call } = ${JSON.stringify({ sessionFile, ...call })};
        const callModel = async (entries, text, signal) => {
          console.log("asked");
          const alive = setInterval(() => {}, 1e6);
          if (model === "obeys") await once(process.stdin, "data");
          signal.throwIfAborted();
          if (model === "hangs") await new Promise((_, reject) => {
            signal.addEventListener("abort", () => reject(signal.reason));
          });
          clearInterval(alive);
          return text + "? After " + entries.length + " entries.";
        };
        // The caller that asks for the text of the prompt, to write it, holds the lock.
        const deadly = { toJSON: () => process.kill(process.pid, "SIGKILL") };
        const answer = await turn({ ...call, callModel, prompt: diesWriting ? deadly : prompt })
          .catch((error) => error.code ?? error.name);
        console.log(answer);
        process.exit();`;
      return start(process.execPath, ["--input-type=module", "--eval", script]);
    },
    entries: () =>
      readFileSync(sessionFile, "utf8")
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line) as unknown),
  };
}

const USER = { id: "t1", role: "user", text: "why" };
const ANSWER = { id: "t1", role: "assistant", text: "why? After 0 entries." };
const WHY = { id: "t1", prompt: "why" } as const;

async function expectAnswer(child: RunningChild): Promise<void> {
  expect(await child.line()).toBe("asked");
  expect(await child.line()).toBe(ANSWER.text);
  expect(await child.exited()).toBe(0);
}

test("the example of a turn has fewer than 40 lines", () => {
  expect(EXAMPLE.trimEnd().split("\n").length).toBeLessThan(40);
});

test("a turn asks, answers, and leaves no lock; asked again, it does not ask again", async () => {
  const { turn, entries, sessionFile } = newSession();
  await expectAnswer(await turn({ ...WHY, model: "answers" }));
  expect(entries()).toEqual([USER, ANSWER]);
  expect(existsSync(`${sessionFile}.lock`)).toBe(false);
  const again = await turn({ ...WHY, model: "hangs" });
  expect(await again.line()).toBe(ANSWER.text);
  expect(entries()).toEqual([USER, ANSWER]);
});

test("aborted by its timeout in the middle of the model call, it can be called again", async () => {
  const { turn, entries, sessionFile } = newSession();
  const aborted = await turn({ ...WHY, model: "hangs", timeoutMs: 2000 });
  expect(await aborted.line()).toBe("asked");
  // The code of a DOMException is a number: TIMEOUT_ERR.
  expect(await aborted.line()).toBe("23");
  expect(entries()).toEqual([USER]);
  expect(existsSync(`${sessionFile}.lock`)).toBe(false);
  const again = await turn({ ...WHY, model: "answers" });
  expect(await again.line()).toBe("asked");
  expect(await again.line()).toBe("why? After 1 entries.");
  expect(entries()).toEqual([USER, { ...ANSWER, text: "why? After 1 entries." }]);
});

test("killed in the middle of the model call, it is restarted", async () => {
  const { turn, entries } = newSession();
  const killed = await turn({ ...WHY, model: "hangs" });
  expect(await killed.line()).toBe("asked");
  await killed.kill("SIGKILL");
  expect(entries()).toEqual([USER]);
  const again = await turn({ ...WHY, model: "answers" });
  expect(await again.line()).toBe("asked");
  expect(await again.line()).toBe("why? After 1 entries.");
  expect(entries()).toHaveLength(2);
});

test("killed in the middle of a write, holding the lock, it is restarted at once and leaves no torn line", async (context) => {
  requireNative(context);
  const { turn, entries, sessionFile } = newSession();
  const killed = await turn({ ...WHY, model: "answers", diesWriting: true });
  await killed.exited();
  expect(existsSync(`${sessionFile}.lock`)).toBe(true);
  // What a kill may leave of a long line.
  appendFileSync(sessionFile, Buffer.from('{"id":"t1","role":"user","text":"wü').subarray(0, -1));
  await expectAnswer(await turn({ ...WHY, model: "answers" }));
  expect(entries()).toEqual([USER, ANSWER]);
  expect(existsSync(`${sessionFile}.lock`)).toBe(false);
});

test("while one turn asks its model, another is taken; the first one is told, and writes nothing", async () => {
  const { turn, entries } = newSession();
  const first = await turn({ ...WHY, model: "obeys" });
  expect(await first.line()).toBe("asked");
  const second = await turn({ id: "t2", prompt: "who", model: "answers" });
  expect(await second.line()).toBe("asked");
  expect(await second.line()).toBe("who? After 1 entries.");
  first.say("answer");
  expect(await first.line()).toBe("SESSION_TAKEOVER");
  expect(entries()).toMatchObject([USER, { id: "t2" }, { id: "t2" }]);
});

test("the examples of the guide run", async () => {
  const folder = temporaryFolder();
  const sessionFile = join(folder, "s.jsonl");
  for (const mark of ["the model's answer", "acquireSessionFileOwner("]) {
    const example = writeExample(codeBlock("lib/session-controller/README.md", "js", mark), folder);
    const child = await start(process.execPath, [example, sessionFile]);
    expect(await child.exited()).toBe(0);
  }
  expect(readFileSync(sessionFile, "utf8")).toBe(
    '{"role":"user"}\n{"text":"the model\'s answer"}\n',
  );
});

test.each([
  ["of further options of the lock", 'label: "run 7"', "held\n"],
  ["of a lease above the lock", "lease: { store: memoryLeases()", ""],
])("the example %s runs to its end", async (_what, mark, says) => {
  const folder = temporaryFolder();
  const sessionFile = JSON.stringify(join(folder, "s.jsonl"));
  const code = codeBlock("lib/session-controller/README.md", "js", mark);
  const script = writeExample(
    code.replaceAll("process.argv[2]", () => sessionFile),
    folder,
  );
  expect(await runExample(script)).toBe(says);
  expect(existsSync(join(folder, "s.jsonl.lock"))).toBe(false);
});
