/**
 * Whether a session file is still as this run left it.
 *
 * Armed when the lock is given up, the fence compares the file with what it was then. Everything that changes
 * it afterwards is another writer's change, except this run's own writes and the writes that other controllers of the
 * process publish: each of them leads from a state that the fence trusts to one that it then trusts instead.
 *
 * Writes of one controller may overlap (they share the lock that it holds). Between the first one's start and
 * the last one's end the file is in motion; it is compared before and looked at again afterwards.
 */
import {
  describeChange,
  type FileChange,
  howChanged,
  isSameFile,
  type SessionFileFingerprint,
  takeFingerprint,
  takeMetadata,
} from "./fingerprint.js";
import {
  addFence,
  type FenceOfThread,
  isFencedByOthers,
  publishWrite,
} from "./published-writes.js";
import { canonicalSessionPath, type SessionFs } from "./session-file.js";

/** `changed`: by another writer; `found` says how, `cause` what differs. */
export type FenceVerdict =
  | { readonly kind: "intact" }
  | { readonly kind: "changed"; readonly found: FileChange; readonly cause: Error };

/** Says that another writer's change does no harm. */
export type IsBenignChange = (
  before: SessionFileFingerprint,
  after: SessionFileFingerprint,
) => boolean | Promise<boolean>;

const INTACT: FenceVerdict = { kind: "intact" };

export class Fence implements FenceOfThread {
  readonly #sessionFile: string;
  readonly #sessionPath: string;
  readonly #fs: SessionFs;
  readonly #isBenignChange: IsBenignChange | undefined;
  #isArmed = false;
  /** What this run trusts; null: nothing; undefined: it has not looked at the file. */
  #trusted: SessionFileFingerprint | null | undefined;
  #writers = 0;
  #entry: Promise<FenceVerdict> = Promise.resolve(INTACT);
  /** The fence's own steps follow one another. */
  #lastStep: Promise<unknown> = Promise.resolve();

  constructor(
    sessionFile: string,
    {
      fs,
      isBenignChange,
    }: { readonly fs: SessionFs; readonly isBenignChange: IsBenignChange | undefined },
  ) {
    this.#sessionFile = sessionFile;
    this.#fs = fs;
    this.#isBenignChange = isBenignChange;
    this.#sessionPath = canonicalSessionPath(sessionFile, fs);
    addFence(this.#sessionPath, this);
  }

  get isArmed(): boolean {
    return this.#isArmed;
  }

  /** Compares the file with what is trusted; during own writes there is nothing to compare. */
  check(): Promise<FenceVerdict> {
    return this.#writers > 0 ? this.#entry : this.#step(() => this.#compare());
  }

  /**
   * Before a write. Each call that resolves takes one of {@link leave}.
   *
   * @throws (rejection) the file system's error
   */
  async enter(): Promise<FenceVerdict> {
    this.#writers++;
    if (this.#writers === 1) this.#entry = this.#step(() => this.#compare());
    try {
      return await this.#entry;
    } catch (error) {
      this.#writers--;
      throw error;
    }
  }

  /**
   * After a write: what the file is now is trusted, and published.
   *
   * @param assertHeld - Throws when the lock was lost. Asked last: up to then only we have written. null: the
   *   session was taken over, nothing is to be trusted any more.
   * @throws (rejection) the file system's error, or what `assertHeld` throws; nothing is trusted then
   */
  async leave(assertHeld: (() => void) | null): Promise<void> {
    this.#writers--;
    if (this.#writers > 0 || assertHeld === null) return;
    await this.#step(async () => {
      // No fence compares: this one is not armed, and no other one wants to be told.
      if (!this.#isArmed && this.#trusted === undefined) return;
      const before = this.#trusted;
      const after = await this.#trustPresent(assertHeld);
      publishWrite(this.#sessionPath, this, before, after);
    });
  }

  /**
   * From now on the file has to stay as it is.
   *
   * @throws (rejection) the file system's error, or what `assertHeld` throws: the fence is armed all the same,
   *   and trusts nothing
   */
  async arm(assertHeld: () => void): Promise<void> {
    await this.#step(async () => {
      this.#isArmed = true;
      await this.#trustPresent(assertHeld);
    });
  }

  /** A look at the file before the first write, when others have to be told of it. Never rejects. */
  async observe(): Promise<void> {
    await this.#step(() => this.#compare());
  }

  /**
   * Declares what the file is at the call to be this process's own work.
   *
   * @throws (rejection) the file system's error
   */
  async publish(): Promise<void> {
    const atCall = takeMetadata(this.#sessionFile, this.#fs);
    await this.#step(async () => {
      const now = await takeFingerprint(this.#sessionFile, this.#fs);
      // Changed after the call: that change was not declared.
      const after = isSameFile(atCall, now) ? now : atCall;
      const before = this.#trusted;
      this.#trusted = after;
      publishWrite(this.#sessionPath, this, before, after);
    });
  }

  advance(before: SessionFileFingerprint | null | undefined, after: SessionFileFingerprint): void {
    if (this.#trusted === undefined || this.#trusted === null || before === null) return;
    if (before === undefined || isSameFile(this.#trusted, before)) this.#trusted = after;
  }

  async #compare(): Promise<FenceVerdict> {
    if (!this.#isArmed) {
      await this.#lookForOthers();
      return INTACT;
    }
    const now = await takeFingerprint(this.#sessionFile, this.#fs);
    const before = this.#trusted ?? null;
    if (before === null) {
      return {
        kind: "changed",
        found: "file-changed",
        cause: new Error("nothing is known about the file to compare it with"),
      };
    }
    if (isSameFile(before, now)) {
      this.#trusted = now;
      return INTACT;
    }
    const objection = await this.#objection(before, now);
    if (objection !== null) return objection;
    this.#trusted = now;
    return INTACT;
  }

  /** Where a write would be news to another fence, what it changes has to be known. */
  async #lookForOthers(): Promise<void> {
    if (!isFencedByOthers(this.#sessionPath, this)) {
      this.#trusted = undefined;
      return;
    }
    try {
      this.#trusted = await takeFingerprint(this.#sessionFile, this.#fs);
    } catch {
      // Our own write may go on; the other fences will not recognise it.
      this.#trusted = null;
    }
  }

  /** null: the change does no harm. */
  async #objection(
    before: SessionFileFingerprint,
    after: SessionFileFingerprint,
  ): Promise<FenceVerdict | null> {
    let failure: { readonly cause: unknown } | null = null;
    try {
      if ((await this.#isBenignChange?.(before, after)) === true) return null;
    } catch (cause) {
      failure = { cause };
    }
    const found = await howChanged(this.#sessionFile, before, after, this.#fs);
    const what = describeChange(before, after, found);
    const cause =
      failure === null
        ? new Error(what)
        : new Error(`isBenignChange failed after ${what}`, failure);
    return { kind: "changed", found, cause };
  }

  async #trustPresent(assertHeld: () => void): Promise<SessionFileFingerprint> {
    this.#trusted = null;
    const present = await takeFingerprint(this.#sessionFile, this.#fs);
    assertHeld();
    this.#trusted = present;
    return present;
  }

  #step<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#lastStep.then(step);
    this.#lastStep = result.catch(() => {});
    return result;
  }
}
