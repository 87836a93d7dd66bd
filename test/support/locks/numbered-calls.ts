import { importCompiled, writePlainLock } from "./lock-holder.js";

/** What a child's lock calls are; see lock-kinds.ts. */
const KINDS = {
  /** The machine's own. */
  real: "realLockFs",
  guardFiles: `{
      ...realLockFs,
      createUnnamed: () => { throw Object.assign(new Error("EOPNOTSUPP"), { code: "EOPNOTSUPP" }); },
      tryOwn: () => ({ refused: "EINVAL" }),
      probeOwner: () => ({ refused: "EINVAL" }),
    }`,
} as const;

export type CallsOf = keyof typeof KINDS;

/** A lock of that kind which its owner has left in `folder`, of the session s. */
export function writeDeadLock(
  folder: string,
  kind: CallsOf,
  owner: { readonly pid: number; readonly owner: string },
): void {
  // What has a nonce and says nothing of another guard has a guard file.
  const nonce = kind === "guardFiles" ? "0".repeat(32) : undefined;
  writePlainLock(folder, "s", { ...owner, nonce });
}

/**
 * Source for a child process: `fs`, the lock layer's real file calls, which counts them in `calls`, and runs
 * `statement` (which may use the call's `name`) right before the one that has the number `fatal`.
 */
export function numberedCalls(statement: string, kind: CallsOf = "real"): string {
  return `
    ${importCompiled("realLockFs", "lock/protocol/lock-fs.js")}
    let calls = 0;
    const kindOfFs = ${KINDS[kind]};
    const fs = Object.fromEntries(Object.entries(kindOfFs).map(([name, call]) => [name, (...args) => {
      if (++calls === fatal) { ${statement} }
      return call(...args);
    }]));`;
}
