/** What a lock says of the lease above it, as text for people. Pure. */
import type { SessionLockInspection } from "../../session-lock/reasons.js";
import { quote } from "../../util/printable.js";
import { shortenToWidth } from "../terminal/display-width.js";

/** Enough to tell the stores of one site apart; `--json` has it whole. */
const SHORT_ID = 8;
/** A key may have a thousand bytes. */
const LONGEST_KEY = 120;

/** Which lease, and who took the lock under it; null: the lock names none. */
export function leaseFacts(lock: SessionLockInspection): string | null {
  const { lease } = lock;
  if (lease === null) return null;
  const key = shortenToWidth(quote(lease.key), LONGEST_KEY);
  const id = Array.from(lease.store);
  const store = id.length > SHORT_ID + 1 ? `${id.slice(0, SHORT_ID).join("")}…` : lease.store;
  return `key ${key}, epoch ${lease.epoch}, store ${quote(store)}, taken by ${holderOf(lock)}; ${NOT_ASKED}`;
}

/** The same as a remark of its own. */
export function leaseNote(lock: SessionLockInspection): string | null {
  const facts = leaseFacts(lock);
  return facts === null ? null : `lease: ${facts}`;
}

const NOT_ASKED = "whether it still runs only its store knows, which is not asked";

/** The lock has the pid, but no name of its host: of that its token has only a digest. */
function holderOf({ pid, ownerState, ownerReason }: SessionLockInspection): string {
  const name = pid === null ? "a process that is not named" : `pid ${String(pid)}`;
  if (ownerState === "same") return `${name} on this host`;
  switch (ownerReason) {
    case "other-host":
      return `${name} on another host`;
    case "other-pid-namespace":
      return `${name} in another container`;
    default:
      return name;
  }
}

/** What becomes by itself of a lock whose owner is not known; null: it names no lease. */
export function leaseRemedy({ lease }: SessionLockInspection): string | null {
  return lease === null
    ? null
    : "it stands beneath a lease: the process that next takes that lease for this lock, on whatever machine, removes it by itself";
}
