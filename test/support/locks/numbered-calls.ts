import { importCompiled } from "./lock-holder.js";

/**
 * Source for a child process: `fs`, the lock layer's real file calls, which counts them in `calls`, and runs
 * `statement` (which may use the call's `name`) right before the one that has the number `fatal`.
 */
export function numberedCalls(statement: string): string {
  return `
    ${importCompiled("realLockFs", "lock/protocol/lock-fs.js")}
    let calls = 0;
    const fs = Object.fromEntries(Object.entries(realLockFs).map(([name, call]) => [name, (...args) => {
      if (++calls === fatal) { ${statement} }
      return call(...args);
    }]));`;
}
