/**
 * The package under measurement: the build of this repository, or the one that the environment variable
 * PIDENTITY_BENCH_DIST names (a `dist` folder), to compare two builds. Child processes inherit it.
 */
import { pathToFileURL } from "node:url";
import { join, sep } from "node:path";

const named = process.env.PIDENTITY_BENCH_DIST;
const DIST = named ? pathToFileURL(join(named, sep)) : new URL("../../dist/", import.meta.url);

/** @param {string} file inside dist */
export function productUrl(file) {
  return new URL(file, DIST).href;
}

/** @param {string} file inside dist */
export async function importProduct(file) {
  return await import(productUrl(file));
}
