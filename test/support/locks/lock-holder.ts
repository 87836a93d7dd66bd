/** Real processes that hold session locks, written the way this package's holders write them. */
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import {
  COMPILED,
  DIST,
  nodeArguments,
  type RunningChild,
  startReady,
} from "../processes/child.js";

/** Source of an ES module import of what users import, for scripts of child processes. */
export function importDist(
  names: string,
  file: `${"file-lock" | "lease" | "proper-lockfile" | "session-attention" | "session-controller" | "session-lock"}/index.js`,
): string {
  return `import { ${names} } from ${JSON.stringify(DIST + file)};`;
}

/** The same of any compiled file of lib/; the whole script then runs on those, see {@link nodeArguments}. */
export function importCompiled(names: string, file: string): string {
  return `import { ${names} } from ${JSON.stringify(COMPILED + file)};`;
}

const HOLDER = `
${importCompiled("fileSystemOf", "lock/protocol/file-system-kind.js")}
${importCompiled("hasInodeGuards", "lock/protocol/guard.js")}
${importCompiled("formatPayload", "lock/protocol/payload.js")}
${importCompiled("realLockFs as lockFs", "lock/protocol/lock-fs.js")}
import { openSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
const { lockPath, keep, hasGuardFile, fields } = JSON.parse(process.argv[1]);
const fd = openSync(lockPath, "wx");
const { kind, name } = fileSystemOf(process.platform, lockFs.fileSystemTypeOf(fd) ?? 0, "");
const isOwnGuard = !hasGuardFile && hasInodeGuards(process.platform, kind);
const hasLock = (isOwnGuard ? lockFs.tryOwn(fd) : lockFs.tryExclusive(fd)) === "acquired";
const payload = {
  pid: process.pid,
  createdAt: new Date().toISOString(),
  maxHoldMs: 300_000,
  starttime: p.getProcessStartTime(process.pid),
  owner: p.identifyProcess(),
  nonce: randomBytes(16).toString("hex"),
  kernelLock: hasLock ? lockFs.fileId(fd) : null,
  monotonicMs: null,
  label: null,
  fileSystem: name,
  guard: isOwnGuard && hasLock ? "inode" : null,
  verified: null,
  lease: null,
  ...fields,
};
writeFileSync(fd, formatPayload(payload));
if (!keep) lockFs.close(fd);
console.log("holding");
process.stdin.resume();
process.stdin.on("end", () => process.exit());
`;

/**
 * Starts a process that holds `lockPath` until it is killed.
 *
 * @param keep - false: it lives on, but lets go of its kernel lock, as a terminated worker would.
 * @param hasGuardFile - its lock is of the kind with a guard file, as of a process in a sandbox that does not know the
 *   other one.
 * @param fields - payload keys to write otherwise.
 */
export function startHolder(
  lockPath: string,
  {
    keep = true,
    hasGuardFile = false,
    fields = {},
    prefix = [],
  }: {
    keep?: boolean;
    hasGuardFile?: boolean;
    fields?: Readonly<Record<string, unknown>>;
    prefix?: readonly string[];
  } = {},
): Promise<RunningChild> {
  const task = JSON.stringify({ lockPath, keep, hasGuardFile, fields });
  const [file, ...args] = [...prefix, process.execPath, ...nodeArguments(HOLDER), task];
  return startReady(file, args);
}

/** Writes a lock as another program of the plain format would: no token, no kernel lock. */
export function writePlainLock(
  folder: string,
  name: string,
  fields: Readonly<Record<string, unknown>>,
): string {
  const lockPath = join(folder, `${name}.jsonl.lock`);
  const payload = { createdAt: new Date().toISOString(), maxHoldMs: 300_000, ...fields };
  writeFileSync(lockPath, JSON.stringify(payload));
  return lockPath;
}

/**
 * Removes a lock's name while it is held, as the holder's own release would. On Windows the
 * name of an unlinked file stays taken while any process has the file open.
 */
export function takeNameAway(lockPath: string): void {
  if (process.platform !== "win32") return rmSync(lockPath);
  const aside = `${lockPath}.aside`;
  renameSync(lockPath, aside);
  rmSync(aside);
}
