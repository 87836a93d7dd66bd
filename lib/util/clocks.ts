/**
 * The runtime's clocks, which go on in real time. Fake timers of a test (Sinon, Jest, Vitest) replace the global ones: a
 * wait for another process would then never end, and a lock file would tell other processes a time that is none.
 */
import { perfHooks } from "./node-modules.js";

let read: (() => number) | undefined;

/** Milliseconds on the clock of `performance.now`. */
export function runtimeMs(): number {
  read ??= realReader();
  return read();
}

/**
 * By the method of the class: fakes stand in the place of the global object, or hang on the object itself. Asked when it
 * is first needed, for the module takes 2 ms to load.
 */
function realReader(): () => number {
  const { performance } = perfHooks();
  const { now } = Object.getPrototypeOf(performance) as Partial<typeof performance>;
  return typeof now === "function" ? now.bind(performance) : () => performance.now();
}

/** Milliseconds since the Unix epoch by the wall clock, as it was at this package's import. */
// oxlint-disable-next-line typescript/unbound-method, eslint/no-restricted-properties -- it needs no `this`; the real one
export const { now: wallMs } = Date;
