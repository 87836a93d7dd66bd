import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

import { ROOT } from "../../support/processes/programs.js";
import { requireNative } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

// `node test/lab/install/package-managers.mjs` holds the same trial with the packed tarball.
test(
  "a new user's first day reads as it is written down",
  { timeout: 120_000 },
  async (context) => {
    requireNative(context);
    const folder = temporaryFolder();
    const child = spawn(process.execPath, [join(ROOT, "test/lab/trial/trial.mjs")], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    let transcript = "";
    let errors = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (transcript += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
    const [code] = (await once(child, "close")) as [number | null];
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    // In a clone whose line ends git has changed, the file has them, too.
    const expected = readFileSync(join(ROOT, "test/lab/trial/transcript.txt"), "utf8");
    expect(transcript.replaceAll("\r", "")).toBe(expected.replaceAll("\r", ""));
  },
);
