/** Where the lock layer's facts come from: asked afresh each time, or once per sweep. */
import { dirname } from "node:path";

import type { HostFacts, ProcessIdentity } from "../process/backend.js";
import { hostFacts, identityOf, tokenHost, tokenLookups } from "../process/identity.js";
import { secondsSinceBoot } from "../process/seconds-since-boot.js";
import {
  judgeToken,
  type ProcessToken,
  type ProcessVerdict,
  type TokenHost,
} from "../process/token.js";
import type { LockFs } from "../util/lock-fs.js";
import { type FileSystem, fileSystemOf } from "./file-system.js";

export interface EvidenceSource {
  readonly host: HostFacts;
  readonly tokenHost: TokenHost;
  readonly identity: (pid: number) => ProcessIdentity;
  readonly verify: (token: ProcessToken) => ProcessVerdict;
  /** Clock ticks since boot, as this process sees it: /proc/uptime, CLOCK_BOOTTIME. */
  readonly uptimeTicks: () => number;
  readonly fileSystem: (lockPath: string) => FileSystem;
}

// USER_HZ of every Linux ABI that Node runs on (sysconf(_SC_CLK_TCK)).
const TICKS_PER_SECOND = 100;

/**
 * Asks the OS every time: the only evidence on which a lock may be removed.
 *
 * @param identity - Another way to a pid's occupant that is up to date at every call.
 */
export function freshEvidence(
  fs: LockFs,
  identity: (pid: number) => ProcessIdentity = identityOf,
): EvidenceSource {
  const host = hostFacts();
  return {
    host,
    tokenHost: tokenHost(),
    identity,
    verify: (token) => judgeToken(token, tokenHost(), { ...tokenLookups, identity }),
    // Unknown: no start time proves an earlier boot then.
    uptimeTicks: () => (secondsSinceBoot() ?? Number.POSITIVE_INFINITY) * TICKS_PER_SECOND,
    fileSystem: (lockPath) => fileSystemAt(dirname(lockPath), fs, host.platform),
  };
}

function fileSystemAt(directory: string, fs: LockFs, platform: NodeJS.Platform): FileSystem {
  if (platform !== "win32") {
    return fileSystemOf(platform, fs.fileSystemType(directory), directory);
  }
  const named = fileSystemOf(platform, 0, directory);
  // A share by its own name: there is nothing to ask, over a network perhaps.
  if (named.kind !== "local") return named;
  try {
    return fileSystemOf(platform, 0, fs.realpath(directory));
  } catch {
    // Some drivers (RAM disks, sandboxes) cannot say: then it is not known whose kernel keeps the locks.
    return { kind: "unlisted", name: null };
  }
}

/** Asks once per pid and directory and remembers: for reports, and for keeping locks. */
export function memoisedEvidence(fresh: EvidenceSource): EvidenceSource {
  const identity = memoised(fresh.identity);
  const fileSystemOf = memoised((directory: string) => fresh.fileSystem(`${directory}/.`));
  return {
    ...fresh,
    identity,
    verify: (token) => judgeToken(token, fresh.tokenHost, { ...tokenLookups, identity }),
    fileSystem: (lockPath) => fileSystemOf(dirname(lockPath)),
  };
}

function memoised<K, V>(ask: (key: K) => V): (key: K) => V {
  const answers = new Map<K, V>();
  return (key) => {
    const known = answers.get(key);
    if (known !== undefined || answers.has(key)) return known as V;
    const answer = ask(key);
    answers.set(key, answer);
    return answer;
  };
}

/**
 * Whether two answers about one pid speak of the same process. Two answers that cannot be compared do
 * not: what was learnt from the first must not be used against the second.
 */
export function isSameOccupant(a: ProcessIdentity, b: ProcessIdentity): boolean {
  if (a.exactId !== null && b.exactId !== null) return a.exactId === b.exactId;
  return a.startTime !== null && a.startTime === b.startTime;
}
