/** Facts about one lock, for tables of what follows from them. */
import type { SessionLockFacts } from "../../../lib/session-lock/classify.js";
import type { OwnerJudgement } from "../../../lib/lock/verdict/owner-judgement.js";
import { parsePayload, type LockPayload } from "../../../lib/lock/protocol/payload.js";

export const NOW = Date.parse("2026-06-01T12:00:00.000Z");
export const MINUTE = 60_000;

export const UNPROVEN: OwnerJudgement = {
  state: "unknown",
  reason: "unproven",
  end: null,
  undecidable: false,
  needsNestedLook: false,
};
export const SAME: OwnerJudgement = { ...UNPROVEN, state: "same", reason: "start-time-equal" };
export const HELD: OwnerJudgement = { ...UNPROVEN, state: "same", reason: "kernel-lock-held" };
export const DEAD: OwnerJudgement = {
  ...UNPROVEN,
  state: "gone",
  reason: "no-such-process",
  end: "dead-pid",
};
export const RECYCLED: OwnerJudgement = {
  ...DEAD,
  reason: "start-time-differs",
  end: "recycled-pid",
};
export const FREE: OwnerJudgement = { ...DEAD, reason: "kernel-lock-free", end: "holder-gone" };
export const OTHER_HOST: OwnerJudgement = { ...UNPROVEN, reason: "other-host", undecidable: true };
export const MOUNT_GONE: OwnerJudgement = { ...FREE, reason: "mount-gone" };
export const NO_TOKEN: OwnerJudgement = { ...OTHER_HOST, reason: "no-token" };
export const MISSING_PID: OwnerJudgement = { ...UNPROVEN, reason: "missing-pid" };

export function payload(fields: Record<string, unknown> = {}): LockPayload | null {
  const standard = { pid: 7, createdAt: new Date(NOW - MINUTE).toISOString() };
  return parsePayload(Buffer.from(JSON.stringify({ ...standard, ...fields })));
}

export function facts(changes: Partial<SessionLockFacts> = {}): SessionLockFacts {
  return {
    nowMs: NOW,
    staleMs: 30 * MINUTE,
    graceMs: 30_000,
    mtimeMs: null,
    monotonicNowMs: null,
    respectMaxHold: false,
    unreadable: false,
    owner: SAME,
    kernel: "silent",
    pidAlive: true,
    heldHere: false,
    isSelf: false,
    inWorkerThread: false,
    atAcquire: false,
    ownerArgs: null,
    isOwnerArgv: (args) => args[0] === "openclaw",
    ...changes,
  };
}

export function createdAgo(ms: number): Record<string, unknown> {
  return { createdAt: new Date(NOW - ms).toISOString() };
}
