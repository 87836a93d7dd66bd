/** The real file system, of whose calls one fails. */
import { type LockFs, realLockFs } from "../../../lib/lock/protocol/lock-fs.js";

/**
 * `refused`: the call does nothing and gives the error. `unanswered`: it is done, and the answer is lost,
 * as on a network. `cut short`: it reads one byte, or writes the first half of what it should. `locks refused`: from
 * that call on no kernel lock is to be had, nor asked for.
 */
export type Fault =
  | { readonly kind: "refused" | "unanswered" | "locks refused"; readonly code: string }
  | { readonly kind: "cut short" };

export interface FailingFs {
  readonly fs: LockFs;
  /** From now on calls are counted, and the n-th one fails; 0: none. */
  readonly arm: (n: number, fault: Fault) => void;
  /** Stops that; gives the names of the calls that were made meanwhile. */
  readonly disarm: () => readonly string[];
}

type AnyCall = (...args: unknown[]) => unknown;

/** @param realFs - The calls that are made. */
export function failingFs(realFs: LockFs = realLockFs): FailingFs {
  let fatal: { readonly n: number; readonly fault: Fault } | null = null;
  let calls: string[] = [];
  const numbered = (name: string, call: AnyCall): AnyCall => {
    return (...args) => {
      if (fatal === null) return call(...args);
      calls.push(name);
      const { n, fault } = fatal;
      if (fault.kind === "locks refused") {
        const isRefused = n > 0 && calls.length >= n && LOCKING.has(name);
        return isRefused ? { refused: fault.code } : call(...args);
      }
      return calls.length === n ? fail(name, call, args, fault) : call(...args);
    };
  };
  const fs: LockFs = {
    ...numberAll(realFs, numbered),
    list: (directory) => {
      const listing = numbered("list", realFs.list as AnyCall)(directory);
      return numberAll(listing as ReturnType<LockFs["list"]>, numbered);
    },
  };
  return {
    fs,
    arm: (n, fault) => {
      fatal = { n, fault };
      calls = [];
    },
    disarm: () => {
      fatal = null;
      return calls;
    },
  };
}

/** The calls that take a kernel lock, or ask for one. */
export const LOCKING: ReadonlySet<string> = new Set([
  "tryExclusive",
  "probe",
  "tryOwn",
  "probeOwner",
]);

function numberAll<T extends object>(
  calls: T,
  numbered: (name: string, call: AnyCall) => AnyCall,
): T {
  const entries = Object.entries(calls) as [string, AnyCall][];
  return Object.fromEntries(entries.map(([name, call]) => [name, numbered(name, call)])) as T;
}

function fail(
  name: string,
  call: AnyCall,
  args: unknown[],
  fault: Exclude<Fault, { readonly kind: "locks refused" }>,
): unknown {
  if (fault.kind === "cut short") return cutShort(name, call, args);
  const { code } = fault;
  switch (name) {
    // These answer, they do not throw.
    case "canLock":
    case "exists":
    case "isNamed":
      return false;
    case "tryExclusive":
    case "probe":
    case "tryOwn":
    case "probeOwner":
      return { refused: code };
    case "fileSystemTypeOf":
    case "stamp":
    case "stampAt":
      return null;
    case "drop":
      // Nothing is said of a lock that stays until its descriptor is closed.
      return undefined;
    case "close":
      // Whatever close says, the descriptor is gone.
      call(...args);
      throw systemError(name, code);
    default: {
      const result = fault.kind === "unanswered" ? call(...args) : undefined;
      if (name === "list") (result as ReturnType<LockFs["list"]> | undefined)?.close();
      if (typeof result === "number" && name !== "read" && name !== "fileSystemType") {
        // No caller has been told of this descriptor.
        realLockFs.close(result);
      }
      throw systemError(name, code);
    }
  }
}

function cutShort(name: string, call: AnyCall, args: unknown[]): unknown {
  if (name === "read") {
    const [fd, buffer, offset, length] = args as Parameters<LockFs["read"]>;
    return realLockFs.read(fd, buffer, offset, Math.min(1, length));
  }
  if (name === "writeText") {
    const [fd, text] = args as Parameters<LockFs["writeText"]>;
    realLockFs.writeText(fd, text.slice(0, text.length / 2));
    throw systemError(name, "ENOSPC");
  }
  return call(...args);
}

function systemError(syscall: string, code: string): Error {
  return Object.assign(new Error(`${code}: injected, ${syscall}`), { code, syscall });
}
