/** Counts the running uses of something, and tells when none is left. */
export class UseCount {
  #count = 0;
  #waiting: (() => void)[] = [];

  get isIdle(): boolean {
    return this.#count === 0;
  }

  /** Counts one more use; it ends with the first call of the returned function. */
  begin(): () => void {
    this.#count++;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#count--;
      if (this.#count === 0) this.#waiting.splice(0).forEach((wake) => wake());
    };
  }

  /** Resolves when no use is running, which may be at once. */
  whenIdle(): Promise<void> {
    return this.isIdle
      ? Promise.resolve()
      : new Promise((resolve) => {
          this.#waiting.push(resolve);
        });
  }
}
