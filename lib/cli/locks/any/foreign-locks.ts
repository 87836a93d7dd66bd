/** Judges locks of other programs: what they claim against what runs here. Touches nothing. */
import { hostname, networkInterfaces, uptime } from "node:os";

import { lookForNestedProcesses } from "../../../process/nested-processes.js";
import { hostFacts, identityOf, tokenHost } from "../../../process/identity.js";
import { inspectProcess } from "../../../process/inspect.js";
import { machineSinceBootMs } from "../../../process/machine-clock.js";
import type { ProcessInfo } from "../../../process/process-info.js";
import { realLockFs } from "../../../lock/protocol/lock-fs.js";
import { plainPayload } from "../../../lock/protocol/payload.js";
import { freshEvidence, memoisedEvidence } from "../../../lock/verdict/evidence.js";
import {
  afterLook,
  DEFAULT_GRACE_MS,
  judge,
  type JudgeBy,
  type Judgement,
  waitsForNestedLook,
} from "../../../lock/verdict/judge.js";
import type { LockInspection } from "../../../lock/verdict/inspection.js";
import { OwnerArgsMemo } from "../../../lock/verdict/owner-args.js";
import type { PlainLocks } from "../../../lock/verdict/plain-owner.js";
import type { ReadLock } from "../../../lock/verdict/reading.js";
import { presentInspection } from "../../../session-lock/reasons.js";
import { wallMs } from "../../../util/clocks.js";
import type { TimeSlice } from "../../../util/time-slice.js";
import type { Claim } from "../forms/form.js";
import { programName } from "../program-name.js";
import type { HolderProcess } from "./examined.js";
import { askKernel, type KernelAnswer, type KernelView, readKernelLocks } from "./kernel-locks.js";
import type { Found } from "./look.js";
import { judgeClaim, type Verdict } from "./verdict.js";

/** What became of one claim. */
export interface JudgedClaim {
  readonly verdict: Verdict;
  readonly kernel: KernelAnswer;
  readonly pid: number | null;
  readonly process: HolderProcess | null;
}

/** Asks each fact once for all locks of one examination. */
export class ForeignLocks {
  readonly #slice: TimeSlice;
  readonly #by: JudgeBy;
  readonly #kernel: KernelView;
  readonly #bootedMs: number;
  readonly #isThisHost: (claim: Claim) => boolean;
  readonly #waiting: (() => Promise<void>)[] = [];
  readonly #processes = new Map<number, HolderProcess | null>();
  #afterLook: JudgeBy | null = null;

