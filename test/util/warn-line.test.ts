/** A warning without a reader is lost; it ends nothing, and hides nothing of the host's. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, closeSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

import { importCompiled } from "../support/locks/lock-holder.js";
import { requireLinux, requireRuntime, RUNTIMES } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/**
 * Runs a module with `warn`, `later(ms)` and `log(line)`, whose standard error leads nowhere: to a pipe without
 * a reader, or to the file.
 *
 * @returns what it printed; "ended" is printed when nothing has ended it before
 */
async function runWithoutStderr(
  command: readonly string[],
  script: string,
  stderrFile?: string,
): Promise<readonly string[]> {
  const file = join(temporaryFolder(), "program.mjs");
  writeFileSync(
    file,
    `import process from "node:process";
    import { writeSync } from "node:fs";
    import { setTimeout as later } from "node:timers/promises";
    ${importCompiled("warnOnStderr as warn", "util/warn-line.js")}
    const log = (line) => writeSync(1, line + "\\n");
    log("started");
    await new Promise((resolve) => process.stdin.once("data", resolve));
    ${script}
    log("ended");
    process.exit();`,
  );
  const [program = "", ...args] = command;
  const stderr = stderrFile === undefined ? ("pipe" as const) : openSync(stderrFile, "w");
  const child = spawn(program, [...args, file], { stdio: ["pipe", "pipe", stderr] });
  if (typeof stderr === "number") closeSync(stderr);
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stdin?.on("error", () => {});
  const closed = once(child, "close");
  if (child.stderr !== null) {
    child.stderr.destroy();
    await once(child.stderr, "close");
  }
  child.stdin?.write("\n");
  await closed;
  return output.trimEnd().split("\n");
}

const WARNINGS = `
  for (let i = 0; i < 3; i++) {
    warn("one");
    warn("two");
    await later(20);
  }`;

test.for(RUNTIMES)(
  "%s: warnings to a closed standard error end nothing",
  async (runtime, context) => {
    const command = requireRuntime(context, runtime);
    expect(await runWithoutStderr(command, WARNINGS)).toEqual(["started", "ended"]);
  },
);

test.for(RUNTIMES)(
  "%s: a worker's warnings to a closed standard error end nothing",
  async (runtime, context) => {
    const command = requireRuntime(context, runtime);
    const script = `
    import { parentPort } from "node:worker_threads";
    import { setTimeout as later } from "node:timers/promises";
    ${importCompiled("warnOnStderr as warn", "util/warn-line.js")}
    ${WARNINGS}
    parentPort.postMessage("warned");`;
    const lines = await runWithoutStderr(
      command,
      `const { once } = await import("node:events");
    const { writeFileSync } = await import("node:fs");
    const { Worker } = await import("node:worker_threads");
    const file = new URL("worker.mjs", import.meta.url);
    writeFileSync(file, ${JSON.stringify(script)});
    log(String(await once(new Worker(file), "message")));
    await later(50);`,
    );
    expect(lines).toEqual(["started", "warned", "ended"]);
  },
);

test("warnings to a full disk end nothing", async (context) => {
  requireLinux(context, "/dev/full");
  expect(await runWithoutStderr([process.execPath], WARNINGS, "/dev/full")).toEqual([
    "started",
    "ended",
  ]);
});

test("a warning that a host's own standard error throws at ends nothing", async () => {
  const script = `
    process.stderr.write = () => { throw new Error("no stream"); };
    warn("lost");
    await later(20);`;
  expect(await runWithoutStderr([process.execPath], script)).toEqual(["started", "ended"]);
});

test("a host that listens for errors of its standard error hears of them", async () => {
  const script = `
    process.stderr.on("error", ({ code }) => log(code));
    warn("lost");
    await later(20);`;
  expect(await runWithoutStderr([process.execPath], script)).toEqual(["started", "EPIPE", "ended"]);
});

test("what a host itself writes to a closed standard error ends it as ever, also beside a warning", async () => {
  const fatal = `process.on("uncaughtException", ({ code }) => { log("uncaught " + code); process.exit(); });`;
  const own = `process.stderr.write("the host's");`;
  for (const script of [
    `warn("lost"); await later(20); ${own} await later(20);`,
    `${own} warn("lost"); await later(20);`,
  ]) {
    const lines = await runWithoutStderr([process.execPath], fatal + script);
    expect({ script, lines }).toEqual({ script, lines: ["started", "uncaught EPIPE"] });
  }
});

test("warnings leave no listener behind, however many there are", async () => {
  const script = `
    process.on("warning", (warning) => log(String(warning)));
    for (let i = 0; i < 50; i++) warn("lost");
    await later(50);
    log(String(process.stderr.listenerCount("error")));`;
  expect(await runWithoutStderr([process.execPath], script)).toEqual(["started", "0", "ended"]);
});
