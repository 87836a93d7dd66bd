/** When a file was last changed, as far as that can be told. Pure. */

/** Milliseconds since the Unix epoch, by the clock of the machine that keeps the file. */
export interface FileTimes {
  readonly mtimeMs: number;
  readonly ctimeMs: number;
}

/** A file that a process has seen stay as it is: its times, and for how long by a monotonic clock, milliseconds. */
export interface WatchedFile extends FileTimes {
  readonly unchangedForMs: number;
}

/**
 * Never later than `nowMs`.
 *
 * What a modification time says of the past is believed: a process that writes the file now sets it to now. One in
 * the future says nothing, for any program can set it (utimes, an archive, a copy). Then the change time counts,
 * which no program can set. Where that, too, lies in the future, a clock was stepped back or is another machine's:
 * the file may have been written just now, and only a process that has watched it knows better.
 */
export function lastChangeMs(times: FileTimes, nowMs: number, watched?: WatchedFile): number {
  const { mtimeMs, ctimeMs } = times;
  if (mtimeMs <= nowMs) return mtimeMs;
  if (ctimeMs <= nowMs) return ctimeMs;
  const isWatched = watched?.mtimeMs === mtimeMs && watched.ctimeMs === ctimeMs;
  return isWatched ? nowMs - watched.unchangedForMs : nowMs;
}

/** The times of what stat(2) said. */
export function timesOf(stats: { readonly mtimeNs: bigint; readonly ctimeNs: bigint }): FileTimes {
  return { mtimeMs: Number(stats.mtimeNs) / 1e6, ctimeMs: Number(stats.ctimeNs) / 1e6 };
}
