/** Files that are never removed: whether they are locked only the kernel knows. Pure. */
import { claim, type LockForm } from "./form.js";

const PLACES = [
  // dpkg and APT (fcntl).
  /\/var\/lib\/dpkg\/(?:lock|lock-frontend|triggers\/Lock)$/,
  /\/var\/lib\/apt\/lists\/lock$/,
  /\/var\/cache\/apt\/archives\/lock$/,
  // Cargo (flock): its caches, and a build's directory.
  /\/\.package-cache(?:-mutate)?$/,
  /\/\.cargo-lock$/,
  // Firefox and Thunderbird (fcntl).
  /\/\.parentlock$/,
  // LevelDB and RocksDB (fcntl): one in each database.
  /\/LOCK$/,
];

const NAMES =
  /^(?:lock|lock-frontend|Lock|LOCK|\.package-cache|\.package-cache-mutate|\.cargo-lock|\.parentlock)$/;

export const KERNEL_LOCKED: LockForm = {
  kind: "kernel-lock",
  title: "a file that is locked through the kernel",
  remedy: "nothing has to be removed: the lock ends with its process",
  mayBe: (name, type) => type === "file" && NAMES.test(name),
  read: ({ path, type, bytes }) => {
    if (type !== "file" || !PLACES.some((place) => place.test(path))) return null;
    // A database's LOCK is empty; a file of that name that says something is another program's.
    if (path.endsWith("/LOCK") && bytes?.length !== 0) return null;
    return claim({ isKernelLock: true });
  },
};
