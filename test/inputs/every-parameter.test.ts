/**
 * Every parameter of every public function, and every option, with what is wrong there: every-parameter.txt has the
 * answers, which are compared as a whole. Complete by construction: what the API's texts (test/api) name, and what the
 * functions themselves say that they take, must have rows.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, expect, test } from "vitest";

import { heldLocks } from "../../lib/session-lock/index.js";
import * as properLockfile from "../../lib/proper-lockfile/index.js";
import { shown } from "../../lib/util/argument-error.js";
import { shownInTable, unreadableAt, URLS } from "./hostile-values.js";
import { publicEntries, type PublicEntry } from "./public-functions.js";
import { fileLockRows } from "./rows/file-lock.js";
import { leaseRows } from "./rows/lease.js";
import { processRows } from "./rows/processes.js";
import { properLockfileRows } from "./rows/proper-lockfile.js";
import type { Call, Fields, Row, Rows } from "./rows/rows.js";
import { sessionAttentionRows } from "./rows/session-attention.js";
import { sessionControllerRows } from "./rows/session-controller.js";
import { sessionLockRows } from "./rows/session-lock.js";

/** Nothing is ever made here. */
const folder = mkdtempSync(join(tmpdir(), "pidentity-inputs-"));
/** Here is what is held all the while. */
const heldIn = mkdtempSync(join(tmpdir(), "pidentity-inputs-"));

const ROWS: ReadonlyMap<string, Rows> = new Map([
  ["file-lock", fileLockRows(folder, heldIn)],
  ["index", processRows()],
  ["lease", await leaseRows()],
  ["proper-lockfile", properLockfileRows(folder)],
  ["session-attention", sessionAttentionRows()],
  ["session-controller", await sessionControllerRows(folder, heldIn)],
  ["session-lock", sessionLockRows(folder, heldIn)],
]);

const ENTRIES = publicEntries();

/** Interfaces and function types that callers implement, and this package calls. */
const GIVEN_BY_CALLERS: ReadonlySet<string> = new Set([
  "AcquireControlledLock",
  "ControlledLock",
  "IsBenignChange",
  "PgClient",
  "PostgresQuery",
  "ReadOwnerProcessArgs",
  "ReadOwnerProcessArgsSync",
  "RunWrite",
  "StartTimer",
  "StopListening",
  "Synchronous",
]);

/** Interfaces whose functions are fields of options: rows of the function that takes them. */
const OPTIONS = /(?:Options|Log)$/u;

/** Whose functions have their rows under another interface's name. */
const SAME_AS: Readonly<Record<string, string>> = {
  // What `pgListen` gives is called by the store only.
  PostgresListen: "PostgresLeasesOptions.listen",
  SessionLockFacts: "classifySessionLock",
};

const rowsOf = ({ entry }: PublicEntry): Rows => {
  const rows = ROWS.get(entry);
  if (rows === undefined) throw new Error(`the entry ${entry} has no rows`);
  return rows;
};

afterAll(async () => {
  for (const { close } of ROWS.values()) await close();
  rmSync(folder, { recursive: true });
  rmSync(heldIn, { recursive: true });
});

