// A FUSE file system for the matrix: exFAT by a daemon, on an image file.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** @returns where it is mounted, and how it goes away again */
export async function mountFuse() {
  const scratch = mkdtempSync(join(tmpdir(), "pidentity-fuse-"));
  const folder = join(scratch, "mounted");
  mkdirSync(folder);
  const image = join(scratch, "image");
  run("truncate", "-s", "64M", image);
  run("mkfs.exfat", image);
  run("mount", "-t", "exfat-fuse", "-o", "loop", image, folder);
  return {
    folder,
    unmount() {
      run("umount", "--lazy", folder);
      rmSync(scratch, { recursive: true, force: true });
    },
  };
}

function run(command, ...args) {
  const { status, error, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) {
    throw new Error(`${command} ${args.join(" ")}: ${error?.message ?? stdout + stderr}`);
  }
}
