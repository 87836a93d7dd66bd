/** SIGTERM, wait, SIGKILL: for one process, or for it and all that descend from it. */
import { backOffPauses, LONGEST_PAUSE_MS } from "../../util/back-off.js";
import { runtimeMs } from "../../util/clocks.js";
import { pause } from "../../util/pause.js";
import { freeze } from "./freeze.js";
import type { Member } from "./member.js";
import type { Tree } from "./tree.js";

interface Ending {
  readonly members: Tree;
  /** Also what descends from the process. */
  readonly withDescendants: boolean;
  /** Infinity: none is killed. */
  readonly graceMs: number;
  readonly signal: AbortSignal | undefined;
}

// What is killed ends when it comes out of the kernel and its memory has been given back. Milliseconds.
const LONGEST_DEATH_MS = 5000;

/** Windows knows neither SIGTERM nor SIGSTOP: a process is terminated or left alone. */
const CAN_ASK = process.platform !== "win32";

/** Resolves when all have ended, or when no more can be done. Rejects with the signal's reason; nothing stays stopped. */
export async function endMembers(ending: Ending): Promise<void> {
  const deadline = runtimeMs() + ending.graceMs;
  if (CAN_ASK) {
    const asked = await askAll(ending);
    if (await waitForEnd(ending, asked, deadline)) return;
  }
  const lastDeadline = runtimeMs() + LONGEST_DEATH_MS;
  do await killAll(ending);
  while ((await waitForDeaths(ending, lastDeadline)) === "more");
}

/** The root first, then those near to it. All of them have the signal before any goes on, so none dies unseen. */
async function askAll({ members, withDescendants, signal }: Ending): Promise<ReadonlySet<Member>> {
  const stopped = new Set<Member>();
  const asked: Member[] = [];
  try {
    if (withDescendants) await freeze(members, stopped, signal);
    asked.push(...members.running());
    for (const member of asked) {
      await members.breathe();
      member.ask();
    }
  } finally {
    // Also those that were stopped when this began: a stopped process cannot act upon SIGTERM.
    for (const member of new Set([...stopped, ...asked])) member.resume();
  }
  return new Set(asked);
}

/**
 * Looks for what is born meanwhile: what a member starts to tidy up is that member's affair, and asked itself only once
 * the member has ended.
 *
 * @returns whether all have ended in time
 */
async function waitForEnd(
  { members, withDescendants, signal }: Ending,
  toAsk: ReadonlySet<Member>,
  deadline: number,
): Promise<boolean> {
  for (const wait of ticks(signal)) {
    const running = await runningNow(members, withDescendants);
    if (running.length === 0) return true;
    for (const member of running) {
      await members.breathe();
      if (member.sent !== null || !(toAsk.has(member) || isLeft(member))) continue;
      member.ask();
      member.resume();
    }
    const left = deadline - runtimeMs();
    if (left <= 0) return false;
    await wait(left);
  }
  return false;
}

/** Has what started it ended? */
function isLeft({ parent }: Member): boolean {
  return parent === null || parent.hasEnded();
}

/**
 * Those farthest from the root first: when a stopped process loses its parent the kernel may make it go on (SIGHUP and
 * SIGCONT for an orphaned process group), and it must not fork then.
 */
async function killAll({ members, withDescendants, signal }: Ending): Promise<void> {
  const stopped = new Set<Member>();
  try {
    if (withDescendants) {
      if (CAN_ASK) await freeze(members, stopped, signal);
      // Before the first one ends: what Node has started there, the system ends with it (a job), and it would go unnamed.
      else while ((await members.look()).length > 0);
    }
    for (const member of members.running().toSorted((one, other) => other.depth - one.depth)) {
      await members.breathe();
      member.kill();
      if (member.sent === "SIGKILL") stopped.delete(member);
    }
  } finally {
    for (const member of stopped) member.resume();
  }
}

/** `more`: others were found, or some could not be sent the signal. */
async function waitForDeaths(
  { members, withDescendants, signal }: Ending,
  deadline: number,
): Promise<"all" | "more" | "some"> {
  for (const wait of ticks(signal)) {
    const running = await runningNow(members, withDescendants);
    if (running.length === 0) return "all";
    if (runtimeMs() >= deadline) return "some";
    await wait(deadline - runtimeMs());
    if (running.some((member) => member.sent !== "SIGKILL")) return "more";
  }
  return "some";
}

/** Those that run, with what is found by a look that is made now and then, and in any case once none does. */
async function runningNow(members: Tree, withDescendants: boolean): Promise<Member[]> {
  const running = members.running();
  const isDue = running.length === 0 || members.sinceLookMs() >= LONGEST_PAUSE_MS;
  if (!withDescendants || !isDue) return running;
  await members.look();
  return members.running();
}

/** Waits of a back-off, each as long as allowed by what is passed, milliseconds; for ever. */
function* ticks(signal: AbortSignal | undefined): Generator<(mostMs: number) => Promise<void>> {
  for (const pauseMs of backOffPauses()) yield (mostMs) => pause(Math.min(mostMs, pauseMs), signal);
}
