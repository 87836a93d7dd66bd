import { mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { run } from "./consumer.mjs";
import { packPublished, readTarball } from "../../../.ci/pack.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../..");

/**
 * Packs this repository as it is.
 *
 * @param {string} folder where the tarball is made
 * @param {{ prebuilt: boolean }} options `prebuilt`: with the binaries in prebuilds/; else they are made
 *   first, by cross-building
 */
export function packToTry(folder, { prebuilt }) {
  if (!prebuilt) run([process.execPath, join(ROOT, ".ci/addon/make-prebuild.mjs"), "--cross"]);
  run([process.execPath, join(ROOT, ".ci/build-dist.mjs")]);
  mkdirSync(folder, { recursive: true });
  const tarball = packPublished(ROOT, folder);
  const files = readTarball(tarball);
  return { tarball, files, manifest: JSON.parse(files.get("package.json").toString("utf8")) };
}

/** Calls `use` with a folder and removes it afterwards. */
export async function withFolder(folder, use) {
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
