/** Ends processes or signals them, and says what became of each. */
import {
  endProcess,
  type EndedProcess,
  type EndProcessResult,
  type SurvivingProcess,
} from "../../process/end.js";
import { verifyProcess } from "../../process/identity.js";
import { signalProcess } from "../../process/signal.js";
import type { NamedTarget, Target } from "../processes/target.js";
import type { CliIo } from "../terminal/io.js";

export interface KillWish {
  /** Also what descends from them. */
  readonly tree: boolean;
  /** undefined: as endProcess has it. */
  readonly graceMs: number | undefined;
  /** Only this is sent; null: they are to end. */
  readonly signal: NodeJS.Signals | null;
}

/** What became of one target, in the keys of `--json`. */
export interface KillOutcome {
  readonly process: string;
  readonly pid: number | null;
  readonly token: string | null;
  /**
   * `ended`: now; `gone`: before, nothing was sent; `sent`: the signal was; `running`: it, or what descends from it, still
   * runs; `unknown`: nothing was sent; `kept`: so it was answered.
   */
  readonly state: "ended" | "gone" | "sent" | "running" | "unknown" | "kept";
  readonly reason: string | null;
  /** The last one that the process itself was sent, or null. */
  readonly signal: NodeJS.Signals | null;
  readonly killed: readonly EndedProcess[];
  readonly survivors: readonly SurvivingProcess[];
}

/** Of one that cannot be told to run, and so is sent nothing; null: it runs. */
export function settle(target: Target): KillOutcome | null {
  const { token, isGone, reason } = target;
  // What runs and has no token cannot be told from a later process of its pid.
  if (token === null) return { ...untouched(target), state: isGone ? "gone" : "unknown", reason };
  const verdict = verifyProcess(token);
  if (verdict.state === "same") return null;
  return { ...untouched(target), state: verdict.state, reason: verdict.reason };
}

/** The answer was no. */
export function keep(target: Target): KillOutcome {
  return { ...untouched(target), state: "kept", reason: "declined" };
}

/** Each holds a descriptor or handle while it is ended. */
const AT_ONCE = 128;

/**
 * @param targets - That run, each once.
 * @returns in their order; null: a signal asked this process to end, nothing is left stopped, and it ends.
 */
export async function carryOut(
  targets: readonly NamedTarget[],
  wish: KillWish,
  { events }: Pick<CliIo, "events">,
): Promise<KillOutcome[] | null> {
  const { signal } = wish;
  if (signal !== null) return targets.map((target) => sendTo(target, signal));
  const abort = new AbortController();
  let endedBy: NodeJS.Signals | null = null;
  const stopListening = events.onSignal((name) => {
    endedBy ??= name;
    abort.abort();
  });
  try {
    return await endAll(targets, wish, abort.signal);
  } catch (error) {
    if (endedBy === null) throw error;
    stopListening();
    events.endBySignal(endedBy);
    return null;
  } finally {
    stopListening();
  }
}

/** Trees one after the other: of two that overlap each would stop and continue what the other has stopped. */
async function endAll(
  targets: readonly NamedTarget[],
  { tree, graceMs }: KillWish,
  signal: AbortSignal,
): Promise<KillOutcome[]> {
  const outcomes: KillOutcome[] = [];
  const atOnce = tree ? 1 : AT_ONCE;
  for (let start = 0; start < targets.length; start += atOnce) {
    const some = targets.slice(start, start + atOnce);
    const ended = some.map(async (target) =>
      outcomeOf(target, await endProcess(target.token, { tree, graceMs, signal })),
    );
    outcomes.push(...(await Promise.all(ended)));
  }
  return outcomes;
}

function sendTo(target: NamedTarget, signal: NodeJS.Signals): KillOutcome {
  const { state, reason } = signalProcess(target.token, signal);
  const isSent = state === "sent";
  return { ...untouched(target), state, reason, signal: isSent ? signal : null };
}

function outcomeOf(target: NamedTarget, result: EndProcessResult): KillOutcome {
  const { reason, killed, survivors } = result;
  const state = survivors.length > 0 ? "running" : result.state;
  const signal = killed.find(({ token }) => token === target.token)?.signal ?? null;
  return { ...untouched(target), state, reason, signal, killed, survivors };
}

function untouched({
  process,
  pid,
  token,
}: Target): Pick<KillOutcome, "process" | "pid" | "token" | "signal" | "killed" | "survivors"> {
  return { process, pid, token, signal: null, killed: [], survivors: [] };
}
