/** Where the benchmarks that make files make them: each place is measured by itself, and named by its file system. */
import { accessSync, constants, existsSync, statfsSync, statSync } from "node:fs";
import { tmpdir } from "node:os";

/** Memory, whatever the disk is like: what a file system costs is the difference. */
const MEMORY = "/dev/shm";
// A sweep of 10 000 locks fills a directory for each alternative and round, and keeps those that it only reads. Containers
// often have 64 MB there.
const NEEDED_BYTES = 2 * 1024 ** 3;

// statfs(2) f_type: linux/magic.h and the file systems' own headers.
const FILE_SYSTEMS = new Map([
  [0xef53, "ext4"], // ext2 and ext3 have the same number
  [0x58465342, "xfs"],
  [0x9123683e, "btrfs"],
  [0x01021994, "tmpfs"],
  [0x794c7630, "overlay"],
  [0x2fc12fc1, "zfs"],
  [0xf2f52010, "f2fs"],
  [0x65735546, "FUSE"],
  [0x6969, "NFS"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB2"],
  [0x01021997, "9p"],
]);

/**
 * @typedef {object} Place
 * @property {string} directory
 * @property {string} fileSystem its name, or its number when that is not listed
 * @property {string} fileSystemType f_type of statfs(2), hexadecimal
 */

/**
 * @param {string} directory
 * @returns {Place}
 * @throws what statfs(2) says of a directory that is none
 */
export function describePlace(directory) {
  const fileSystemType = `0x${statfsSync(directory).type.toString(16)}`;
  const fileSystem = FILE_SYSTEMS.get(Number(fileSystemType)) ?? fileSystemType;
  return { directory, fileSystem, fileSystemType };
}

/**
 * The default temporary folder, and memory where that is another file system.
 *
 * @param {string} [temporary]
 * @param {string} [memory]
 * @returns {{ directories: string[], left: string | null }} `left`: why memory is left out
 */
export function defaultDirectories(temporary = tmpdir(), memory = MEMORY) {
  const left = whyLeftOut(temporary, memory);
  return { directories: left === null ? [temporary, memory] : [temporary], left };
}

function whyLeftOut(temporary, memory) {
  if (!existsSync(memory)) return `${memory} is not there`;
  if (statSync(memory).dev === statSync(temporary).dev) {
    return `${memory} is the file system of ${temporary}`;
  }
  try {
    accessSync(memory, constants.W_OK | constants.X_OK);
  } catch {
    return `${memory} cannot be written to`;
  }
  const { bavail, bsize } = statfsSync(memory);
  return bavail * bsize < NEEDED_BYTES ? `${memory} has less than 2 GB left` : null;
}
