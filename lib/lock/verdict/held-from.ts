/** Whether the pid in a lock that is held names its holder here. */
import { isOfOtherNamespace, isSameBoot } from "../../process/token.js";
import type { LockPayload } from "../protocol/payload.js";
import type { EvidenceSource } from "./evidence.js";
import type { KernelEvidence } from "./kernel-evidence.js";
import type { OwnerJudgement } from "./owner-judgement.js";
import { tokenOf } from "./owner-token.js";

/**
 * - `other-host`, `other-pid-namespace`: the pid is a number of there, whatever has it here
 * - `heir`: the owner has provably ended, and a process that inherited its descriptor holds the lock
 */
export type HeldFrom = "other-host" | "other-pid-namespace" | "heir";

/** null: the pid is the holder's, as far as is known; or nothing proves that the lock is held. */
export function heldFrom(
  payload: LockPayload | null,
  { owner, kernel }: { readonly owner: OwnerJudgement; readonly kernel: KernelEvidence },
  { tokenHost, verify }: EvidenceSource,
): HeldFrom | null {
  if (payload === null || owner.state !== "same") return null;
  const token = tokenOf(payload);
  if (typeof token === "string") return null;
  if (!isSameBoot(token, tokenHost)) return "other-host";
  if (kernel === "held" && verify(token).state === "gone") return "heir";
  return isOfOtherNamespace(token, tokenHost) ? "other-pid-namespace" : null;
}