/** `a.b` and `a.b of c` are rows of `a.b`. */
function placesOf({ rows, fields }: Rows, name: string): Set<string> {
  const isOf = ({ of }: { readonly of: string }): boolean =>
    of === name || of.startsWith(`${name} of `);
  const places = [...rows.filter(isOf), ...fields.filter(isOf)].map(({ place }) => place);
  // `pids[0]` and `options.lease` are of `pids` and `options`.
  return new Set(places.map((place) => place.split(/[.[]/u)[0] ?? place));
}

test.each(ENTRIES)("$entry: every parameter of every function has rows", (entry) => {
  const functions = [...entry.functions, ...[...entry.methods.values()].flat()].filter(
    ({ name }) => !isGivenByCallers(name.split(".")[0] ?? name),
  );
  expect(functions.length).toBeGreaterThan(0);
  for (const { name, parameters } of functions) {
    const places = placesOf(rowsOf(entry), name);
    const missing = parameters.filter((parameter) => !places.has(parameter));
    expect(missing, `rows of ${name} in test/inputs/rows`).toEqual([]);
  }
});

function isGivenByCallers(type: string): boolean {
  return GIVEN_BY_CALLERS.has(type) || OPTIONS.test(type) || type in SAME_AS;
}

test.each(ENTRIES)("$entry: every row is of a function and a parameter that exist", (entry) => {
  const { rows, fields } = rowsOf(entry);
  const names = new Set(
    [...entry.functions, ...[...entry.methods.values()].flat()]
      .map(({ name }) => name)
      .concat(entry.classes),
  );
  const isKnown = (of: string): boolean =>
    names.has(of.split(" of ")[0] ?? of) || of === "ProperLockfile";
  expect([...rows, ...fields].map(({ of }) => of).filter((of) => !isKnown(of))).toEqual([]);
});

test.each(ENTRIES)(
  "$entry: types of functions are known to be callers' or the package's",
  (entry) => {
    expect(entry.functionTypes.filter((name) => !isGivenByCallers(name))).toEqual([]);
  },
);

const FIELDS = [...ROWS.values()].flatMap(({ fields }) => fields);

test.each(FIELDS)("$of($place): every field has rows", async ({ call, base, fields, kind }) => {
  const taken = kind === "options" ? await optionsOf(call) : await readFrom(call, base);
  expect(Object.keys(fields).toSorted()).toEqual(taken.toSorted());
});

/** The options of a function, which it names when it is given one that it does not know. */
async function optionsOf(call: Call): Promise<string[]> {
  // Near to none of them, however short.
  const { message } = await refusalOf(call, { "????????????": 1 });
  const [, known = ""] = /: known are (.+)$/u.exec(message) ?? [];
  return known.split(", ");
}

/** Which facts a function reads before it finds the one that is wrong: of facts that are all right, all. */
async function readFrom(call: Call, base: object): Promise<string[]> {
  const read = new Set<string>();
  const given = new Proxy(base, {
    get: (target, key) => {
      if (typeof key === "string") read.add(key);
      return Reflect.get(target, key) as unknown;
    },
  });
  await Promise.resolve()
    .then(() => call(given as never))
    // An engine that is not there.
    .catch(() => {});
  // A store's own, and what a store has caught: anything.
  for (const name of ["handle", "cause"]) read.delete(name);
  return [...read];
}

const OPTIONS_OBJECTS = FIELDS.filter(({ kind }) => kind === "options");

test.each(OPTIONS_OBJECTS)("$of($place): a misspelt option is refused by name", async (one) => {
  for (const name of Object.keys(one.fields)) {
    const misspelt = `${name}${name.at(-1) ?? ""}`;
    const { message } = await refusalOf(one.call, { ...one.base, [misspelt]: 1 });
    expect(message).toBe(`${one.place} has no option "${misspelt}": did you mean "${name}"?`);
  }
});

test.each(FIELDS)("$of($place): what throws when it is read is named", async (one) => {
  for (const name of Object.keys(one.fields)) {
    const refusal = await refusalOf(one.call, unreadableAt(name, one.base));
    expect(refusal).toMatchObject({ name: "TypeError", code: "ERR_INVALID_ARG_VALUE" });
    expect(refusal.message).toBe(
      `${one.place}.${name} must be readable, got an error from it: asked`,
    );
  }
});

interface Refusal {
  readonly name: string;
  readonly code: unknown;
  readonly message: string;
}

async function refusalOf(call: Call, given: unknown): Promise<Refusal> {
  const answer = await answerTo(call, given);
  if (answer.thrown === undefined) throw new Error(`not refused: ${shownInTable(given)}`);
  return answer.thrown;
}

type Answer =
  | { readonly thrown: Refusal }
  | { readonly thrown?: undefined; readonly value: unknown };

async function answerTo(call: Call, given: unknown): Promise<Answer> {
  try {
    return { value: await call(given as never) };
  } catch (error) {
    const { name, code, message } = error as Refusal;
    return { thrown: { name, code, message } };
  }
}

/** Messages show a URL as its text. */
function hrefOf(value: unknown): unknown {
  // Not `instanceof`: a Proxy that was revoked throws at it.
  return URLS.has(value) ? (value as URL).href : value;
}

/** The answer without the value, so that equal ones are told once. */
function textOf(row: Row, value: unknown, answer: Answer): string {
  const { thrown } = answer;
  if (thrown === undefined) return `→ ${shownInTable(answer.value)}`;
  const ends = [value, hrefOf(value)].map((one) => `, got ${shown(one)}`);
  const end = ends.find((one) => thrown.message.endsWith(one));
  const message = end === undefined ? thrown.message : thrown.message.slice(0, -end.length);
  if (row.answers !== undefined) {
    // Its own errors end with the value, too.
    const rest =
      typeof value === "string" ? message.split(": ")[0] : message.replace(`: ${shown(value)}`, "");
    return `${String(thrown.code)}: ${rest ?? message}`;
  }
  expect(`${thrown.name} ${String(thrown.code)}`, thrown.message).toMatch(
    /^(?:TypeError|RangeError) ERR_[A-Z_]+$/u,
  );
  const [name = row.place] = row.place.split(".").slice(-1);
  expect(thrown.message, "names what is wrong").toContain(name);
  // The engine's words.
  const revoked = /Cannot perform .* on a proxy that has been revoked$/u;
  const text = message.replace(revoked, "it is revoked").replaceAll(folder, "<folder>");
  return `${String(thrown.code)}: ${text}`;
}

async function linesOf(row: Row): Promise<string[]> {
  const groups = new Map<string, string[]>();
  for (const value of row.wrong) {
    const answer = await answerTo(row.call, value);
    if (answer.thrown === undefined && row.answers === undefined) {
      throw new Error(`${row.of}(${row.place}) takes ${shownInTable(value)}`);
    }
    const text = textOf(row, value, answer);
    groups.set(text, [...(groups.get(text) ?? []), shownInTable(value)]);
    expect(readdirSync(folder), `${row.of}(${row.place}) has made something`).toEqual([]);
    expect(heldLocks().filter(({ lockPath }) => lockPath.includes(folder))).toEqual([]);
  }
  return [
    `${row.of}(${row.place})`,
    ...[...groups].flatMap(([text, values]) => [`  ${text}`, `    ${values.join(", ")}`]),
  ];
}

function rowsOfFields({ of, place, call, base, fields, wrong }: Fields): Row[] {
  const own: Row[] = wrong.length === 0 ? [] : [{ of, place, call, wrong }];
  return [
    ...own,
    ...Object.entries(fields).map(([name, wrongHere]): Row => ({
      of,
      place: `${place}.${name}`,
      call: (value) => call({ ...base, [name]: value } as never),
      wrong: wrongHere,
    })),
  ];
}

test("every wrong value is refused, by name, or answered as the function promises", async () => {
  const lines: string[] = [];
  let count = 0;
  for (const entry of ENTRIES) {
    const { rows, fields } = rowsOf(entry);
    lines.push(`== ${entry.entry} ==`, "");
    for (const row of [...rows, ...fields.flatMap(rowsOfFields)]) {
      lines.push(...(await linesOf(row)));
      count += row.wrong.length;
    }
    lines.push("", `take nothing: ${takingNothing(entry).join(", ")}`, "");
  }
  const text = `${String(count)} wrong values\n\n${lines.join("\n")}`;
  await expect(text).toMatchFileSnapshot("every-parameter.txt");
}, 120_000);

function takingNothing(entry: PublicEntry): string[] {
  return [...entry.functions, ...[...entry.methods.values()].flat()]
    .filter(({ name }) => !isGivenByCallers(name.split(".")[0] ?? name))
    .filter(({ parameters }) => parameters.length === 0)
    .map(({ name }) => name);
}

/** Users' stores throw these: the guide of leases says so. */
const MADE_BY_CALLERS = ["LeaseStoreError"];

test("every class is an error, made by this package alone unless it has rows", () => {
  const classes = new Set(ENTRIES.flatMap((entry) => entry.classes));
  expect([...classes].filter((name) => !name.endsWith("Error"))).toEqual([]);
  const withRows = FIELDS.map(({ of }) => of).filter((of) => classes.has(of));
  expect(withRows).toEqual(MADE_BY_CALLERS);
});

test("the properties of proper-lockfile's default export are its functions", () => {
  const { default: lockfile, "module.exports": required, ...functions } = properLockfile;
  expect(required).toBe(lockfile);
  expect(Object.fromEntries(Object.entries(lockfile))).toEqual(functions);
});
