/**
 * Parents and children in a list of processes. Pure: get-relatives.ts asks the OS.
 *
 * What a process says of its parent is a pid, and the list is not of one point in time. Windows never changes that
 * pid, though the parent may have ended long ago; POSIX changes it to that of a reaper (process 1, or the nearest
 * ancestor that asked for it by `PR_SET_CHILD_SUBREAPER`), which is the parent from then on. In both the number can be
 * a later process's by the time it is looked up. So a parent counts only when it started before its child, or in the
 * same unit of time: Linux counts in ticks of 10 ms, in which a process can start and fork.
 */

/** What has to be known of a process. `ProcessInfo` says it, too. */
export interface RelativeFacts {
  readonly pid: number;
  /** As its own process says it; null, or 0 as on Windows: none that can be seen. */
  readonly parentPid: number | null;
  /** See `ProcessInfo.startTime`; null: not known, and then neither is any relation. */
  readonly startTime: number | null;
}

/** Who is whose parent. Each answer takes time in proportion to the processes in it. */
interface Relatives<Facts extends RelativeFacts> {
  /** In the order of the list. */
  childrenOf(pid: number): Facts[];
  /** Children, then their children, and so on: nearest first, in the order of the list where equally near. */
  descendantsOf(pid: number): Facts[];
  /** The parent, then its parent, and so on. */
  ancestorsOf(pid: number): Facts[];
}

/** Is `parent` what `child` says its parent is? False also when the start time of either is not known. */
export function isParentOf(parent: RelativeFacts, child: RelativeFacts): boolean {
  return (
    parent.pid > 0 &&
    parent.pid === child.parentPid &&
    parent.pid !== child.pid &&
    parent.startTime !== null &&
    child.startTime !== null &&
    parent.startTime <= child.startTime
  );
}

/**
 * Sorts out the relations of all processes of a list, once, in time in proportion to its length.
 *
 * @param list - Any order; of two that have one pid the later counts. It may be hostile: whatever it says, no process
 * is its own relative, and no answer has one twice.
 */
export function relativesIn<Facts extends RelativeFacts>(list: Iterable<Facts>): Relatives<Facts> {
  const byPid = new Map<number, Facts>();
  for (const facts of list) byPid.set(facts.pid, facts);
  const children = new Map<number, Facts[]>();
  for (const facts of byPid.values()) {
    const parent = parentIn(byPid, facts);
    if (parent === null) continue;
    const known = children.get(parent.pid);
    if (known === undefined) children.set(parent.pid, [facts]);
    else known.push(facts);
  }

  return {
    childrenOf: (pid) => [...(children.get(pid) ?? [])],
    descendantsOf(pid) {
      const found: Facts[] = [];
      // Each has one parent: only by a loop through `pid` could one be met twice.
      const next = (parent: number): void => {
        for (const child of children.get(parent) ?? []) if (child.pid !== pid) found.push(child);
      };
      next(pid);
      for (let i = 0; i < found.length; i++) next(found[i]?.pid ?? pid);
      return found;
    },
    ancestorsOf(pid) {
      const found: Facts[] = [];
      const seen = new Set([pid]);
      let facts = byPid.get(pid);
      while (facts !== undefined) {
        const parent = parentIn(byPid, facts);
        // Several that started in one unit of time can claim each other.
        if (parent === null || seen.has(parent.pid)) break;
        seen.add(parent.pid);
        found.push(parent);
        facts = parent;
      }
      return found;
    },
  };
}

function parentIn<Facts extends RelativeFacts>(
  byPid: ReadonlyMap<number, Facts>,
  child: Facts,
): Facts | null {
  const parent = child.parentPid === null ? undefined : byPid.get(child.parentPid);
  return parent !== undefined && isParentOf(parent, child) ? parent : null;
}
