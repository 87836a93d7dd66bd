/** What a lock says of the lease above it. Pure. */

/** Which hold on which key a lock was taken under. */
export interface LeaseClaim {
  /** Random id of the lease store: epochs of different stores never compare. */
  readonly store: string;
  readonly key: string;
  /** Grows with every change of holder. */
  readonly epoch: bigint;
}

/** A claim as texts, as the lock file has it: JSON knows no bigint. */
export interface LeaseOfLock {
  readonly store: string;
  readonly key: string;
  /** Decimal digits. */
  readonly epoch: string;
}

export function asTexts({ store, key, epoch }: LeaseClaim): LeaseOfLock {
  return { store, key, epoch: String(epoch) };
}

/** Whether a lock was taken under an earlier hold on the same lease: its holder has lost it. */
export function isSuperseded(theirs: LeaseClaim | null, ours: LeaseClaim | null): boolean {
  return (
    theirs !== null &&
    ours !== null &&
    theirs.store === ours.store &&
    theirs.key === ours.key &&
    theirs.epoch < ours.epoch
  );
}
