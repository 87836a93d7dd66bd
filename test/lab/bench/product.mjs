/**
 * The package under measurement: the build of this repository, or the one that the environment variable
 * PIDENTITY_BENCH_DIST names (a `dist` folder), to compare two builds. Child processes inherit it.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const DIST = resolve(
  process.env.PIDENTITY_BENCH_DIST ?? fileURLToPath(new URL("../../../dist", import.meta.url)),
);
/** Folder of the modules that are not published. */
// Older builds have theirs elsewhere, those before bundling in dist/ itself.
export const MODULES =
  ["../build/modules", "../compiled"]
    .map((name) => join(DIST, name))
    .find((folder) => existsSync(folder)) ?? DIST;

/** Whether the build is not this repository's own. */
export const isOtherBuild = process.env.PIDENTITY_BENCH_DIST !== undefined;

/** @param {string} file inside dist: what users import */
export function productUrl(file) {
  return pathToFileURL(join(DIST, file)).href;
}

/** @param {string} file inside dist: what users import */
export async function importProduct(file) {
  return await import(productUrl(file));
}

/**
 * A module that is not published. It has a state of its own: not to be mixed with {@link importProduct}.
 *
 * @param {string} file inside build/modules/
 */
export async function importModule(file) {
  return await import(pathToFileURL(join(MODULES, file)).href);
}
