/**
 * The entries of a directory, one after the other, without those that vanish meanwhile.
 *
 * Where a directory does not tell the types of its entries (ext4 without `filetype`, some FUSE; `/proc`, of a process
 * that is just ending) Node asks `lstat` for each. If an entry is gone by then, `Dir.readSync` throws, and what was read
 * ahead behind it is lost.
 */
import type { Dir, Dirent } from "node:fs";

import { isVanished } from "./error-code.js";
import { fs } from "./node-modules.js";

export interface DirectoryReaderOptions {
  /** Entries read ahead at a time. Default 256: about 100 µs of work. */
  readonly block?: number;
}

const DEFAULT_BLOCK = 256;

export class DirectoryReader {
  readonly #path: string;
  #block: number;
  #directory: Dir;
  /** What has been given so far, while it may have to be told from what was lost. */
  readonly #given: string[] = [];
  #isMissingSome = false;
  #isGiven: ReadonlySet<string> = new Set();

  /** @throws the file system's error when the directory cannot be opened, without its path, as Node says it */
  constructor(path: string, { block = DEFAULT_BLOCK }: DirectoryReaderOptions = {}) {
    this.#path = path;
    this.#block = block;
    this.#directory = fs.opendirSync(path, { bufferSize: block });
  }

  /**
   * The next entry, each name once; null at the end.
   *
   * @throws the file system's error
   */
  next(): Dirent | null {
    for (;;) {
      let entry: Dirent | null;
      try {
        entry = this.#directory.readSync();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).syscall !== "lstat" || !isVanished(error)) throw error;
        // One by one nothing was behind it.
        this.#isMissingSome ||= this.#block > 1;
        continue;
      }
      if (entry === null) {
        if (!this.#isMissingSome || !this.#startAgain()) return null;
      } else if (!this.#isGiven.has(entry.name)) {
        if (this.#block > 1) this.#given.push(entry.name);
        return entry;
      }
    }
  }

  close(): void {
    this.#directory.closeSync();
  }

  /** @returns false: the directory itself is gone */
  #startAgain(): boolean {
    this.#isMissingSome = false;
    this.#block = 1;
    let again: Dir;
    try {
      again = fs.opendirSync(this.#path, { bufferSize: 1 });
    } catch (error) {
      if (isVanished(error)) return false;
      throw error;
    }
    this.#directory.closeSync();
    this.#directory = again;
    this.#isGiven = new Set(this.#given);
    return true;
  }
}

/**
 * Whether a directory is empty, by one entry at the most.
 *
 * @throws the file system's error
 */
export function isWithoutEntries(path: string): boolean {
  const directory = new DirectoryReader(path, { block: 1 });
  try {
    return directory.next() === null;
  } finally {
    directory.close();
  }
}
