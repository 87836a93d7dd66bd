/** The examples in lib/session-attention/README.md. */
import { expect, test } from "vitest";

import { start } from "../support/processes/child.js";
import { codeBlock, writeExample } from "../support/readme-code.js";
import { temporaryFolder } from "../support/temporary-folder.js";

test("the wiring example aborts its hanging run, and ends", async () => {
  const code = codeBlock("lib/session-attention/README.md", "js", "createSessionAttentionMonitor");
  const child = await start(process.execPath, [writeExample(code, temporaryFolder())]);
  const lines: string[] = [];
  // How often it is told that the call takes long is a matter of the machine.
  do lines.push(await child.line());
  while (lines.at(-1) !== "AbortError");
  expect(await child.exited()).toBe(0);
  expect(lines.at(-2)).toBe("agent:main: session.stalled (active_work_without_progress)");
});

test("the example of the channel understands every message", async () => {
  const listener = codeBlock("lib/session-attention/README.md", "ts", "subscribe(");
  const wiring = codeBlock(
    "lib/session-attention/README.md",
    "js",
    "createSessionAttentionMonitor",
  );
  const script = writeExample(`${listener}\n${wiring}`, temporaryFolder());
  const child = await start(process.execPath, [script]);
  const lines: string[] = [];
  do lines.push(await child.line());
  while (!lines.includes("AbortError"));
  expect(lines).toContain("agent:main active_work_without_progress abort");
  expect(lines).toContain("agent:main true");
  expect(await child.exited()).toBe(0);
});
