/**
 * What a TypeScript user can call, with the names of the parameters: read from the texts of test/api, which are compared
 * with the declarations that are published.
 */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { ROOT } from "../support/processes/programs.js";

const API = join(ROOT, "test/api");

/** A function, or a method of an interface (`SessionWriteLock.withFence`). */
export interface PublicFunction {
  readonly name: string;
  readonly parameters: readonly string[];
}

/** What one entry's text declares and exports. */
export interface PublicEntry {
  /** As the text is called: `session-lock`; `index` is the package's own name. */
  readonly entry: string;
  /** By the names under which they are exported, types included. */
  readonly exported: readonly string[];
  readonly functions: readonly PublicFunction[];
  /** Of exported interfaces; a name for each interface that has any. */
  readonly methods: ReadonlyMap<string, readonly PublicFunction[]>;
  readonly classes: readonly string[];
  /** Exported aliases of types that are functions. */
  readonly functionTypes: readonly string[];
}

export function publicEntries(): PublicEntry[] {
  return readdirSync(API)
    .filter((name) => name.endsWith(".txt"))
    .toSorted()
    .map((name) => readEntry(name.slice(0, -".txt".length)));
}

function readEntry(entry: string): PublicEntry {
  // A statement begins where a line does.
  const statements = readFileSync(join(API, `${entry}.txt`), "utf8").split(/\r?\n(?=[a-z])/u);
  const exported = statements.flatMap(exportsIn);
  const isExported = (name: string): boolean => exported.includes(name);
  const functions = statements.flatMap(functionsIn).filter(({ name }) => isExported(name));
  const methods = new Map(
    statements
      .map(interfaceIn)
      .filter((found) => found !== null)
      .filter(({ name, found }) => isExported(name) && found.length > 0)
      .map(({ name, found }) => [name, found] as const),
  );
  const named = (pattern: RegExp): string[] =>
    statements
      .map((statement) => pattern.exec(statement)?.[1])
      .filter((name) => name !== undefined)
      .filter(isExported);
  return {
    entry,
    exported: exported.filter((name) => name !== "default" && name !== "module.exports"),
    functions,
    methods,
    classes: named(/^declare (?:abstract )?class (\w+)/u),
    functionTypes: named(/^type (\w+)(?:<\w+>)? = \(?\(.*=>/su),
  };
}

function exportsIn(statement: string): string[] {
  const [, list] = /^export \{(.*)\}/su.exec(statement) ?? [];
  return (list ?? "")
    .split(",")
    .map((name) =>
      name
        .trim()
        .replace(/^type /u, "")
        .replace(/^.* as "?|"$/gu, ""),
    )
    .filter((name) => name !== "");
}

function functionsIn(statement: string): PublicFunction[] {
  const [, name, rest] = /^declare function (\w+)(?:<\w+>)?(\(.*)$/su.exec(statement) ?? [];
  if (name === undefined || rest === undefined) return [];
  return [{ name, parameters: parametersIn(rest) }];
}

function interfaceIn(statement: string): { name: string; found: PublicFunction[] } | null {
  const [, name, body] = /^interface (\w+)[^{]*\{\r?\n(.*)\}\s*$/su.exec(statement) ?? [];
  if (name === undefined || body === undefined) return null;
  const found: PublicFunction[] = [];
  for (const member of splitAtTop(body, ";")) {
    const [, key, rest] =
      /^(?:readonly )?([\w$]+|\[Symbol\.\w+\])\??(?:: \(?)?(?:<\w+>)?(\(.*)$/su.exec(member) ?? [];
    if (key === undefined || rest === undefined) continue;
    found.push({ name: `${name}.${key}`, parameters: parametersIn(rest) });
  }
  return { name, found };
}

/** @param text - Begins with the parenthesis of the parameters. */
function parametersIn(text: string): string[] {
  const [list = ""] = partsAtTop(text.slice(1), ")");
  return splitAtTop(list, ",").map((parameter) => /^\w+/u.exec(parameter)?.[0] ?? parameter);
}

/** The parts between separators that are in no parentheses, without those that are empty. */
function splitAtTop(text: string, separator: string): string[] {
  return partsAtTop(text, separator)
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function partsAtTop(text: string, separator: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = "";
  // An arrow's head closes nothing.
  for (const character of text.replaceAll("=>", "→")) {
    if (character === separator && depth === 0) {
      parts.push(part);
      part = "";
      continue;
    }
    if ("([{<".includes(character)) depth++;
    if (")]}>".includes(character)) depth--;
    part += character;
  }
  return [...parts, part];
}
