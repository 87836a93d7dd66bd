/**
 * Stopping a whole tree, so that all of it is known at one point in time. POSIX.
 *
 * A stopped process forks no more, so what is found by a look that began when all had stopped is all there is. A process
 * that was forking when SIGSTOP was sent may still finish that (the kernel delivers the signal behind it, copy_process
 * in kernel/fork.c): hence the wait for the stop itself.
 */
import { runtimeMs } from "../../util/clocks.js";
import { pause } from "../../util/pause.js";
import { hasStopped } from "./linux-stat.js";
import type { Member } from "./member.js";
import type { Tree } from "./tree.js";

/** A process that is stuck in the kernel stops when it comes out, which may be never: it is waited for so long. */
const LONGEST_STOP_MS = 500;

/** A tree of which ever more is found is left at that: what forks and ends faster than it can be looked at. */
const LONGEST_FREEZE_MS = 5000;

/** How many looks in a row must find no new member where the OS does not say whether a process has stopped. */
const QUIET_LOOKS = 2;

const TICK_MS = 1;

/**
 * Stops all that run, and all that are found meanwhile, until none is.
 *
 * @param stopped - Gets every member that was stopped: also when this rejects, they have to be let go on.
 */
export async function freeze(
  tree: Tree,
  stopped: Set<Member>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const deadline = runtimeMs() + LONGEST_FREEZE_MS;
  const stop = (member: Member): void => {
    if (!stopped.has(member) && member.sent !== "SIGKILL" && member.stop()) stopped.add(member);
  };
  for (let quiet = 0; quiet < QUIET_LOOKS && runtimeMs() < deadline;) {
    for (const member of tree.running()) {
      await tree.breathe();
      stop(member);
    }
    const areAllAtRest = await comeToRest(tree, stopped, signal);
    // Each at once: the fewer go on, the fewer are born.
    const found = await tree.look(stop);
    if (found.length > 0) quiet = 0;
    else quiet += areAllAtRest ? QUIET_LOOKS : 1;
  }
}

/** Waits until all have stopped; false: that cannot be told of some, or they have not in time. */
async function comeToRest(
  tree: Tree,
  stopped: ReadonlySet<Member>,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const deadline = runtimeMs() + LONGEST_STOP_MS;
  let areAll = true;
  for (const member of stopped) {
    while (!member.isAtRest && !member.hasEnded()) {
      await tree.breathe();
      const answer = hasStopped(member.pid);
      if (answer === true) member.isAtRest = true;
      // Other systems than Linux do not say.
      else if (answer === null && !member.hasEnded()) return false;
      else if (runtimeMs() < deadline) await pause(TICK_MS, signal);
      else {
        areAll = false;
        break;
      }
    }
  }
  return areAll;
}
