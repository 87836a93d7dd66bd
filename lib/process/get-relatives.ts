/** The ancestors and the children of a process, as the OS tells of them now. */
import { checkOptions, type OptionChecks } from "../util/check-options.js";
import { checkBoolean, optional } from "../util/check-values.js";
import { processBackend } from "./backends/select-backend.js";
import { isShortOfDescriptors } from "./descriptor-shortage.js";
import { ProcessListError } from "./list.js";
import { isValidPid } from "./pid.js";
import type { ProcessInfo } from "./process-info.js";
import { isParentOf, relativesIn } from "./relatives.js";

export interface GetProcessAncestorsOptions {
  /** Read the command lines, too? Default true. */
  readonly args?: boolean | undefined;
}

export interface GetProcessChildrenOptions extends GetProcessAncestorsOptions {
  /** Also their children, and so on. Default false. */
  readonly recursive?: boolean | undefined;
}

const ANCESTORS_CHECKS: OptionChecks<GetProcessAncestorsOptions> = { args: optional(checkBoolean) };

const CHILDREN_CHECKS: OptionChecks<GetProcessChildrenOptions> = {
  ...ANCESTORS_CHECKS,
  recursive: optional(checkBoolean),
};

/**
 * The parent of a process, its parent, and so on, as far as they can be seen.
 *
 * Asks about those only, some microseconds each. POSIX gives a process whose parent ends to process 1 or to the nearest
 * ancestor that asked for such (Linux: `PR_SET_CHILD_SUBREAPER`): that is its parent then. Windows keeps the pid of the
 * parent that has ended: the answer ends there, whatever has that pid now.
 *
 * @param pid - What cannot be a pid has no ancestors.
 * @returns Nearest first. A process that the OS hides (Linux: hidepid) or that started after its child ends the list. `[]`
 * when the process itself is gone.
 * @throws {@link ProcessListError} when there are no descriptors left to look with; TypeError when an option has the wrong
 * type or is not known.
 */
export function getProcessAncestors(
  pid: number,
  options: GetProcessAncestorsOptions = {},
): ProcessInfo[] {
  checkOptions(options, ANCESTORS_CHECKS);
  const withArgs = options.args ?? true;
  if (!isValidPid(pid)) return [];
  const found = ancestorsOf(pid, withArgs);
  // Where the list ends: asked as each process and its parent are above.
  const last = processBackend().inspect(found.at(-1)?.pid ?? pid, false);
  assertAsked([last]);
  if (last.parentPid !== null) assertAsked([processBackend().inspect(last.parentPid, withArgs)]);
  return found;
}

/** {@link getProcessAncestors} of what is a valid pid. */
export function ancestorsOf(pid: number, withArgs: boolean): ProcessInfo[] {
  const found: ProcessInfo[] = [];
  const seen = new Set([pid]);
  let child = processBackend().inspect(pid, false);
  for (;;) {
    const parent = parentOf(child, withArgs);
    if (parent === null || seen.has(parent.pid)) return found;
    seen.add(parent.pid);
    found.push(parent);
    child = parent;
  }
}

/** How often a parent that ends while it is asked about is followed by the next: reapers end rarely. */
const ATTEMPTS = 4;

function parentOf(child: ProcessInfo, withArgs: boolean): ProcessInfo | null {
  let asked = child;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { parentPid } = asked;
    if (parentPid === null || !isValidPid(parentPid)) return null;
    const parent = processBackend().inspect(parentPid, withArgs);
    // A process keeps its parent until that one ends: named before and after, it was the one that was asked about.
    const after = processBackend().inspect(child.pid, false);
    if (after.startTime === null || after.startTime !== child.startTime) return null;
    if (after.parentPid === parentPid) {
      return parent.state !== "gone" && isParentOf(parent, after) ? parent : null;
    }
    asked = after;
  }
  return null;
}

/**
 * The processes whose parent a process is, with `recursive` all that descend from it.
 *
 * Looks at every process that can be seen, at once, about 10 µs each. An orphan counts as a child of what has taken it
 * over (process 1, a subreaper), not of what once started it, which no system tells; on Windows, where none takes it
 * over, it has no parent.
 *
 * @param pid - What cannot be a pid has no children.
 * @returns Nearest first, those that are equally near in the order of the system's list. A process that started before
 * its supposed parent, ends meanwhile or is hidden is left out.
 * @throws {@link ProcessListError} where processes cannot be listed (backend `basic`), or there are no descriptors left to
 * look with; TypeError when an option has the wrong type or is not known.
 */
export function getProcessChildren(
  pid: number,
  options: GetProcessChildrenOptions = {},
): ProcessInfo[] {
  checkOptions(options, CHILDREN_CHECKS);
  const { args: withArgs = true, recursive = false } = options;
  if (!isValidPid(pid)) return [];
  const relatives = relativesIn(inspectAll());
  const found = recursive ? relatives.descendantsOf(pid) : relatives.childrenOf(pid);
  if (!withArgs) return found;
  // Those that have ended since are gone from the answer as from the list, and so are later ones of their pids.
  return found.flatMap((known) => {
    const info = processBackend().inspect(known.pid, true);
    assertAsked([info]);
    return info.startTime === known.startTime && info.state !== "gone" ? [info] : [];
  });
}

/** How many are asked about by one call. */
const AT_ONCE = 64;

function inspectAll(): ProcessInfo[] {
  const infos: ProcessInfo[] = [];
  const listed = processBackend().list();
  if (listed === null) throw new ProcessListError(processBackend().name);
  const pids = Array.from(listed);
  for (let asked = 0; asked < pids.length;) {
    const some = processBackend().inspectMany(pids.slice(asked, asked + AT_ONCE), false, Infinity);
    for (const info of some) if (info.state !== "gone") infos.push(info);
    asked += some.length;
  }
  assertAsked(infos);
  return infos;
}

/** What runs and is not told of is hidden, or there was no descriptor to read it with. @throws where the latter may be so */
function assertAsked(infos: readonly ProcessInfo[]): void {
  const isComplete = infos.every(({ state, startTime }) => state === "gone" || startTime !== null);
  if (!isComplete && isShortOfDescriptors()) throw new ProcessListError(processBackend().name);
}
