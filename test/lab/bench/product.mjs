/**
 * The package under measurement: the build of this repository, or the one that the environment variable
 * PIDENTITY_BENCH_DIST names (a `dist` folder), to compare two builds. Child processes inherit it.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
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

/** Version and, in a clone, commit: `1.0.0 (0a1b2c3)`; `-dirty` with changes that are not committed. */
export function productVersion() {
  const folder = join(DIST, "..");
  const manifest = join(folder, "package.json");
  const { version = "of no version" } = existsSync(manifest)
    ? JSON.parse(readFileSync(manifest, "utf8"))
    : {};
  const describing = ["-C", folder, "describe", "--always", "--exclude=*", "--dirty"];
  const { status, stdout } = spawnSync("git", describing, { encoding: "utf8" });
  return status === 0 ? `${version} (${stdout.trim()})` : version;
}

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
