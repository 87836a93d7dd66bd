// Reads binding.gyp the way gyp does, as far as this project needs it.
//
// node-gyp and the cross-build must compile the same files with the same flags. Both therefore take
// them from binding.gyp; a construct that this reader does not know is an error, never ignored.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Turns gyp's Python literals into JSON text: drops `#` comments and trailing commas, makes quotes
 * double. Strings keep their content.
 *
 * @param {string} text
 */
function toJson(text) {
  const token = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|#[^\n]*|,(?=(?:\s|#[^\n]*)*[}\]])/gu;
  return text.replace(token, (found) => {
    if (found.startsWith('"')) return found;
    if (found.startsWith("'")) {
      const content = found.slice(1, -1).replaceAll("\\'", "'");
      return `"${content.replaceAll(/(?<!\\)"/gu, '\\"')}"`;
    }
    return "";
  });
}

/**
 * Evaluates a condition such as `OS=='linux' and target_arch!="arm64"`.
 *
 * @param {string} condition
 * @param {Readonly<Record<string, string>>} variables
 */
export function evaluateCondition(condition, variables) {
  const tokens = condition.match(/'[^']*'|"[^"]*"|==|!=|[()]|\w+|\S/gu) ?? [];
  let next = 0;

  const operand = () => {
    const token = tokens[next++];
    if (token === undefined) throw new Error(`gyp condition ends too early: ${condition}`);
    if (/^\d/u.test(token)) return token;
    if (/^['"]/u.test(token)) return token.slice(1, -1);
    const value = variables[token];
    if (value === undefined)
      throw new Error(`unknown variable ${token} in gyp condition: ${condition}`);
    return value;
  };
  const comparison = () => {
    if (tokens[next] === "(") {
      next += 1;
      const value = disjunction();
      if (tokens[next++] !== ")") throw new Error(`missing ) in gyp condition: ${condition}`);
      return value;
    }
    const left = operand();
    const operator = tokens[next++];
    const right = operand();
    if (operator === "==") return left === right;
    if (operator === "!=") return left !== right;
    throw new Error(`unknown operator ${operator} in gyp condition: ${condition}`);
  };
  const conjunction = () => {
    let value = comparison();
    while (tokens[next] === "and") {
      next += 1;
      // Both sides are always parsed; && would skip the tokens of the right one.
      const right = comparison();
      value = value && right;
    }
    return value;
  };
  function disjunction() {
    let value = conjunction();
    while (tokens[next] === "or") {
      next += 1;
      const right = conjunction();
      value = value || right;
    }
    return value;
  }

  const value = disjunction();
  if (next !== tokens.length) throw new Error(`cannot read gyp condition: ${condition}`);
  return value;
}

/** Merges `from` into `into` by gyp's rules: lists append, `key!` removes, dictionaries nest. */
function merge(into, from) {
  for (const [key, value] of Object.entries(from)) {
    if (key === "conditions") continue;
    const suffix = key.at(-1);
    if (suffix === "+" || suffix === "=" || suffix === "?" || suffix === "/") {
      throw new Error(`gyp key suffix is not supported: ${key}`);
    }
    const present = into[key];
    if (Array.isArray(value) && Array.isArray(present)) present.push(...value);
    else if (Array.isArray(value)) into[key] = [...value];
    else if (value !== null && typeof value === "object") into[key] = merge(present ?? {}, value);
    else into[key] = value;
  }
  return into;
}

function applyConditions(dictionary, variables) {
  const result = merge({}, dictionary);
  for (const [condition, whenTrue, whenFalse] of dictionary.conditions ?? []) {
    const chosen = evaluateCondition(condition, variables) ? whenTrue : whenFalse;
    if (chosen !== undefined) merge(result, applyConditions(chosen, variables));
  }
  return result;
}

/** `key!` lists are applied last, as in gyp: they also remove what a condition added. */
function applyExclusions(dictionary) {
  for (const [key, value] of Object.entries(dictionary)) {
    if (key.endsWith("!")) {
      const list = key.slice(0, -1);
      dictionary[list] = (dictionary[list] ?? []).filter((item) => !value.includes(item));
      delete dictionary[key];
    } else if (value !== null && typeof value === "object" && !Array.isArray(value)) {
      applyExclusions(value);
    }
  }
  return dictionary;
}

/** `<!(command)` stands for what the command prints, `<(name)` for a variable. */
function expand(value, variables, cwd) {
  if (Array.isArray(value)) return value.map((item) => expand(item, variables, cwd));
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, expand(item, variables, cwd)]),
    );
  }
  if (typeof value !== "string" || !value.includes("<")) return value;
  const command = /^<!\((.*)\)$/u.exec(value);
  if (command === null) {
    const expanded = value.replaceAll(/<\((\w+)\)/gu, (found, name) => variables[name] ?? found);
    if (expanded.includes("<")) throw new Error(`gyp expansion is not supported: ${value}`);
    return expanded;
  }
  const shell = process.platform === "win32" ? ["cmd.exe", "/d/s/c"] : ["sh", "-c"];
  return execFileSync(shell[0], [...shell.slice(1), command[1]], { cwd, encoding: "utf8" }).trim();
}

/**
 * What this project's tools read of a target. Paths are relative to the gyp file.
 *
 * @typedef {object} TargetSettings
 * @property {string} target_name
 * @property {string[]} sources
 * @property {string[]} include_dirs
 * @property {string[]} defines
 * @property {string[]} [cflags]
 * @property {string[]} [cflags_cc]
 * @property {string[]} [ldflags]
 * @property {string[]} [libraries]
 * @property {Record<string, string | string[]>} [xcode_settings]
 * @property {Record<string, Record<string, string | number | string[]>>} [msvs_settings]
 */

/**
 * The settings of the one target in a gyp file for one platform, its Release configuration included.
 *
 * @param {string} path of binding.gyp
 * @param {Readonly<Record<string, string>>} variables such as `{ OS: "mac", target_arch: "arm64" }`
 * @returns {TargetSettings}
 */
export function readTarget(path, variables) {
  const file = JSON.parse(toJson(readFileSync(path, "utf8")));
  if (file.targets?.length !== 1) throw new Error(`expected exactly one target in ${path}`);
  // A name ending in % is a default.
  const defaults = Object.entries(file.variables ?? {}).map(([name, value]) => [
    name.replace(/%$/u, ""),
    String(value),
  ]);
  const all = { ...Object.fromEntries(defaults), ...variables };
  const settings = applyConditions(file.targets[0], all);
  merge(settings, settings.configurations?.Release ?? {});
  delete settings.configurations;
  return expand(applyExclusions(settings), all, dirname(path));
}
