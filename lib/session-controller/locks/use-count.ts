/** Counts how many are using something, and tells when nobody is. */
export class Uses {
  #count = 0;
  #waiting: (() => void)[] = [];

  get isIdle(): boolean {
    return this.#count === 0;
  }

  /** One more; it ends with the first call of the returned function. */
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

  /** Resolves when nobody is, which may be at once. */
  whenIdle(): Promise<void> {
    return this.isIdle
      ? Promise.resolve()
      : new Promise((resolve) => {
          this.#waiting.push(resolve);
        });
  }
}
