/** What the pid in a lock whose kernel lock is held says here. */
import type { Judgement } from "../../lock/verdict/judge.js";
import { tokenOf } from "../../lock/verdict/owner-token.js";
import { isOfOtherNamespace } from "../../process/token.js";

/**
 * - `owner`: the process that has this pid here holds the lock
 * - `heir`: its owner has provably ended, and a process that it started holds the lock, as under `pidentity run`
 * - `out-of-sight`: the pid is another pid namespace's, or another host's, whatever has it here
 *
 * null: the kernel lock is not held, or the lock has no token.
 */
export type HeldBy = "owner" | "heir" | "out-of-sight" | null;

export function heldBy({ facts, payload, evidence }: Judgement): HeldBy {
  if (facts.kernel !== "held" || payload === null) return null;
  const token = tokenOf(payload);
  if (typeof token === "string") return null;
  const { state } = evidence.verify(token);
  if (state === "gone") return "heir";
  return state === "same" && !isOfOtherNamespace(token, evidence.tokenHost)
    ? "owner"
    : "out-of-sight";
}
