/** Where the lock layer's facts come from: asked afresh each time, or once per sweep. */
import { dirname } from "../../util/node-modules.js";
import type { HostFacts, ProcessIdentity } from "../../process/backends/backend.js";
import { hostFacts, identityOf, tokenHost, tokenLookups } from "../../process/identity.js";
import { machineSinceBootMs } from "../../process/machine-clock.js";
import { type NestedProcesses, startTimeOffsetOf } from "../../process/nested-processes.js";
import { MS_PER_TICK } from "../../process/backends/procfs-parse.js";
import { judgeToken, type ProcessVerdict } from "../../process/judge-token.js";
import type { ProcessToken, TokenHost } from "../../process/token.js";
import type { LockFs } from "../protocol/lock-fs.js";
import { type FileSystem, fileSystemOf } from "../protocol/file-system-kind.js";

export interface EvidenceSource {
  readonly host: HostFacts;
  readonly tokenHost: TokenHost;
  readonly identity: (pid: number) => ProcessIdentity;
  readonly verify: (token: ProcessToken) => ProcessVerdict;
  /** Clock ticks since boot without any time-namespace offset; null when not known. */
  readonly sinceBootTicks: () => number | null;
  readonly startTimeOffsetOf: (pid: number) => number | null;
  /** Who runs in nested pid namespaces, by a look that began after the lock was read; null: none was made. */
  readonly nested: NestedProcesses | null;
  readonly fileSystem: (lockPath: string) => FileSystem;
  /** The same, asked now: the only evidence on which a lock may be removed. */
  readonly fresh: () => EvidenceSource;
}

/**
 * Asks the OS every time.
 *
 * @param identity - Another way to tell which process has a pid, up to date at every call.
 */
export function freshEvidence(
  fs: LockFs,
  identity: (pid: number) => ProcessIdentity = identityOf,
): EvidenceSource {
  const host = hostFacts();
  const own = tokenHost();
  const source: EvidenceSource = {
    host,
    tokenHost: own,
    identity,
    verify: verifyBy(own, identity, null),
    sinceBootTicks: () => {
      const sinceBootMs = machineSinceBootMs();
      return sinceBootMs === null ? null : sinceBootMs / MS_PER_TICK;
    },
    startTimeOffsetOf,
    nested: null,
    fileSystem: (lockPath) => fileSystemAt(dirname(lockPath), fs, host.platform),
    fresh: () => source,
  };
  return source;
}

function verifyBy(
  host: TokenHost,
  identity: EvidenceSource["identity"],
  nested: NestedProcesses | null,
): EvidenceSource["verify"] {
  const lookups = { ...tokenLookups, identity, nested: () => nested };
  return (token) => judgeToken(token, host, lookups);
}

/**
 * The same evidence for locks that were read before `nested` began: only then is a writer that is still alive
 * among those it has seen.
 */
export function withNestedLook(evidence: EvidenceSource, nested: NestedProcesses): EvidenceSource {
  // Made once: every removal asks for it.
  let fresh: EvidenceSource | null = null;
  const source: EvidenceSource = {
    ...evidence,
    nested,
    verify: verifyBy(evidence.tokenHost, evidence.identity, nested),
    fresh: () =>
      (fresh ??= evidence.fresh() === evidence ? source : withNestedLook(evidence.fresh(), nested)),
  };
  return source;
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
  const fileSystemAtOnce = memoised((directory: string) => fresh.fileSystem(`${directory}/.`));
  return remembering(fresh, (lockPath) => fileSystemAtOnce(dirname(lockPath)));
}

/** For one judgement of a lock whose file is open: the file itself says on which file system it lies. */
export function evidenceOfOpenFile(fresh: EvidenceSource, fd: number, fs: LockFs): EvidenceSource {
  return remembering(fresh, (lockPath) => {
    const type = fs.fileSystemTypeOf(fd);
    const { platform } = fresh.host;
    return type === null
      ? fresh.fileSystem(lockPath)
      : fileSystemOf(platform, type, dirname(lockPath));
  });
}

function remembering(
  fresh: EvidenceSource,
  fileSystem: EvidenceSource["fileSystem"],
): EvidenceSource {
  const identity = memoised(fresh.identity);
  // Not `{ ...fresh }`, which V8 copies many times slower: one is made for each removal.
  return {
    host: fresh.host,
    tokenHost: fresh.tokenHost,
    identity,
    verify: verifyBy(fresh.tokenHost, identity, fresh.nested),
    sinceBootTicks: fresh.sinceBootTicks,
    startTimeOffsetOf: fresh.startTimeOffsetOf,
    nested: fresh.nested,
    fileSystem,
    fresh: () => fresh,
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
export function isSameProcess(a: ProcessIdentity, b: ProcessIdentity): boolean {
  if (a.exactId !== null && b.exactId !== null) return a.exactId === b.exactId;
  return a.startTime !== null && a.startTime === b.startTime;
}
