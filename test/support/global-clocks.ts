/**
 * Fake timers replace the global clocks, and the package takes its own. A test that lets time pass by them mocks with these
 * what lib/util/clocks.ts and lib/util/node-modules.ts export.
 */

export const globalClocks = (): object => ({
  runtimeMs: () => performance.now(),
  wallMs: () => Date.now(),
});

export async function withGlobalTimers(original: () => Promise<unknown>): Promise<object> {
  return {
    ...((await original()) as object),
    setTimeout: (callback: () => void, ms: number) => setTimeout(callback, ms),
    clearTimeout: (timer: NodeJS.Timeout) => clearTimeout(timer),
    setInterval: (callback: () => void, ms: number) => setInterval(callback, ms),
    clearInterval: (timer: NodeJS.Timeout) => clearInterval(timer),
  };
}
