/** The guides list the options that the functions take: no more, no fewer. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { createSessionAttentionMonitor } from "../../lib/session-attention/index.js";
import {
  acquireSessionFileOwner,
  createSessionController,
} from "../../lib/session-controller/index.js";
import { ROOT } from "../support/programs.js";

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
  const unknown = { "": 1 } as never;
  const refusal: unknown = await Promise.resolve()
    .then(() => call(unknown))
    .catch((error: unknown) => error);
  expect(refusal).toMatchObject({ code: "ERR_UNKNOWN_OPTION" });
  const [, known = ""] = /: known are (.+)$/u.exec((refusal as Error).message) ?? [];
  return known.split(", ");
}

const CONTROLLER = "lib/session-controller/README.md";
const ATTENTION = "lib/session-attention/README.md";

const FUNCTIONS: readonly (readonly [string, string, (options: never) => unknown])[] = [
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
