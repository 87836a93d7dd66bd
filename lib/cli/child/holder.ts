/** Which process holds a lock that is waited for, as a clause for people. */
import { FILE_LOCK_POLICY } from "../../file-lock/policy.js";
import { lookAtLock } from "../../lock/break.js";
import { obstacleAt } from "../../lock/lock-path.js";
import { realLockFs } from "../../lock/protocol/lock-fs.js";
import type { Judgement } from "../../lock/verdict/judge.js";
import { inspectProcess } from "../../process/inspect.js";
import { presentInspection } from "../../session-lock/reasons.js";
import { printable, quote } from "../../util/printable.js";
import { errorCode } from "../../util/error-code.js";
import { isOwnerUnknown } from "../locks/describe.js";
import { heldBy } from "../locks/held-by.js";
import { formatDuration } from "../terminal/duration.js";

export interface Holder {
  /** Another one when the lock changes hands. */
  readonly key: string;
  /** E.g. `held for 2m3s by pid 4711 (backup --full)`. */
  readonly clause: string;
  /** What is there is no lock, nor will it become one. */
  readonly isNoLock: boolean;
}

/** null: no lock is there any more. */
export async function holderOf(lockPath: string): Promise<Holder | null> {
  const judgement = await lookAtLock(lockPath, FILE_LOCK_POLICY, realLockFs);
  if (judgement === null) return null;
  const { reading } = judgement;
  const key = reading.kind === "lock" ? reading.bytes.toString("latin1") : reading.error.message;
  return { key, clause: clauseOf(judgement), isNoLock: isNoLock(judgement) };
}

/** A directory is another library's lock; what may not be read may be another user's. */
function isNoLock({ reading, content }: Judgement): boolean {
  if (reading.kind === "lock") return content === null;
  // ELOOP: a symbolic link, which is not followed.
  return errorCode(reading.error) === "ELOOP";
}

function clauseOf(judgement: Judgement): string {
  const { reading, payload, content, inspection } = judgement;
  if (reading.kind === "unreadable") {
    return obstacleAt(reading.lockPath, realLockFs) === "directory"
      ? "a directory is there: another library's lock, held or left"
      : printable(reading.error.message);
  }
  if (content === null) return "this file is no lock";
  const { pid, ageMs, ownerState, ownerReason } = inspection;
  const label = payload?.label == null ? "" : `, label ${quote(payload.label)}`;
  const age = ageMs === null ? "" : ` for ${formatDuration(ageMs)}`;
  if (pid === null) return "held, and the lock names no process";
  const name = `pid ${String(pid)}`;
  const by = heldBy(judgement);
  if (by === "heir") {
    return `held${age} by what ${name} has left running${label}`;
  }
  if (isOwnerUnknown(presentInspection(inspection))) {
    return `held${age} by ${name}, of which nothing is known here (${ownerReason})${label}`;
  }
  if (by === "out-of-sight") {
    return `held${age} by a process out of sight, ${name} where it runs${label}`;
  }
  const doubt = ownerState === "same" ? "" : ` (${ownerReason})`;
  return `held${age} by ${name}${doubt}${programOf(pid)}${label}`;
}

// A command line may be megabytes long.
const MOST_CHARACTERS = 120;

function programOf(pid: number): string {
  const { args } = inspectProcess(pid);
  if (args === null || args.length === 0) return "";
  const line = args.join(" ");
  const cut = line.length > MOST_CHARACTERS ? `${line.slice(0, MOST_CHARACTERS)}…` : line;
  return ` (${printable(cut.trimEnd())})`;
}
