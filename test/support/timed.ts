/** How long something takes. */

/** Far below the 2 s for which a release keeps trying, and far above what an idle machine needs. */
export const AT_ONCE_MS = 1000;

/** Milliseconds that an action takes, with what it gives. */
export async function timed<T>(
  action: () => Promise<T>,
): Promise<{ readonly ms: number; readonly result: T }> {
  const started = performance.now();
  const result = await action();
  return { ms: performance.now() - started, result };
}
