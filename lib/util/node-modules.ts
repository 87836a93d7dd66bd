/**
 * Node's own modules, without what importing them costs.
 *
 * An `import` reads every export, and so runs its getters: `node:fs` then loads all streams, `node:util` a parser of
 * command lines, `node:timers` its promises, `node:crypto` web crypto. Together that took longer than all of this
 * package. `process.getBuiltinModule` gives the same objects and reads nothing. Those that Node has loaded for itself by
 * then are constants here; the others are loaded by the first call that needs them.
 */
import { whyUnsupported } from "./node-version.js";

// Taken once: `process` may be gone when a lock ends, with the realm that Jest makes for each test file.
const { getBuiltinModule } = process as Partial<typeof process>;

const builtin = (getBuiltinModule ?? absent) as typeof process.getBuiltinModule;

export const fs = builtin("node:fs");
export const util = builtin("node:util");
export const { AsyncLocalStorage } = builtin("node:async_hooks");
// oxlint-disable-next-line typescript/unbound-method -- they are exported by name, too: none needs a `this`
export const { basename, dirname, isAbsolute, join, normalize, parse, resolve, sep, win32 } =
  builtin("node:path");
export const { fileURLToPath } = builtin("node:url");
// Not the global ones, which a test runner may have replaced or, for jsdom, removed; nor those that it has put into the
// module since the import.
export const { clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } =
  builtin("node:timers");
// Likewise; no module has it.
export const { queueMicrotask } = globalThis;

/** 3 ms, most of it OpenSSL's start. */
export const crypto = () => builtin("node:crypto");
export const diagnosticsChannel = () => builtin("node:diagnostics_channel");
export const https = () => builtin("node:https");
export const nodeModule = () => builtin("node:module");
export const os = () => builtin("node:os");
/** 2 ms. */
export const perfHooks = () => builtin("node:perf_hooks");
/** 2 ms. */
export const workerThreads = () => builtin("node:worker_threads");

/**
 * For a Node without `process.getBuiltinModule`, where importing this package must not throw either. Stands for a module
 * and for everything in it; calling it says what is missing.
 */
function absent(): unknown {
  const nothing: object = new Proxy(refuse, {
    // Modules reckon with fs.constants at import.
    get: (_, key) => (key === Symbol.toPrimitive ? () => Number.NaN : nothing),
    construct: () => nothing,
    apply: refuse,
  });
  return nothing;
}

function refuse(): never {
  throw new Error(whyUnsupported() ?? "there is no process.getBuiltinModule");
}
