/** The real calls of an operation, in the words of the model. */
import { dirname } from "node:path";

import { type LockFs, realLockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { errorCode } from "../../../lib/util/error-code.js";

// Asked beside the protocol: where the file is, and whether there are kernel locks at all.
const BESIDE: ReadonlySet<string> = new Set([
  "readLink",
  "realpath",
  "fileSystemType",
  "fileSystemTypeOf",
  "canLock",
  "isWithoutLinks",
]);
// Looks that decide which file's lock is meant, or when to try again, never what is done.
const LOOKS: ReadonlySet<string> = new Set([
  "lstat(A)",
  "lstat(L)",
  "kindAt(A)",
  "kindAt(L)",
  "exists(L)",
]);
// What the model knows by the system calls that they make, one for each argument.
const SYSTEM_CALLS: Readonly<Record<string, readonly string[]>> = {
  fileId: ["fstat"],
  isNamed: ["lstat", "fstat"],
};
// Answers that are numbers, contents or nothing: what matters is the next call.
const OPAQUE: ReadonlySet<string> = new Set([
  "fstat",
  "lstat",
  "read",
  "exists",
  "stamp",
  "stampAt",
]);
/** Calls that are about two files. */
const PAIRS: ReadonlySet<string> = new Set(["link", "rename", "linkOpenFile"]);

export interface Recording {
  readonly fs: LockFs;
  /** `call(at)`, with the answer where the model's answer is one word. */
  readonly calls: string[];
}

/** The real file system, taking notes. */
export function recordCalls(lockPath: string): Recording {
  const calls: string[] = [];
  const descriptors: (number | undefined)[] = [];
  const placeOf = (value: unknown): string => {
    if (typeof value === "number") return `fd${descriptors.indexOf(value)}`;
    if (value === lockPath) return "L";
    if (value === `${lockPath}.guard`) return "G";
    if (value === `${lockPath}.reclaim`) return "another library's guard";
    if (value === dirname(lockPath)) return "D";
    return String(value).endsWith(".tmp") ? "T" : "A";
  };
  const opened = (fd: number): string => {
    const free = descriptors.indexOf(undefined);
    const slot = free === -1 ? descriptors.length : free;
    descriptors[slot] = fd;
    return String(slot);
  };
  const record = (name: string, call: (...args: unknown[]) => unknown) => {
    return (...args: unknown[]): unknown => {
      if (BESIDE.has(name)) return call(...args);
      const isPair = PAIRS.has(name);
      const place = args
        .slice(0, isPair ? 2 : 1)
        .map(placeOf)
        .join(" ");
      try {
        const result = call(...args);
        const isDescriptor = typeof result === "number" && name !== "read";
        const word = isDescriptor ? opened(result) : typeof result === "string" ? result : "ok";
        if (name === "close") descriptors[descriptors.indexOf(args[0] as number)] = undefined;
        const label = `${name}(${place})`;
        const parts = SYSTEM_CALLS[name];
        if (parts !== undefined)
          calls.push(
            ...parts
              .map((part, i) => `${part}(${placeOf(args[i])})`)
              .filter((one) => !LOOKS.has(one)),
          );
        else if (!LOOKS.has(label)) calls.push(OPAQUE.has(name) ? label : `${label} → ${word}`);
        return result;
      } catch (error) {
        calls.push(`${name}(${place}) → ${errorCode(error)}`);
        throw error;
      }
    };
  };
  const entries = Object.entries(realLockFs) as [string, (...args: unknown[]) => unknown][];
  const fs = Object.fromEntries(entries.map(([name, call]) => [name, record(name, call)]));
  return { fs: fs as unknown as LockFs, calls };
}

/** A step's calls in the same words, without what is no call of `LockFs`. */
export function callsIn(label: string): string[] {
  return label
    .slice(label.indexOf(": ") + 2)
    .split("; ")
    .filter((part) => /^(?!identity|now|write\()\w+\(/u.test(part))
    .map((part) => (OPAQUE.has(/^\w+/u.exec(part)?.[0] ?? "") ? part.replace(/ → .*/u, "") : part))
    .filter((part) => !LOOKS.has(part));
}

/** Descriptors by the names under which they were opened: the model gives the held one the first number. */
export function byName(calls: readonly string[]): string[] {
  const names = new Map<string, string>();
  return calls.map((call) => {
    const [, name = "", place = "", opened] = /^(\w+)\(([^)]*)\)(?: → (\d+))?/u.exec(call) ?? [];
    if (opened !== undefined) {
      names.set(`fd${opened}`, name.startsWith("create") ? "held" : place);
      return `${name}(${place})`;
    }
    const [fd, target = ""] = /^(fd\d+)(?: ([LTA]))?/u.exec(place)?.slice(1) ?? [];
    if (fd === undefined) return call;
    const open = `the open ${names.get(fd) ?? "held"}`;
    if (name === "close") names.delete(fd);
    return call.replace(place, target === "" ? open : `${open} ${target}`);
  });
}
