/** The guides list the options that the functions take: no more, no fewer. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { acquireFileLock, acquirePidFile } from "../../lib/file-lock/index.js";
import {
  endProcess,
  getProcessAncestors,
  getProcessChildren,
  inspectProcess,
  inspectProcesses,
  listProcesses,
  waitForProcessExit,
} from "../../lib/index.js";
import { acquireLease, etcdLeases, postgresLeases } from "../../lib/lease/index.js";
import { createSessionAttentionMonitor } from "../../lib/session-attention/index.js";
import {
  acquireSessionFileOwner,
  createSessionController,
} from "../../lib/session-controller/index.js";
import {
  acquireSessionWriteLock,
  cleanStaleLockFiles,
  inspectSessionLock,
  resolveSessionLockMaxHoldFromTimeout,
  resolveSessionWriteLockOptions,
  sweepSessionLocks,
} from "../../lib/session-lock/index.js";
import { ROOT } from "../support/processes/programs.js";

/** The names in the first column of the table that follows `heading`. */
function namesBelow(guide: string, heading: string): string[] {
  const text = readFileSync(join(ROOT, guide), "utf8");
  const [, rest = ""] = text.split(heading);
  const lines = rest.split(/\r?\n/u);
  const start = lines.findIndex((line) => line.startsWith("|"));
  const rows = lines.slice(start);
  const end = rows.findIndex((line) => !line.startsWith("|"));
  return rows.slice(2, end).map((row) => row.split("|")[1]?.trim().replaceAll("`", "") ?? "");
}

/** The options of a function, which it names when it is given one that it does not know. */
async function optionsOf(call: (options: never) => unknown): Promise<string[]> {
  // Near to none of them, however short.
  const unknown = { "????????????": 1 } as never;
  const refusal: unknown = await Promise.resolve()
    .then(() => call(unknown))
    .catch((error: unknown) => error);
  expect(refusal).toMatchObject({ code: "ERR_UNKNOWN_OPTION" });
  const [, known = ""] = /: known are (.+)$/u.exec((refusal as Error).message) ?? [];
  return known.split(", ");
}

const CONTROLLER = "lib/session-controller/README.md";
const LEASE = "lib/lease/README.md";
const ATTENTION = "lib/session-attention/README.md";

const FUNCTIONS: readonly (readonly [string, string, (options: never) => unknown])[] = [
  [LEASE, "\n`acquireLease(options)`:\n", acquireLease],
  [LEASE, "\n`postgresLeases(options)`:\n", postgresLeases],
  [LEASE, "\n`etcdLeases(options)`:\n", etcdLeases],
  [CONTROLLER, "`createSessionController(options)` acquires", createSessionController],
  [CONTROLLER, "\n`acquireSessionFileOwner(options)`:\n", acquireSessionFileOwner],
  [ATTENTION, "\n`createSessionAttentionMonitor(options)`:\n", createSessionAttentionMonitor],
  [
    ATTENTION,
    "\n`monitor.register(options)`:\n",
    (options) => createSessionAttentionMonitor().register(options),
  ],
];

test.each(FUNCTIONS)("%s lists each option below %j", async (guide, heading, call) => {
  expect(namesBelow(guide, heading).toSorted()).toEqual((await optionsOf(call)).toSorted());
});

/** The sections of the reference, and the functions whose options they list together. */
const REFERENCE: readonly (readonly [string, readonly ((options: never) => unknown)[]])[] = [
  [
    "## Processes",
    [
      (options) => inspectProcess(1, options),
      (options) => inspectProcesses([1], options),
      (options) => listProcesses(options),
      (options) => waitForProcessExit("pi1", options),
      (options) => endProcess("pi1", options),
      (options) => getProcessAncestors(1, options),
      (options) => getProcessChildren(1, options),
    ],
  ],
  ["### Options of `acquireSessionWriteLock`", [acquireSessionWriteLock]],
  [
    "### Options of `inspectSessionLock`",
    [
      (options) => inspectSessionLock("/s.jsonl.lock", options),
      cleanStaleLockFiles,
      sweepSessionLocks,
    ],
  ],
  [
    "### Options of `resolveSessionWriteLockOptions`",
    [
      (options) => resolveSessionWriteLockOptions(null, options),
      resolveSessionLockMaxHoldFromTimeout,
    ],
  ],
  ["### Options of `acquireFileLock`", [acquireFileLock, acquirePidFile]],
];

test.each(REFERENCE)("the reference lists each option below %j", async (heading, calls) => {
  const text = readFileSync(join(ROOT, "lib/README.md"), "utf8");
  const section = text.slice(text.indexOf(heading));
  // The table that begins with a column of options.
  const [, table = ""] = /^\| option[^\n]*\n[^\n]*\n((?:\|[^\n]*\n)+)/mu.exec(section) ?? [];
  const listed = table
    .split("\n")
    .flatMap((row) => (row.split("|")[1] ?? "").split(","))
    .map((name) => name.trim().replaceAll("`", ""))
    .filter((name) => name !== "");
  const taken = await Promise.all(calls.map(optionsOf));
  expect([...new Set(listed)].toSorted()).toEqual([...new Set(taken.flat())].toSorted());
});
