/** What is known of one lock and of the process behind it, for a person who is about to overrule it. Pure. */
import { tokenOf } from "../../lock/verdict/owner-token.js";
import type { Judgement } from "../../lock/verdict/judge.js";
import type { ProcessInfo } from "../../process/process-info.js";
import type { SessionLockInspection } from "../../session-lock/reasons.js";
import { printable } from "../../util/printable.js";
import { formatDuration, formatLocalTime } from "../terminal/duration.js";
import { heldBy } from "./held-by.js";
import { leaseFacts } from "./lease.js";
import { fullVerdict, isUndecided, lifeOf, remedyFor, whyKept } from "./describe.js";

// A command line may be megabytes long.
const MOST_CHARACTERS = 200;

/**
 * One fact on each line.
 *
 * @param holder - The process that has the lock's pid here; null: not asked, since that pid means nothing here.
 */
export function evidenceLines(
  judgement: Judgement,
  lock: SessionLockInspection,
  holder: ProcessInfo | null,
): string[] {
  const { payload } = judgement;
  const facts: readonly (readonly [string, string | null])[] = [
    ["owner", ownerLine(judgement, lock)],
    ["process", holder === null ? null : processLine(holder)],
    ["taken", takenLine(lock)],
    ["label", payload?.label == null ? null : shortened(payload.label)],
    ["lease", leaseFacts(lock)],
    ["kernel lock", kernelLine(judgement)],
    ["token", tokenLine(judgement)],
    ["verdict", verdictLine(lock)],
  ];
  const shown = facts.filter((fact): fact is readonly [string, string] => fact[1] !== null);
  const widest = Math.max(...shown.map(([name]) => name.length));
  return [
    printable(lock.lockPath),
    ...shown.map(([name, text]) => `  ${`${name}:`.padEnd(widest + 1)} ${text}`),
  ];
}

function ownerLine(judgement: Judgement, lock: SessionLockInspection): string {
  const { pid } = lock;
  if (pid === null) return "the file names no process";
  const name = `pid ${String(pid)}`;
  const by = heldBy(judgement);
  if (by === "heir") return `${name} has ended, and a process that it started holds the lock`;
  if (by === "out-of-sight") return `a process out of sight, ${name} where it runs (alive)`;
  return `${name} (${lifeOf(lock)})`;
}

function processLine({ state, args, commandLine, startedAtMs }: ProcessInfo): string {
  if (state === "gone") return "none has this pid";
  const started = startedAtMs === null ? "" : `, started ${formatLocalTime(startedAtMs)}`;
  if (args === null) return `its command line cannot be read${started}`;
  return `${shortened(commandLine ?? args.join(" "))}${started}`;
}

function takenLine({ createdAt, ageMs }: SessionLockInspection): string {
  if (createdAt === null) return "not told";
  const text = shortened(createdAt);
  return ageMs === null ? `${text} (no date)` : `${text}, ${formatDuration(ageMs)} ago`;
}

function kernelLine({ facts, payload }: Judgement): string {
  switch (facts.kernel) {
    case "held":
      return "held: a process has this very file locked";
    case "free":
    case "free-unconfirmed":
      return "free: no process has this file locked";
    case "other-mount":
      return "taken through another mount, which is gone";
    case "other-view":
      return "taken on another device, of which this is another view";
    case "silent":
      return payload?.kernelLock == null ? "none: the lock claims none" : "says nothing from here";
  }
}

function tokenLine({ payload, facts }: Judgement): string | null {
  if (payload === null) return null;
  const token = tokenOf(payload);
  if (token === "absent") return "none";
  const { state, reason } = facts.owner;
  return `${shortened(payload.owner ?? "")} (owner ${state}: ${reason})`;
}

function verdictLine(lock: SessionLockInspection): string {
  const { removable, stale, keptReason } = lock;
  if (removable) return `${fullVerdict(lock)}; it would be removed without this command, too`;
  const isKept = stale || keptReason !== null || isUndecided(lock);
  const verdict = isKept ? `kept: ${whyKept(lock)}` : fullVerdict(lock);
  const remedy = isUndecided(lock) ? remedyFor(lock) : null;
  return remedy === null ? verdict : `${verdict}; ${remedy}`;
}

function shortened(text: string): string {
  const cut = text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
  return printable(cut.trimEnd());
}
