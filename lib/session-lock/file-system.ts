/** Which file systems keep a kernel lock in this kernel, so that asking it is proof. Pure. */

/**
 * - `local`: locks live and die in this kernel; *held* and *free* are both proof.
 * - `fuse`: a daemon in between may not pass locks on (FUSE, virtiofs); *held* is proof, *free* is not.
 * - `other`: locks may live elsewhere (NFS, SMB, 9p, AFS, Ceph) or it is not known; neither is proof.
 */
export type FileSystemKind = "local" | "fuse" | "other";

// statfs(2) f_type numbers, from linux/magic.h and the file systems' own headers.
const LINUX_LOCAL = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // xfs
  0x9123683e, // btrfs
  0x01021994, // tmpfs
  0x858458f6, // ramfs
  0x794c7630, // overlayfs
  0x2fc12fc1, // zfs
  0xf2f52010, // f2fs
  0xca451a4e, // bcachefs
  0x3153464a, // jfs
  0x52654973, // reiserfs
  0x3434, // nilfs2
  0x4d44, // vfat
  0x2011bab0, // exfat
  0x5346544e, // ntfs
  0x7366746e, // ntfs3
  0xf15f, // ecryptfs
]);
const LINUX_FUSE = new Set([0x65735546]); // FUSE, virtiofs

// macOS numbers its file systems at boot, the built-in ones always alike (`lsvfs`).
const DARWIN_LOCAL = new Set([
  0x11, // hfs
  0x1a, // apfs
]);

/**
 * @param type what statfs(2) says of the directory; Windows has no such number and says 0.
 * @param directory its final path, which on Windows tells a network share, mapped drives included.
 */
export function fileSystemKind(
  platform: NodeJS.Platform,
  type: number,
  directory: string,
): FileSystemKind {
  switch (platform) {
    case "linux":
    case "android": {
      // Some architectures report the 32-bit number sign-extended.
      const unsigned = type >>> 0;
      if (LINUX_LOCAL.has(unsigned)) return "local";
      return LINUX_FUSE.has(unsigned) ? "fuse" : "other";
    }
    case "darwin":
      return DARWIN_LOCAL.has(type) ? "local" : "other";
    case "win32":
      return isUncPath(directory) ? "other" : "local";
    default:
      return "other";
  }
}

/** `\\server\share\…` and `\\?\UNC\server\share\…`, but not `\\?\C:\…` nor `\\.\C:\…`. */
function isUncPath(path: string): boolean {
  const normal = path.replaceAll("/", "\\");
  if (/^\\\\\?\\UNC\\/i.test(normal)) return true;
  return normal.startsWith("\\\\") && !/^\\\\[?.]\\/.test(normal);
}
