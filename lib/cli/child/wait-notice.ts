/** Says who holds a lock while it is waited for: when that changes, and now and then. */
import { printable } from "../../util/printable.js";
import type { CliIo } from "../terminal/io.js";
import { holderOf } from "./holder.js";

/** How often the same is said again, milliseconds. */
const REPEAT_MS = 10_000;

export class WaitNotice {
  readonly #lockPath: string;
  readonly #io: Pick<CliIo, "stderr" | "now">;
  readonly #giveUp: () => void;
  #key: string | null = null;
  #toldAt = -Infinity;
  #isOver = false;

  /** @param giveUp - Called when what is in the way is no lock at two looks: waiting is in vain. */
  constructor(lockPath: string, io: Pick<CliIo, "stderr" | "now">, giveUp: () => void) {
    this.#lockPath = lockPath;
    this.#io = io;
    this.#giveUp = giveUp;
  }

  /** To be called while waiting, however often. */
  async tell(): Promise<void> {
    const holder = await holderOf(this.#lockPath);
    if (holder === null || this.#isOver) return;
    if (holder.isNoLock) {
      if (holder.key === this.#key) this.#giveUp();
      this.#key = holder.key;
      return;
    }
    const now = this.#io.now();
    if (holder.key === this.#key && now - this.#toldAt < REPEAT_MS) return;
    this.#key = holder.key;
    this.#toldAt = now;
    this.#io.stderr.write(
      `pidentity: waiting for ${printable(this.#lockPath)}: ${holder.clause}\n`,
    );
  }

  /** Nothing is said from now on. */
  end(): void {
    this.#isOver = true;
  }
}
