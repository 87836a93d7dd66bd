/** What the numbers of a file say: `<st_dev>:<st_ino>`. Pure. */

export function deviceOf(fileId: string): string {
  return fileId.slice(0, fileId.indexOf(":"));
}

/**
 * Whether the file's device is no disk's (overlay, btrfs' subvolumes, tmpfs). Linux's makedev(3): the major is bits 8
 * to 19 and from 44 on. Elsewhere local file systems have a disk.
 */
export function isAnonymousDevice(fileId: string, platform: string): boolean {
  if (platform !== "linux" && platform !== "android") return false;
  const bits = BigInt(deviceOf(fileId));
  return ((bits >> 8n) & 0xfffn) === 0n && bits >> 44n === 0n;
}
