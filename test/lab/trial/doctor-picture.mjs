// Draws .github/doctor.svg: what `pidentity locks` shows on a terminal of 96 columns for a directory with every
// kind of lock, as it really is. Linux; needs the build, and `script` of util-linux for a terminal.
//
//   npm run build && node test/lab/trial/doctor-picture.mjs [file]
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { run } from "../install/consumer.mjs";
import { withFolder } from "../install/installed.mjs";
import { terminalSvg } from "./terminal-svg.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const COLUMNS = 96;
const SESSIONS = "agents/main/sessions";

const [file = join(ROOT, ".github/doctor.svg")] = process.argv.slice(2);
const folder = realpathSync(mkdtempSync(join(tmpdir(), "pidentity-picture-")));
await withFolder(folder, async () => {
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(ROOT, join(folder, "node_modules/pidentity"));
  mkdirSync(join(folder, SESSIONS), { recursive: true });
  // Under a name that says something in the column PROGRAM.
  const script = join(folder, "agent.mjs");
  copyFileSync(join(ROOT, "test/lab/trial/every-lock.mjs"), script);
  const { endAll, makeEveryLock } = await import(pathToFileURL(script).href);
  const children = [];
  try {
    await makeEveryLock(join(folder, SESSIONS), children);
    writeFileSync(file, draw());
  } finally {
    await endAll(children);
  }
});
console.log(`drawn: ${file}`);

function draw() {
  const command = `"${process.execPath}" "${join(ROOT, "dist/cli/main.js")}" locks ${SESSIONS}`;
  const { NO_COLOR: _, ...env } = process.env;
  // Standard error has what is no lock: here only the answer is wanted. The exit code is 1 while any
  // is wrong.
  const shell = `stty rows 50 cols ${COLUMNS}; ${command} 2>/dev/null`;
  const output = run(["script", "-qec", shell, "/dev/null"], {
    cwd: folder,
    env: { ...env, TERM: "xterm" },
    stdio: ["ignore", "pipe", "pipe"],
    exitCode: 1,
  });
  const prompt = `\u001B[2m$\u001B[22m npx pidentity locks ${SESSIONS}\n`;
  return terminalSvg(prompt + output, {
    title: "pidentity locks on a terminal: a table of session locks with their owners and verdicts",
  });
}
