/**
 * A stand-in for network file systems (native/preload/network-fs.c): for processes that are started with its
 * environment, the files below one folder behave as the rules say. It is none of these file systems: it does
 * what their manuals and sources say of the calls that the lock layer makes.
 */
import { chmodSync, copyFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { TestContext } from "vitest";

import { preload } from "./programs.js";
import { requireLinux, requireNative } from "../require.js";
import { temporaryFolder } from "../temporary-folder.js";

/** A rule of network-fs.c. */
export type Rule =
  | "nfs"
  | "smb"
  | "fuse"
  | "unlisted"
  | "exclusive-needs-writing"
  | "mandatory"
  | "refuses-locks"
  | "no-locks"
  | "no-ofd-locks"
  | "no-links"
  | "no-empty-path"
  | "no-proc"
  | "repeats-links"
  | "repeats-creations"
  | "repeats-unlinks"
  | "repeats-renames"
  | "loses-unlinks"
  | "own-inodes"
  | "protected-regular";

/** NFSv4 by a Linux client, which also repeats what it got no answer to. */
export const NFS: readonly Rule[] = [
  "nfs",
  "exclusive-needs-writing",
  "repeats-links",
  "repeats-unlinks",
];

/** SMB by a Linux client. */
export const SMB: readonly Rule[] = ["smb", "mandatory"];

export interface StandIn {
  /** The folder that is as on such a file system, empty. */
  readonly folder: string;
  /** For a process to which it shall be. */
  readonly env: NodeJS.ProcessEnv;
  /** Other rules from now on, for running processes, too. */
  behave(...rules: readonly Rule[]): void;
  /** How many locks were refused as `refuses-locks` has it. */
  refusals(): number;
}

/** Removed at the test's end. */
export function standIn(context: TestContext, ...rules: readonly Rule[]): StandIn {
  return standInAt(context, temporaryFolder(), rules);
}

/** The same of a folder that there is. */
export function standInAt(context: TestContext, folder: string, rules: readonly Rule[]): StandIn {
  requireLinux(context, "LD_PRELOAD");
  requireNative(context);
  // For processes of any user.
  const place = temporaryFolder();
  chmodSync(place, 0o755);
  const library = join(place, "network-fs.so");
  copyFileSync(preload("network-fs"), library);
  const rulesPath = join(place, "rules");
  const behave = (...given: readonly Rule[]): void => {
    writeFileSync(rulesPath, `${given.join(" ")}\n`);
  };
  behave(...rules);
  const env = {
    ...process.env,
    LD_PRELOAD: library,
    PIDENTITY_STAND_IN_FOLDER: folder,
    PIDENTITY_STAND_IN_RULES: rulesPath,
  };
  const refusals = (): number => {
    return statSync(`${rulesPath}.refused`, { throwIfNoEntry: false })?.size ?? 0;
  };
  return { folder, env, behave, refusals };
}
