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
import { gunzipSync } from "node:zlib";

/**
 * Packs this repository's package, in `root`, as it is published: without the script `prepare`, which only refuses
 * installations from git, and would make package managers ask whether the published package may run it.
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
    for (const name of ["LICENSE", "README.md", ...manifest.files]) {
      if (existsSync(join(root, name)))
        cpSync(join(root, name), join(stage, name), { recursive: true });
    }
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
 */
export function readTarball(tarball) {
  const tar = gunzipSync(readFileSync(tarball));
  const text = (start, length) =>
    tar.toString("utf8", start, start + length).replace(/\0.*$/su, "");
  const files = new Map();
  for (let offset = 0; offset + 512 <= tar.length && tar[offset] !== 0;) {
    const size = Number.parseInt(text(offset + 124, 12), 8);
    const type = text(offset + 156, 1);
    const prefix = text(offset + 345, 155);
    const path = (prefix === "" ? "" : `${prefix}/`) + text(offset, 100);
    const content = tar.subarray(offset + 512, offset + 512 + size);
    if (type === "0" || type === "") {
      // Everything lies in one folder, "package".
      files.set(path.slice(path.indexOf("/") + 1), content);
    } else if (type !== "5") {
      // Links, and names that take an extension of the format.
      throw new Error(`the tarball has an entry of the type ${type}: ${path}`);
    }
    offset += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}
