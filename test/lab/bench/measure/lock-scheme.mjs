/** By which scheme the measured build keeps locks in a directory: its kernel and file system decide, and its version. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { importProduct, MODULES } from "../product.mjs";
import { describePlace } from "./places.mjs";

/**
 * `inode`: unnamed files are linked, the lock file itself is the guard. `guard-file`: named temporaries, and a guard file
 * beside the lock.
 *
 * @typedef {"inode" | "guard-file"} Scheme names of the operations of floor.c and of the ways of removal-floor.c
 */

// Their kernels have both kernel locks of one inode, and O_TMPFILE.
const WITH_INODE_SCHEME = new Set(["ext4", "xfs", "btrfs", "tmpfs"]);

/**
 * A lock's payload says it.
 *
 * @param {string} folder where a lock is taken and released
 * @returns {Promise<Scheme>}
 * @throws when a build that knows the inode scheme uses guard files where they are not needed
 */
export async function schemeIn(folder) {
  const { acquireSessionWriteLock } = await importProduct("session-lock/index.js");
  const sessionFile = join(folder, "scheme.jsonl");
  const lock = await acquireSessionWriteLock({ sessionFile });
  const payload = readFileSync(`${sessionFile}.lock`, "utf8");
  await lock.release();
  const scheme = schemeOf(payload);
  const { fileSystem } = describePlace(folder);
  if (scheme === "guard-file" && WITH_INODE_SCHEME.has(fileSystem) && knowsInodeScheme()) {
    throw new Error(`this build keeps a lock by guard files on ${fileSystem}: ${payload}`);
  }
  return scheme;
}

/**
 * @param {string} payload of a lock of the package
 * @returns {Scheme}
 */
export function schemeOf(payload) {
  return JSON.parse(payload).guard === "inode" ? "inode" : "guard-file";
}

/** Whether the build can use a lock's own inode as guard: it then has the word for payloads somewhere. */
export function knowsInodeScheme() {
  const lock = join(MODULES, "lock");
  return readdirSync(lock, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".js"))
    .some((name) => readFileSync(join(lock, name), "utf8").includes('"inode"'));
}
