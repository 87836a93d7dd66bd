/**
 * Being told by the kernel that a lock file changes or goes and, on Linux, that its holder has closed it.
 *
 * Linux and macOS watch the lock file itself: a directory watcher would wake on every transcript append.
 * Windows can only watch directories. Where there is no watcher (inotify's limits) nothing is told.
 *
 * `fs.watch` asks inotify for no closes, but a holder that is killed does just that to its lock. So the watch that
 * it has made is asked for them as well (`tellCloses` of the addon): no descriptor, thread or signal of our own.
 * Bun and Deno watch by other means, macOS and Windows have no such event: there a tick notices the end of the holder.
 */
import type { FSWatcher } from "node:fs";

import { loadNative } from "../native/load.js";
import { basename, dirname, fs as nodeFs } from "../util/node-modules.js";
import { fileSystemOf } from "./protocol/file-system-kind.js";
import { closeQuietly, type LockFs } from "./protocol/lock-fs.js";

export class FileWatcher {
  #watcher: FSWatcher | null = null;
  #tellsCloses = false;

  /**
   * Watches until {@link close}, which does not keep the event loop alive. Never throws.
   *
   * @param onTold - A hint: something may have happened to the file, or beside it.
   */
  constructor(path: string, fs: LockFs, onTold: () => void) {
    const watchesDirectory = process.platform === "win32";
    const name = basename(path);
    try {
      const watcher = nodeFs.watch(
        watchesDirectory ? dirname(path) : path,
        { persistent: false },
        (_event, changed) => {
          if (!watchesDirectory || changed === null || changed === name) onTold();
        },
      );
      watcher.on("error", () => this.close());
      this.#watcher = watcher;
    } catch {
      return;
    }
    this.#tellsCloses = process.platform === "linux" && tellCloses(path, fs);
  }

  /**
   * Whether it is told when a process of this machine closes the file, if it could write through that descriptor:
   * a holder keeps its lock open in that way, and loses its kernel lock with it.
   */
  get tellsCloses(): boolean {
    return this.#tellsCloses;
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = null;
    this.#tellsCloses = false;
  }
}

function tellCloses(path: string, fs: LockFs): boolean {
  const { binding } = loadNative();
  if (binding === undefined) return false;
  try {
    const fd = fs.openForReading(path);
    try {
      const { kind } = fileSystemOf(process.platform, fs.fileSystemTypeOf(fd), dirname(path));
      // Behind others the holder may be another machine's process.
      return kind === "local" && binding.tellCloses(fd);
    } finally {
      closeQuietly(fd, fs);
    }
  } catch {
    // Gone or unreadable by now.
    return false;
  }
}
