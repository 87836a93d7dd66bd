/** Judges locks of this package by its own rules, and removes those that are proven abandoned when asked to. */
import { identityOf } from "../../../process/identity.js";
import { lookForNestedProcesses } from "../../../process/nested-processes.js";
import { PID_FILE_POLICY } from "../../../file-lock/policy.js";
import { realLockFs } from "../../../lock/protocol/lock-fs.js";
import type { PresentReading } from "../../../lock/verdict/judge.js";
import { Callbacks } from "../../../session-lock/sweep/callbacks.js";
import { LockSweeper } from "../../../session-lock/sweep/lock-sweeper.js";
import { SweepNotices } from "../../../session-lock/sweep/notices.js";
import {
  resolveSweepOptions,
  type SweepOptions,
  type SweepPlan,
} from "../../../session-lock/sweep/options.js";
import type { SessionLockInspection } from "../../../session-lock/reasons.js";
import type { TimeSlice } from "../../../util/time-slice.js";

/**
 * Which of this package's locks it is: only sessions' are plain sometimes, and too old ever. `bare-pid`: a pid file that says
 * nothing but the pid.
 */
export type OwnKind = "session-lock" | "pidentity" | "bare-pid";

/** Judges one lock after another; `settle` judges those that wait for a look at other pid namespaces. */
export class OwnLocks {
  readonly #slice: TimeSlice;
  readonly #sweepers: Readonly<Record<OwnKind, LockSweeper>>;
  readonly #waiting: {
    readonly reading: PresentReading;
    readonly kind: OwnKind;
    readonly settle: (inspection: SessionLockInspection) => void;
  }[] = [];

  constructor(options: SweepOptions, slice: TimeSlice) {
    this.#slice = slice;
    const plan = resolveSweepOptions({ ...options, sessionsDir: "." });
    const notices = new SweepNotices(() => {}, new Callbacks());
    const sweeperOf = (of: SweepPlan): LockSweeper =>
      new LockSweeper(of, realLockFs, slice, notices);
    this.#sweepers = {
      "session-lock": sweeperOf(plan),
      pidentity: sweeperOf(ofAnyFile(plan, options)),
      "bare-pid": sweeperOf(ofBarePid(plan, options)),
    };
  }

  close(): void {
    for (const sweeper of Object.values(this.#sweepers)) sweeper.close();
  }

  /** @param settle - Called now or by {@link settle}; not when the file is gone by now. */
  async judge(
    path: string,
    kind: OwnKind,
    settle: (inspection: SessionLockInspection) => void,
  ): Promise<void> {
    const swept = await this.#sweepers[kind].sweep(path);
    if (swept.kind === "done") settle(swept.inspection);
    if (swept.kind === "waits") this.#waiting.push({ reading: swept.reading, kind, settle });
  }

  async settle(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const nested = await lookForNestedProcesses(identityOf, this.#slice);
    for (const { reading, kind, settle } of this.#waiting.splice(0)) {
      if (this.#slice.exhausted()) await this.#slice.next();
      settle(await this.#sweepers[kind].afterLook(nested)(reading));
    }
  }
}

/**
 * A file lock is never too old, and any program may hold one. What another program has put in its place since it was
 * looked at is kept.
 */
function ofAnyFile(plan: SweepPlan, { staleMs }: SweepOptions): SweepPlan {
  return {
    ...plan,
    policy: {
      ...plan.policy,
      staleMs: staleMs ?? Infinity,
      plainLocks: "keep",
      isOwnerArgv: () => true,
      readOther: () => "no-lock",
    },
  };
}

/**
 * As `readPidFile` judges, but that the pid proves nothing: only the kernel lock does, with the mark beside it. The file may
 * be another program's by the time that it is judged, and then stays.
 */
function ofBarePid(plan: SweepPlan, options: SweepOptions): SweepPlan {
  const { policy } = ofAnyFile(plan, options);
  return { ...plan, policy: { ...policy, readOther: PID_FILE_POLICY.readOther } };
}
