/** A switch that callers wait for: once it is opened it stays open. It may never be opened. */
export class Latch {
  readonly opened: Promise<void>;
  #open: () => void = () => {};

  constructor() {
    this.opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  open(): void {
    this.#open();
  }
}

/** True when `work` resolved before the latch was opened; rejects when it rejected before. */
export async function isDoneBefore(latch: Latch, work: Promise<unknown>): Promise<boolean> {
  return await Promise.race([work.then(() => true), latch.opened.then(() => false)]);
}
