// File systems of other kinds than the machine's own, made in a file or in memory and mounted for a while.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const IMAGE_BYTES = 512 * 1024 * 1024;

/** How each kind is made below `folder`: commands, the last of which mounts it at `mountPoint`. */
const KINDS = {
  ext4: (folder, mountPoint) => inImage("mkfs.ext4", ["-q", "-F"], folder, mountPoint),
  xfs: (folder, mountPoint) => inImage("mkfs.xfs", ["-q"], folder, mountPoint),
  btrfs: (folder, mountPoint) => inImage("mkfs.btrfs", ["-q"], folder, mountPoint),
  tmpfs: (_folder, mountPoint) => [["mount", "-t", "tmpfs", "tmpfs", mountPoint]],
  overlay: (folder, mountPoint) => {
    const layers = join(folder, "layers");
    const [lower, upper, work] = ["lower", "upper", "work"].map((name) => join(layers, name));
    mkdirSync(layers);
    return [
      // Not every file system can be an overlay's upper one; this can.
      ["mount", "-t", "tmpfs", "tmpfs", layers],
      ["mkdir", lower, upper, work],
      [
        "mount",
        "-t",
        "overlay",
        "overlay",
        "-o",
        `lowerdir=${lower},upperdir=${upper},workdir=${work}`,
        mountPoint,
      ],
    ];
  },
  // By daemons in user space: there guards are files.
  "exfat-fuse": (folder, mountPoint) => {
    const [make, [, ...mount]] = inImage("mkfs.exfat", [], folder, mountPoint);
    return [make, ["mount", "-t", "exfat-fuse", ...mount]];
  },
  bindfs: (folder, mountPoint) => {
    const layers = join(folder, "layers");
    mkdirSync(layers);
    return [["bindfs", layers, mountPoint]];
  },
};

export const FILE_SYSTEMS = Object.keys(KINDS);

/** The kernel, or this user's rights, cannot do it. */
export class CannotMount extends Error {
  name = "CannotMount";
}

function inImage(makeFileSystem, flags, folder, mountPoint) {
  const image = join(folder, "image");
  writeFileSync(image, "");
  truncateSync(image, IMAGE_BYTES);
  return [
    [makeFileSystem, ...flags, image],
    ["mount", "-o", "loop", image, mountPoint],
  ];
}

/**
 * Runs `use` with a folder on a fresh file system of that kind, and takes everything away afterwards.
 *
 * @param {string} kind one of FILE_SYSTEMS
 * @param {(folder: string) => Promise<T>} use
 * @returns {Promise<T>}
 * @template T
 * @throws {CannotMount} with the words of the command that failed
 */
export async function onFileSystem(kind, use) {
  const folder = mkdtempSync(join(tmpdir(), `pidentity-${kind}-`));
  const mountPoint = join(folder, "mounted");
  mkdirSync(mountPoint);
  try {
    for (const [command, ...args] of KINDS[kind](folder, mountPoint)) {
      const { status, error, stderr } = spawnSync(command, args, { encoding: "utf8" });
      if (status !== 0)
        throw new CannotMount(error?.message ?? stderr.trim().replaceAll("\n", "; "));
    }
    return await use(mountPoint);
  } finally {
    for (const mounted of [mountPoint, join(folder, "layers")]) spawnSync("umount", [mounted]);
    rmSync(folder, { recursive: true, force: true });
  }
}
