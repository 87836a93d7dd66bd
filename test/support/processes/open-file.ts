/** Open files that do not outlive the test. */
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { onTestFinished } from "vitest";

import { temporaryFolder } from "../temporary-folder.js";

/** A descriptor for reading that is closed when the running test ends. */
export function openToRead(path: string): number {
  const fd = openSync(path, "r");
  onTestFinished(() => closeSync(fd));
  return fd;
}

/** A new, empty file in a folder of its own, opened by {@link openToRead}. */
export function openNewFile(): {
  readonly folder: string;
  readonly path: string;
  readonly fd: number;
} {
  const folder = temporaryFolder();
  const path = join(folder, "file");
  writeFileSync(path, "");
  return { folder, path, fd: openToRead(path) };
}
