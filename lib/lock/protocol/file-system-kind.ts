/** Which file systems keep a kernel lock in this kernel, so that asking it is proof. Pure. */

/**
 * - `local`: locks live and die in this kernel; *held* and *free* are both proof, and a pid found in a file
 *   is this machine's.
 * - `fuse`: a daemon in between may not pass locks on (FUSE, virtiofs); *held* is proof, *free* only with more.
 * - `network`: locks and pids may be another machine's (NFS, SMB, 9p, AFS, Ceph, cluster and shared folders);
 *   only *held* is proof.
 * - `unlisted`: not known to be any of these; taken for a network's.
 */
export type FileSystemKind = "local" | "fuse" | "network" | "unlisted";

export interface FileSystem {
  readonly kind: FileSystemKind;
  /** What lock files call it; null where the OS has no number for it or the number is not listed. */
  readonly name: string | null;
}

const UNLISTED: FileSystem = { kind: "unlisted", name: null };

// statfs(2) f_type numbers: linux/magic.h, the file systems' own headers, and coreutils' stat.c.
const LINUX: ReadonlyMap<number, FileSystem> = listed({
  local: {
    ext: 0xef53, // ext2, ext3, ext4
    xfs: 0x58465342,
    btrfs: 0x9123683e,
    tmpfs: 0x01021994,
    ramfs: 0x858458f6,
    overlay: 0x794c7630,
    zfs: 0x2fc12fc1,
    f2fs: 0xf2f52010,
    bcachefs: 0xca451a4e,
    jfs: 0x3153464a,
    reiserfs: 0x52654973,
    nilfs: 0x3434,
    vfat: 0x4d44,
    exfat: 0x2011bab0,
    ntfs: 0x5346544e,
    ntfs3: 0x7366746e,
    ecryptfs: 0xf15f,
  },
  fuse: { fuse: 0x65735546 }, // virtiofs, too
  network: {
    nfs: 0x6969,
    smb: 0x517b,
    cifs: 0xff534d42,
    smb2: 0xfe534d42,
    "9p": 0x01021997,
    afs: 0x5346414f,
    kafs: 0x6b414653,
    ceph: 0x00c36400,
    lustre: 0x0bd00bd0,
    gpfs: 0x47504653,
    gfs2: 0x01161970,
    ocfs2: 0x7461636f,
    coda: 0x73757245,
    beegfs: 0x19830326,
    orangefs: 0x20030528,
    panfs: 0xaad7aaea,
    vboxsf: 0x786f4256,
    vmhgfs: 0xbacbacbc,
    prlfs: 0x7c7c6673,
  },
});

/** Whether two names are one kind of file system's; null: one of them is not known. */
export function isSameFileSystem(one: string | null, other: string | null): boolean | null {
  return one === null || other === null ? null : one === other;
}

/** statfs(2) of 9p (linux/magic.h V9FS_MAGIC). */
export const TYPE_OF_9P = 0x01021997;

// Those that lie on a block device always, whose number is then theirs. Two of macOS, whose volumes have one each.
const OF_DISKS: ReadonlySet<string | null> = new Set([
  "apfs",
  "hfs",
  "ext",
  "xfs",
  "f2fs",
  "jfs",
  "reiserfs",
  "nilfs",
  "vfat",
  "exfat",
  "ntfs",
  "ntfs3",
]);

/** Whether a file system of that name lies on a disk of its own, and not on another file system as an overlay does. */
export function isOfDisk(name: string | null): boolean {
  return OF_DISKS.has(name);
}

/** Whether a Linux file system of that type has a block device's number. */
export function isTypeOfDisk(type: number): boolean {
  return OF_DISKS.has(LINUX.get(type >>> 0)?.name ?? null);
}

// macOS numbers its file systems at boot, the built-in ones always alike (`lsvfs`).
const DARWIN: ReadonlyMap<number, FileSystem> = listed({
  local: { hfs: 0x11, apfs: 0x1a },
});

function listed(
  numbers: Partial<Record<FileSystemKind, Readonly<Record<string, number>>>>,
): ReadonlyMap<number, FileSystem> {
  const found = new Map<number, FileSystem>();
  for (const [kind, names] of Object.entries(numbers) as [
    FileSystemKind,
    Record<string, number>,
  ][]) {
    for (const [name, type] of Object.entries(names)) found.set(type, { kind, name });
  }
  return found;
}

/**
 * @param type what statfs(2) says of the directory; null: it could not be asked. Windows has no such number.
 * @param directory its final path, which on Windows tells a network share, mapped drives included.
 */
export function fileSystemOf(
  platform: NodeJS.Platform,
  type: number | null,
  directory: string,
): FileSystem {
  switch (platform) {
    case "linux":
    case "android":
      // Some architectures report the 32-bit number sign-extended.
      return (type === null ? undefined : LINUX.get(type >>> 0)) ?? UNLISTED;
    case "darwin":
      return (type === null ? undefined : DARWIN.get(type)) ?? UNLISTED;
    case "win32":
      return { kind: isUncPath(directory) ? "network" : "local", name: null };
    default:
      return UNLISTED;
  }
}

/** `\\server\share\…` and `\\?\UNC\server\share\…`, but not `\\?\C:\…` nor `\\.\C:\…`. */
function isUncPath(path: string): boolean {
  const normal = path.replaceAll("/", "\\");
  if (/^\\\\\?\\UNC\\/i.test(normal)) return true;
  return normal.startsWith("\\\\") && !/^\\\\[?.]\\/.test(normal);
}
