/** Lines about locks, under the names of their directories. */
import { dirname } from "node:path";

import { printable } from "../../util/printable.js";
import type { CliStream } from "../terminal/io.js";
import { paint } from "../terminal/paint.js";
import { shortenApart } from "../terminal/shorten-apart.js";

/** Each directory's name once above its locks; no name when there is but one. */
export function underDirectories<Lock extends { readonly lockPath: string }>(
  locks: readonly Lock[],
  linesOf: (lock: Lock, index: number) => readonly string[],
  stream: CliStream,
): string[] {
  const directories = new Set(locks.map(({ lockPath }) => dirname(lockPath)));
  const names = shortenApart([...directories].map(printable), stream.columns ?? Infinity);
  let current: string | null = null;
  return locks.flatMap((lock, index) => {
    const directory = dirname(lock.lockPath);
    const isNew = directories.size > 1 && directory !== current;
    current = directory;
    const lines = linesOf(lock, index);
    if (!isNew) return lines;
    const name = names.get(printable(directory)) ?? "";
    return [...(index === 0 ? [] : [""]), paint(stream, "dim", name), ...lines];
  });
}
