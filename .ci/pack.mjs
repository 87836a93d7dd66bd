import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { list } from "tar";

import { writeGuides } from "./guides.mjs";

/**
 * Packs this repository's package, in `root`, as it is published: without the script `prepare`, which only refuses
 * installations from git, and would make package managers ask whether the published package may run it; its guides with
 * links that lead somewhere.
 *
 * @param {string} root
 * @param {string} destination a folder for the tarball
 * @returns {string} path of the tarball
 */
export function packPublished(root, destination) {
  const stage = mkdtempSync(join(tmpdir(), "pidentity-pack-"));
  try {
    const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    delete manifest.scripts.prepare;
    writeFileSync(join(stage, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
    for (const name of ["LICENSE", "dist", "prebuilds"]) {
      if (existsSync(join(root, name)))
        cpSync(join(root, name), join(stage, name), { recursive: true });
    }
    writeGuides(root, stage);
    return pack(stage, destination);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

/**
 * Packs the package in `root` as npm would publish it.
 *
 * @param {string} root
 * @param {string} destination a folder for the tarball
 * @returns {string} path of the tarball
 */
export function pack(root, destination) {
  mkdirSync(destination, { recursive: true });
  const args = ["pack", "--json", "--ignore-scripts", "--loglevel=error"];
  const command = ["npm", ...args, `--pack-destination="${destination}"`].join(" ");
  // On Windows npm is a command file, which takes a shell.
  const { status, stdout, stderr } = spawnSync(command, {
    cwd: root,
    shell: true,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`npm pack failed with exit code ${status}: ${stdout}${stderr}`);
  // npm 12 answers with an object, older ones with an array.
  const [packed] = Object.values(JSON.parse(stdout));
  return join(destination, packed.filename);
}

/**
 * The regular files in a package's tarball, by their path in the package.
 *
 * @param {string} tarball
 * @returns {Map<string, Buffer>}
 * @throws when it holds anything else, such as a link, or is no whole archive
 */
export function readTarball(tarball) {
  const files = new Map();
  const onReadEntry = (entry) => {
    if (entry.type === "Directory") return;
    if (!["File", "OldFile"].includes(entry.type)) {
      throw new Error(`the tarball has an entry of the type ${entry.type}: ${entry.path}`);
    }
    const chunks = [];
    entry.on("data", (chunk) => chunks.push(chunk));
    // Everything lies in one folder, "package".
    const path = entry.path.slice(entry.path.indexOf("/") + 1);
    entry.on("end", () => files.set(path, Buffer.concat(chunks)));
  };
  list({ file: tarball, sync: true, strict: true, onReadEntry });
  return files;
}
