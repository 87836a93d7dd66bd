/** How long an acquisition waits: for a holder, for what others do at the lock, for a file that is only busy. */
import { identifyProcess } from "../process/identity.js";
import { steadyMs } from "../process/machine-clock.js";
import { describeHolder, holderOf, type LockHolder, UNKNOWN_HOLDER } from "./failure.js";
import { obstacleAt } from "./lock-path.js";
import { budgetOf, type ContentionPlan } from "./plan.js";
import type { LockFs } from "./protocol/lock-fs.js";
import { freshEvidence } from "./verdict/evidence.js";
import { type Judgement, judgeNow } from "./verdict/judge.js";
import { readLock } from "./verdict/reading.js";

const ON_WAIT_INTERVAL_MS = 1000;

/** Whose lock it is: this process's, too, of which another thread has taken it. */
export function holderIn({ payload, inspection }: Judgement): LockHolder {
  const isThisProcess = typeof payload?.owner === "string" && payload.owner === identifyProcess();
  if (!isThisProcess) return holderOf(inspection);
  const { ageMs, createdAt } = inspection;
  return { kind: "own", pid: process.pid, ageMs, takenAt: createdAt };
}

/** The time that one acquisition has, and what it says when nothing is left. */
export class WaitBudget {
  readonly #lockPath: string;
  readonly #plan: ContentionPlan;
  readonly #fs: LockFs;
  readonly #startedAt: number;
  #toldAt: number;
  /** What was last seen in the way. */
  holder: LockHolder = UNKNOWN_HOLDER;

  constructor(lockPath: string, plan: ContentionPlan, fs: LockFs, startedAt: number) {
    this.#lockPath = lockPath;
    this.#plan = plan;
    this.#fs = fs;
    this.#startedAt = startedAt;
    this.#toldAt = startedAt;
  }

  /** Milliseconds, 0 when it is used up. */
  rest(): number {
    return Math.max(0, this.#restOf(budgetOf(this.#plan)));
  }

  /**
   * Milliseconds.
   *
   * @param inTheWay - What has just been seen in the way. Absent: it is looked for when nothing is left.
   * @throws the error of a timeout when nothing is left
   */
  left(inTheWay?: LockHolder): number {
    return this.#leftOf(budgetOf(this.#plan), inTheWay);
  }

  /** For waiting for a holder. @throws as {@link left} */
  leftForHolder(): number {
    return this.#leftOf(this.#plan.timeoutMs);
  }

  #restOf(budgetMs: number): number {
    return budgetMs - (steadyMs() - this.#startedAt);
  }

  #leftOf(budgetMs: number, inTheWay?: LockHolder): number {
    const left = this.#restOf(budgetMs);
    if (left > 0) return left;
    const { timeoutMs, face } = this.#plan;
    throw face.toError({
      kind: "timeout",
      lockPath: this.#lockPath,
      timeoutMs,
      holder: inTheWay ?? this.#holderNow(),
      obstacle: obstacleAt(this.#lockPath, this.#fs),
    });
  }

  /** Others may have come and gone since the last look. */
  #holderNow(): LockHolder {
    try {
      const evidence = freshEvidence(this.#fs);
      const reading = readLock(this.#lockPath, this.#fs, evidence);
      if (reading.kind === "absent") return UNKNOWN_HOLDER;
      return holderIn(judgeNow(reading, this.#plan.policy, evidence, () => null));
    } catch {
      return this.holder;
    }
  }

  /** Calls `onWait`, once a second at most. */
  tellWaiting(): void {
    const now = steadyMs();
    if (now - this.#toldAt < ON_WAIT_INTERVAL_MS) return;
    this.#toldAt = now;
    const owner = describeHolder(this.holder);
    this.#plan.onWait?.({ owner, waitedMs: Math.round(now - this.#startedAt) });
  }
}

/** Milliseconds from the first refusal of a run of refusals: a virus scanner on Windows, say, keeps a file so long. */
const PATIENCE_MS = 2000;

/** A run of refusals ends with the first try that is answered otherwise, whatever that answer is. */
export class RefusalPatience {
  #since: number | null = null;

  /**
   * One more refusal.
   *
   * @param nowMs - A monotonic clock.
   * @returns whether it is still worth waiting.
   */
  refused(nowMs: number): boolean {
    this.#since ??= nowMs;
    return nowMs - this.#since <= PATIENCE_MS;
  }

  answered(): void {
    this.#since = null;
  }
}
