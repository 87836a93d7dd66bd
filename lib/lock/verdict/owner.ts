/**
 * From evidence to a verdict: is the process that wrote this lock the `same` that runs now, `gone`, or
 * `unknown`? Pure.
 *
 * Evidence, strongest first; the first that decides wins:
 *
 * 0. **Lease**, where one stands above the lock: the judging process holds it now, under a later epoch. The lock's
 *    holder has passed its own deadline, wherever it runs, and may not write any more.
 * 1. **Kernel lock.** A holder keeps an exclusive kernel lock on its lock file from before the file is
 *    visible until after it is gone. *Held* → same, always: no boot, namespace or file system has to be known
 *    to respect a holder. *Free* → gone, where that can only mean the holder's end (kernel-evidence.ts).
 * 2. **Identity token.** Names the process exactly; `gone` only on proof.
 * 3. **pid + start time** of a plain lock. It names neither host nor pid namespace: it counts for nothing on
 *    another machine's disk, and from a host only after a look at its containers.
 * 4. **pid alone.** As 3. A live pid alone proves nothing.
 *
 * A lock with a nonce is this package's and never plain: without token and kernel lock its owner is unknown.
 * Nothing else is proof: not age, not host names, not EPERM, not an unreadable command line. The rule is
 * one-sided on purpose: a live process is never called gone; a dead one may be called unknown. Evidence that
 * cannot be had is never taken for evidence.
 */
import type { ProcessVerdict } from "../../process/judge-token.js";
import {
  isOfOtherBoot,
  isOfOtherNamespace,
  isOfSameHost,
  isSameBoot,
  type ProcessToken,
} from "../../process/token.js";
import { isSameFileSystem } from "../protocol/file-system-kind.js";
import { isSuperseded, type LeaseClaim } from "../protocol/lease-claim.js";
import type { LockPayload } from "../protocol/payload.js";
import type { KernelEvidence } from "./kernel-evidence.js";
import { gone, type OwnerJudgement, same, undecidable } from "./owner-judgement.js";
import { isPlain, tokenOf } from "./owner-token.js";
import { judgePlain, type PlainOwnerFacts } from "./plain-owner.js";

/** Where the facts come from; each is asked only when the evidence before it did not decide. */
export interface OwnerFacts extends PlainOwnerFacts {
  readonly kernel: KernelEvidence;
  readonly verify: (token: ProcessToken) => ProcessVerdict;
  /** The lease that is held above the lock by who judges it; null: none. */
  readonly lease: LeaseClaim | null;
  /** The lock file lies on a disk that only this machine's kernel uses (`isDiskOfThisMachine`). */
  readonly isOnOwnDisk: () => boolean;
}

/** Judges the process that wrote a lock, by the evidence chain described at the top of this file. */
export function judgeOwner(payload: LockPayload, facts: OwnerFacts): OwnerJudgement {
  if (isSuperseded(payload.lease, facts.lease)) return gone("lease-superseded", "holder-gone");
  if (facts.kernel === "held") return same("kernel-lock-held");
  const token = tokenOf(payload);
  if (token === "malformed" || token === "pid-mismatch") return undecidable(token);
  if (token === "absent" && isPlain(payload)) {
    const judged = judgePlain(payload, facts);
    // Only of a bare pid that this package wrote: whatever has the pid now, its holder has ended (number-file.ts).
    return facts.kernel === "free" ? gone("kernel-lock-free", judged.end ?? "holder-gone") : judged;
  }
  const judged = token === "absent" ? undecidable("no-token") : judgeByToken(token, payload, facts);
  switch (facts.kernel) {
    case "free":
      // The pid tells people more than the kernel lock does, where it agrees.
      return gone("kernel-lock-free", judged.end ?? "holder-gone");
    case "free-unconfirmed":
    case "other-mount": {
      if (judged.state === "same") return judged;
      const reason = facts.kernel === "other-mount" ? "mount-gone" : "kernel-lock-free";
      const { end, needsNestedLook } = judged;
      // The token may still prove the owner alive: a look at its container can answer for it.
      return { ...gone(reason, end ?? "holder-gone"), needsNestedLook };
    }
    default:
      return judged;
  }
}

function judgeByToken(
  token: ProcessToken,
  payload: LockPayload,
  facts: OwnerFacts,
): OwnerJudgement {
  const { tokenHost } = facts;
  if (isOfOtherBoot(token, tokenHost)) {
    // Cloned machines share their ids; only this machine's own disk shows locks of its earlier boots.
    const { kind, name } = facts.fileSystem();
    const isThisMachines =
      kind === "local" &&
      facts.isOnOwnDisk() &&
      sawThisDisk(payload.fileSystem, name, token, facts);
    return isThisMachines ? gone("rebooted", "dead-pid") : undecidable("other-host");
  }
  const { state, reason } = facts.verify(token);
  switch (state) {
    case "same":
      return same(reason);
    case "gone":
      return gone(reason, reason === "recycled" ? "recycled-pid" : "dead-pid");
    case "unknown": {
      const needsNestedLook =
        facts.nested === null &&
        tokenHost.initialPidNamespace &&
        isSameBoot(token, tokenHost) &&
        isOfOtherNamespace(token, tokenHost);
      return { ...undecidable(reason), needsNestedLook };
    }
  }
}

/**
 * Whether the writer saw the disk itself, and not a folder of it through a virtual machine's share (9p, virtiofs) or a
 * network's client: from there a live process of another kernel writes on this machine's disk. Where either does not
 * know what it sees, the writer must have been this machine.
 */
function sawThisDisk(
  written: string | null,
  found: string | null,
  token: ProcessToken,
  { tokenHost }: OwnerFacts,
): boolean {
  return isSameFileSystem(written, found) ?? isOfSameHost(token, tokenHost);
}