  constructor(plainLocks: PlainLocks, slice: TimeSlice) {
    this.#slice = slice;
    const evidence = memoisedEvidence(freshEvidence(realLockFs));
    this.#by = {
      evidence,
      args: new OwnerArgsMemo(undefined, evidence.identity),
      policy: {
        nowMs: wallMs,
        staleMs: Infinity,
        graceMs: DEFAULT_GRACE_MS,
        respectMaxHold: false,
        atAcquire: false,
        // What this process holds is its own, and never judged here.
        isHeldHere: () => false,
        isOwnerArgv: () => true,
        plainLocks,
        present: presentInspection,
      },
    };
    this.#kernel = {
      locks: readKernelLocks(),
      isInitialNamespace: tokenHost().initialPidNamespace,
    };
    this.#bootedMs = wallMs() - (machineSinceBootMs() ?? uptime() * 1000);
    this.#isThisHost = hostMatcher();
  }

  /** @param settle - Called now or by {@link settle}. */
  async judge(
    path: string,
    found: Found,
    claim: Claim,
    settle: (judged: JudgedClaim) => void,
  ): Promise<void> {
    const { evidence } = this.#by;
    const kernel = askKernel(found, this.#kernel, () => evidence.fileSystem(path));
    const reading = readingOf(path, claim);
    if (reading === null || kernel.state === "held") {
      const pid = (kernel.state === "held" ? kernel.lock.pid : null) ?? claim.pid;
      settle(this.#conclude(claim, found, kernel, pid, NO_OWNER));
      return;
    }
    const first = await judge(reading, this.#by);
    const conclude = ({ inspection }: Judgement): void =>
      settle(this.#conclude(claim, found, kernel, claim.pid, inspection));
    if (!waitsForNestedLook(first)) {
      conclude(first);
      return;
    }
    this.#waiting.push(async () => conclude(await judge(reading, this.#afterLook ?? this.#by)));
  }

  /** Judges what waits for a look at the processes of nested pid namespaces: one look for all. */
  async settle(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const nested = await lookForNestedProcesses(identityOf, this.#slice);
    this.#afterLook = afterLook(this.#by, nested);
    for (const judgeAgain of this.#waiting.splice(0)) {
      if (this.#slice.exhausted()) await this.#slice.next();
      await judgeAgain();
    }
  }

  #processOf(pid: number): HolderProcess | null {
    const known = this.#processes.get(pid);
    if (known !== undefined) return known;
    const process = processOf(pid);
    this.#processes.set(pid, process);
    return process;
  }

  #conclude(
    claim: Claim,
    { mtimeMs, ctimeMs }: Found,
    kernel: KernelAnswer,
    pid: number | null,
    owner: Pick<LockInspection, "ownerState" | "ownerReason">,
  ): JudgedClaim {
    const isThisHost = this.#isThisHost(claim);
    const isHeld = kernel.state === "held";
    const process = pid === null || !(isThisHost || isHeld) ? null : this.#processOf(pid);
    const verdict = judgeClaim(claim, {
      kernel,
      owner: { state: owner.ownerState, reason: owner.ownerReason },
      isThisHost,
      pidNamespace: hostFacts().pidNamespace,
      writtenMs: claim.writtenMs ?? Math.max(mtimeMs, ctimeMs),
      startedMs: process?.startedAtMs ?? null,
      program: process?.program ?? null,
      bootedMs: this.#bootedMs,
    });
    // A descriptor that was handed on has outlived the process that took its lock.
    if (isHeld && process === null) return { verdict, kernel, pid: null, process };
    return { verdict, kernel, pid, process: isOutOfSight(verdict) ? null : process };
  }
}

const NO_OWNER = { ownerState: "unknown", ownerReason: "missing-pid" } as const;

/** The process that has that pid here is none of the lock's. */
function isOutOfSight({ reason }: Verdict): boolean {
  return reason === "other-host" || reason === "other-pid-namespace";
}

/** The process with that pid; null: none has it. */
export function processOf(pid: number): HolderProcess | null {
  const info = inspectProcess(pid);
  return info.state === "gone" ? null : holderOf(info);
}

function holderOf({ args, commandLine, startedAtMs }: ProcessInfo): HolderProcess {
  return { program: programName(args), commandLine, startedAtMs };
}

/** The claim as a plain lock, to be judged by the rules for those. null: it names no process. */
function readingOf(lockPath: string, { pid, startTime }: Claim): ReadLock | null {
  if (pid === null) return null;
  const payload = plainPayload(pid, { starttime: startTime });
  return {
    kind: "lock",
    lockPath,
    bytes: Buffer.alloc(0),
    payload,
    kernel: "silent",
    guard: null,
    isUnaskable: false,
    fileId: null,
    mtimeMs: null,
    ctimeMs: null,
  };
}

/** Whether a lock's host is this one, by its name or one of its addresses; a name that was cut, by its beginning. */
function hostMatcher(): (claim: Claim) => boolean {
  const own = hostname().toLowerCase();
  const addresses = new Set(
    Object.values(networkInterfaces()).flatMap((list) =>
      (list ?? []).map(({ address }) => address),
    ),
  );
  return ({ host, isHostCut }) => {
    if (host === null) return true;
    const name = host.toLowerCase();
    return name === own || addresses.has(host) || (isHostCut && own.startsWith(name));
  };
}
