/** What a process without any rights needs to run the package: root's files may be out of its reach. */
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, cpSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

import { loadNative } from "../../../lib/native/load.js";
import { ROOT } from "./programs.js";
import { temporaryFolder } from "../temporary-folder.js";

/** `nobody`, by number: the name exists nowhere for sure. */
export const NOBODY = 65534;

/** Runs a command as the user nobody, without groups. */
export const AS_NOBODY = [
  "setpriv",
  `--reuid=${NOBODY}`,
  `--regid=${NOBODY}`,
  "--clear-groups",
] as const;

export interface ReadablePackage {
  /** dist/index.js of the copy. */
  readonly entry: string;
  /** Its folder build/modules/: the same, with a file for each module. */
  readonly compiled: string;
  /** A node that the user nobody may execute. */
  readonly node: string;
}

/** A copy of what is built, with the addon if there is one, that every user may read. */
export function readablePackage(): ReadablePackage {
  const root = join(temporaryFolder(), "pidentity");
  const loader = "node_modules/node-gyp-build";
  mkdirSync(join(root, "node_modules"), { recursive: true });
  mkdirSync(join(root, "build/Release"), { recursive: true });
  for (const name of ["build/modules", "dist"]) {
    cpSync(join(ROOT, name), join(root, name), { recursive: true });
  }
  cpSync(join(ROOT, "package.json"), join(root, "package.json"));
  cpSync(join(ROOT, loader), join(root, loader), { recursive: true });
  const { path } = loadNative();
  if (path !== undefined) copyFileSync(path, join(root, "build/Release/pidentity.node"));
  const node = nodeForEveryUser(root);
  openToAll(join(root, ".."));
  return { entry: join(root, "dist/index.js"), compiled: join(root, "build/modules"), node };
}

function nodeForEveryUser(root: string): string {
  const asNobody = { uid: NOBODY, gid: NOBODY, cwd: "/" };
  const isReachable = spawnSync(process.execPath, ["--version"], asNobody).status === 0;
  if (isReachable) return process.execPath;
  const copy = join(root, "node");
  copyFileSync(process.execPath, copy);
  return copy;
}

function openToAll(path: string): void {
  const isFolder = statSync(path).isDirectory();
  chmodSync(path, isFolder || path.endsWith("/node") ? 0o755 : 0o644);
  if (isFolder) for (const name of readdirSync(path)) openToAll(join(path, name));
}
