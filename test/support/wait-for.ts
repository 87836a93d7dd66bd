import { setTimeout as delay } from "node:timers/promises";

/**
 * Asks `condition` until it gives something truthy and returns that; rejects when the deadline passes.
 *
 * @param what - what is waited for, for the error
 */
export async function waitFor<T>(
  what: string,
  condition: () => T | Promise<T>,
  { deadlineMs = 10_000 }: { deadlineMs?: number } = {},
): Promise<NonNullable<T>> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > deadline)
      throw new Error(`waited ${deadlineMs} ms in vain for ${what}`);
    await delay(2);
  }
}
