/** What the kernel's answer about a lock file is worth. Pure but for the questions that are handed in. */
import {
  isSameBoot,
  isOfSameHost,
  type ProcessToken,
  type TokenHost,
} from "../../process/token.js";
import { deviceOf, isAnonymousDevice } from "../protocol/file-id.js";
import { type FileSystem, isOfDisk, isSameFileSystem } from "../protocol/file-system-kind.js";
import type { LockAttempt } from "../protocol/lock-fs.js";
import { type ExactTimes, hasMark, numberIn } from "../protocol/number-file.js";
import type { LockPayload } from "../protocol/payload.js";

/**
 * What the kernel says of a lock file.
 *
 * - `held`, `free`
 * - `free-unconfirmed`: free, but the file system's daemon may keep locks to itself
 * - `other-mount`: the holder's file lies on another overlay mount of this boot. An upper directory has one at
 *   a time, so the holder's is gone
 * - `other-view`: the holder's file lies on another device: this is another view of it, with no guard in
 *   common, which this process must not remove. Not so of two disks, where no lock is seen by two views
 * - `silent`: nothing that counts
 */
export type KernelEvidence =
  | "held"
  | "free"
  | "free-unconfirmed"
  | "other-mount"
  | "other-view"
  | "silent";

/** What a payload says of its kernel lock, and where it was found. */
export interface KernelLockClaim {
  readonly recorded: Pick<LockPayload, "kernelLock" | "fileSystem" | "verified">;
  /** null: the payload has none that can be read. */
  readonly token: ProcessToken | null;
  /** `<st_dev>:<st_ino>` of the descriptor to be probed. */
  readonly found: string;
}

/**
 * What a probe of the lock file's kernel lock is worth.
 *
 * *Held* on the recorded inode is proof wherever it is seen. *Free* there is proof on a file system whose locks
 * live in this kernel: a disk belongs to one kernel, so a holder of an earlier boot is gone with it. Where the
 * device number is no disk's ({@link isDiskOfThisMachine}), an earlier boot must be this host's. FUSE: a
 * daemon may keep locks to itself, and virtual machines share folders: free counts only in the holder's own
 * boot, and only when the holder saw its own lock from outside.
 *
 * Another device, of the same boot: two processes that reach one file by two devices have no guard in common, and each
 * may remove what the other has just published. So such a lock is kept (`other-view`), unless there are no two views:
 *
 * - An overlay's upper directory is mounted once at a time (`other-mount`).
 * - So is a disk, and a disk's file system is no view of another one: its files have one number at a time. What was
 *   written under another number lies on a disk that was mounted anew since (the old number names it no more, and no
 *   process can be looking through it), or was copied from another disk (then it is another file). In either case all
 *   processes that reach this very file by its disk do so under this number and enter the same guard; those that see
 *   the disk through an overlay see no disk's number, and keep it. So the token decides, as of any copy.
 *
 * A disk that is mounted twice at once under two numbers destroys itself: no rule of locks matters there.
 */
export function weighKernelLock(
  { recorded, token, found }: KernelLockClaim,
  host: TokenHost,
  fileSystem: () => FileSystem,
  probe: () => LockAttempt,
): KernelEvidence {
  if (recorded.kernelLock === null) return "silent";
  const isOurBoot = token !== null && isSameBoot(token, host);
  if (recorded.kernelLock !== found) {
    // Another inode of the same device is a copy, or a file system that numbers anew: the token decides.
    if (deviceOf(recorded.kernelLock) === deviceOf(found) || !isOurBoot) return "silent";
    const { name } = fileSystem();
    if (recorded.fileSystem === OVERLAY && name === OVERLAY) return "other-mount";
    const devices = [recorded.kernelLock, found];
    const areDisks =
      isOfDisk(name) &&
      isSameFileSystem(recorded.fileSystem, name) === true &&
      !devices.some((fileId) => isAnonymousDevice(fileId, host.platform));
    return areDisks ? "silent" : "other-view";
  }
  const answer = probe();
  if (answer === "held") return "held";
  if (answer !== "acquired") return "silent";
  const { kind, name } = fileSystem();
  if (kind === "fuse")
    return isOurBoot && recorded.verified === true ? "free-unconfirmed" : "silent";
  if (kind !== "local") return "silent";
  if (isOurBoot) return "free";
  // Numbers that are equal by chance: its writer saw a share of this disk, whose locks are another kernel's.
  const sawAnother = isSameFileSystem(recorded.fileSystem, name) === false;
  return !sawAnother && isDiskOfThisMachine(found, token, host) ? "free" : "silent";
}

const OVERLAY = "overlay";

/**
 * Whether what is written on a local file system was written by this machine, whatever boot it was. A disk is
 * used by one kernel at a time. A file system without a disk of its own (overlay, btrfs' subvolumes, tmpfs:
 * their device numbers have the major 0) may lie on something shared: there the host must be the token's.
 *
 * @param fileId - `<st_dev>:<st_ino>`
 */
export function isDiskOfThisMachine(
  fileId: string,
  token: ProcessToken | null,
  host: TokenHost,
): boolean {
  return !isAnonymousDevice(fileId, host.platform) || (token !== null && isOfSameHost(token, host));
}

/** A file that may be a lock of this package's with nothing but a pid in it. */
export interface NumberFile {
  readonly bytes: Buffer;
  readonly found: string;
  readonly times: ExactTimes;
}

/**
 * {@link weighKernelLock} of a file that says nothing but a pid (number-file.ts). *Held* is proof as ever. *Free* is
 * where the file has its publisher's mark, which names the inode, and the boot where the device needs that; a file
 * system that is not local may be seen by other machines, whose publisher's mark is not told from another's.
 */
export function weighNumberFile(
  { bytes, found, times }: NumberFile,
  host: TokenHost,
  { kind }: FileSystem,
  probe: () => LockAttempt,
): KernelEvidence {
  const pid = numberIn(bytes);
  // Where the kind is not known its guard may be the very lock that would be probed.
  if (pid === null || kind === "unlisted") return "silent";
  const answer = probe();
  if (answer === "held") return "held";
  if (answer !== "acquired" || kind !== "local") return "silent";
  const file = { fileId: found, pid, boot: host.boot };
  return hasMark(file, host.platform, times) ? "free" : "silent";
}
