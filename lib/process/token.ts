/**
 * Identity tokens: one printable word that names one process of one boot of one machine.
 *
 * `pi1.<platform>.<host>.<hostname>.<boot>.<pidns>.<pid>.<start>.<exact>`
 *
 * | field | content |
 * |---|---|
 * | platform | `process.platform` |
 * | host | 16 hex digits: digest of the machine id |
 * | hostname | 8 hex digits: digest of the host name |
 * | boot | the boot's id, lower-case letters and digits |
 * | pidns | Linux: inode of the pid namespace; `0` elsewhere |
 * | pid | decimal, as seen in that namespace |
 * | start | {@link ProcessIdentity.startTime} |
 * | exact | {@link ProcessIdentity.exactId} |
 *
 * `-` stands for "unknown" in every field but platform and pid. Nine fields, fewer than 160 printable
 * ASCII characters. Pure: digests and lookups come from identity.ts.
 */
import type { ProcessIdentity } from "./backends/backend.js";
import type { NestedProcess, NestedProcesses } from "./nested-processes.js";
import type { ProcessReason } from "./process-info.js";

/** Inode of Linux's first pid namespace (PROC_PID_INIT_INO of include/linux/proc_ns.h). */
export const INITIAL_PID_NAMESPACE = "4026531836";

/** A parsed token; null is "unknown". */
export interface ProcessToken {
  readonly platform: string;
  readonly hostDigest: string | null;
  readonly hostnameDigest: string | null;
  readonly boot: string | null;
  readonly pidNamespace: string | null;
  readonly pid: number;
  readonly startTime: number | null;
  readonly exactId: string | null;
}

/** What tokens say about the machine: the fields that all tokens of one process's children share. */
export interface TokenHost extends Pick<
  ProcessToken,
  "platform" | "hostDigest" | "hostnameDigest" | "boot" | "pidNamespace"
> {
  /** True also where the OS has no pid namespaces. */
  readonly initialPidNamespace: boolean;
  /** The host's id was given by those who run it, and is not a container image's. */
  readonly isHostIdPinned: boolean;
}

/** Proof that the named process has ended; `recycled`: its pid belongs to a later process. */
export type ProcessGoneReason = "no-such-process" | "recycled" | "zombie" | "exited" | "rebooted";

/**
 * Why nothing is proven. `other-host`: another machine, or another boot of what may be another machine.
 * `other-pid-namespace`: its pid means nothing here. `access-denied`: the OS hides what would tell the
 * process from a later one. `unsupported`: this backend cannot tell. `malformed`: not a token, or one of
 * a newer version.
 */
export type ProcessUnknownReason =
  | "other-host"
  | "other-pid-namespace"
  | "access-denied"
  | "unsupported"
  | "malformed";

/** Is the process that a token names still running? */
export type ProcessVerdict =
  | { readonly state: "same"; readonly reason: "running" }
  | { readonly state: "gone"; readonly reason: ProcessGoneReason }
  | { readonly state: "unknown"; readonly reason: ProcessUnknownReason };

/** The questions that a verdict may need; both may be memoised by the caller. */
export interface TokenLookups {
  /** The occupant of a pid now; `invalid-pid` for numbers that no process can have. */
  readonly identity: (pid: number) => ProcessIdentity;
  /** See `ProcessBackend.byExactId`. */
  readonly byExactId: (exactId: string) => Pick<ProcessIdentity, "state" | "reason">;
  /**
   * A look at the processes of nested pid namespaces that began after the token was read; null: none was made.
   * Only asked in the initial pid namespace.
   */
  readonly nested: () => NestedProcesses | null;
}

const VERSION = "pi1";
const UNKNOWN = "-";
const MAX_LENGTH = 159;
const MAX_PID = 2 ** 32 - 1;
const MAX_UINT64 = 2n ** 64n - 1n;

const PLATFORM = /^[a-z][a-z0-9]{0,9}$/u;
const HOST = /^[0-9a-f]{16}$/u;
const HOSTNAME = /^[0-9a-f]{8}$/u;
const BOOT = /^[0-9a-z]{1,40}$/u;
const DECIMAL = /^(?:0|[1-9][0-9]{0,19})$/u;

/** Writes a token. The caller vouches for the fields' shapes; {@link parseToken} reads it back. */
export function formatToken(token: ProcessToken): string {
  return formatTokenOn(tokenPrefix(token), token);
}

/** How the tokens of all processes of one host, boot and pid namespace begin. */
export function tokenPrefix({
  platform,
  hostDigest,
  hostnameDigest,
  boot,
  pidNamespace,
}: Omit<TokenHost, "initialPidNamespace" | "isHostIdPinned">): string {
  return [VERSION, platform, ...[hostDigest, hostnameDigest, boot, pidNamespace].map(written)].join(
    ".",
  );
}

/** {@link formatToken} with what {@link tokenPrefix} gave before. */
export function formatTokenOn(
  prefix: string,
  { pid, startTime, exactId }: Pick<ProcessToken, "pid" | "startTime" | "exactId">,
): string {
  return `${prefix}.${pid}.${written(startTime)}.${written(exactId)}`;
}

function written(field: string | number | null): string | number {
  return field ?? UNKNOWN;
}

/**
 * Reads a token strictly: only what {@link formatToken} can write.
 *
 * @returns null for anything else: other types and versions, extra fields, leading zeros, numbers out
 * of range. Never throws.
 */
export function parseToken(text: unknown): ProcessToken | null {
  if (typeof text !== "string" || text.length > MAX_LENGTH) return null;
  const fields = text.split(".");
  const [version, platform, host, hostname, boot, pidNamespace, pid, start, exact] = fields;
  if (fields.length !== 9 || version !== VERSION) return null;
  if (!matches(platform, PLATFORM) || !isUint(pid, MAX_PID) || pid === "0") return null;
  if (!optional(host, matchesHost) || !optional(hostname, matchesHostname)) return null;
  if (!optional(boot, matchesBoot) || !optional(pidNamespace, isUint64)) return null;
  if (!optional(start, isSafeUint) || !optional(exact, isUint64)) return null;
  return {
    platform,
    hostDigest: known(host),
    hostnameDigest: known(hostname),
    boot: known(boot),
    pidNamespace: known(pidNamespace),
    pid: Number(pid),
    startTime: start === UNKNOWN ? null : Number(start),
    exactId: known(exact),
  };
}

function matches(field: string | undefined, pattern: RegExp): field is string {
  return field !== undefined && pattern.test(field);
}

function optional(field: string | undefined, isValid: (field: string) => boolean): field is string {
  return field !== undefined && (field === UNKNOWN || isValid(field));
}

const matchesHost = (field: string): boolean => HOST.test(field);
const matchesHostname = (field: string): boolean => HOSTNAME.test(field);
const matchesBoot = (field: string): boolean => BOOT.test(field);
const isUint64 = (field: string): boolean => DECIMAL.test(field) && BigInt(field) <= MAX_UINT64;
const isSafeUint = (field: string): boolean => isUint(field, Number.MAX_SAFE_INTEGER);

function isUint(field: string | undefined, max: number): field is string {
  return matches(field, DECIMAL) && Number(field) <= max;
}

function known(field: string): string | null {
  return field === UNKNOWN ? null : field;
}

/**
 * True when the token was written in the boot that `host` describes: only then do its pid, its start
 * time and kernel locks of its process mean anything here. Unknown counts as no.
 *
 * Boot ids are random (or a boot's start time), and the host's also inside containers: an equal one
 * needs no equal machine id.
 */
export function isSameBoot(token: ProcessToken, host: TokenHost): boolean {
  return token.platform === host.platform && token.boot !== null && token.boot === host.boot;
}

/**
 * Is the process that a token names still running? `gone` only on proof; whatever is not proven is
 * `unknown`. Looks up nothing but what the verdict needs, at most one question.
 *
 * @param token - From {@link parseToken}; its null, "malformed", is a verdict as well.
 */
export function judgeToken(
  token: ProcessToken | null,
  host: TokenHost,
  lookups: TokenLookups,
): ProcessVerdict {
  if (token === null) return unknown("malformed");
  if (!isSameBoot(token, host)) return judgeOtherBoot(token, host);
  if (isOfOtherNamespace(token, host)) return judgeOtherNamespace(token, host, lookups);
  return judgeOccupant(token, lookups.identity(token.pid));
}

/** True when the token's pid, in this very boot, may be another process's number here. */
export function isOfOtherNamespace(token: ProcessToken, host: TokenHost): boolean {
  return token.pidNamespace === null || token.pidNamespace !== host.pidNamespace;
}

/**
 * An earlier boot of this machine ended all its processes, whatever the machine was called then. A container's
 * machine id is its image's, the same on many hosts: it counts when both sides are in the initial pid namespace, or
 * when it was pinned.
 */
function judgeOtherBoot(token: ProcessToken, host: TokenHost): ProcessVerdict {
  const isHostIdTheMachines =
    host.isHostIdPinned ||
    (host.initialPidNamespace && token.pidNamespace === initialPidNamespace(token.platform));
  const rebooted = isOfOtherBoot(token, host) && isOfSameHost(token, host) && isHostIdTheMachines;
  return rebooted ? gone("rebooted") : unknown("other-host");
}

function initialPidNamespace(platform: string): string {
  return isLinux(platform) ? INITIAL_PID_NAMESPACE : "0";
}

/** True when the token was provably written in another boot than the one that `host` describes. */
export function isOfOtherBoot(token: ProcessToken, host: TokenHost): boolean {
  return (
    token.platform === host.platform &&
    token.boot !== null &&
    host.boot !== null &&
    token.boot !== host.boot
  );
}

/** True when both carry the same machine's id; an unknown one is nobody's. */
export function isOfSameHost(
  token: Pick<ProcessToken, "hostDigest">,
  host: Pick<TokenHost, "hostDigest">,
): boolean {
  return token.hostDigest !== null && token.hostDigest === host.hostDigest;
}

/**
 * Its pid means nothing here. Its exact id does, wherever the kernel can be asked about it; and from the initial
 * pid namespace, where every process can be seen, its number in its own namespace with its start time.
 */
function judgeOtherNamespace(
  token: ProcessToken,
  host: TokenHost,
  lookups: TokenLookups,
): ProcessVerdict {
  if (token.exactId !== null) {
    const { state, reason } = lookups.byExactId(token.exactId);
    if (state === "alive") return same();
    if (state === "gone") return gone(endOf(reason));
  }
  const nested = host.initialPidNamespace ? lookups.nested() : null;
  if (nested === null) return unknown("other-pid-namespace");
  const answers = new Set(nested.having(token.pid).map((other) => isNamedBy(token, other)));
  if (answers.has(true)) return same();
  // A token that names no namespace may be one of ours, where such a look finds nothing.
  return token.pidNamespace !== null && nested.isComplete && !answers.has(null)
    ? gone("no-such-process")
    : unknown("other-pid-namespace");
}

/** Whether a process with the token's pid is the token's; null: what is known does not tell. */
function isNamedBy(token: ProcessToken, candidate: NestedProcess): boolean | null {
  if (token.exactId !== null && candidate.exactId !== null) {
    return token.exactId === candidate.exactId;
  }
  // A process stays in its pid namespace for life.
  const { pidNamespace, startTime } = candidate;
  if (pidNamespace !== null && token.pidNamespace !== null && pidNamespace !== token.pidNamespace) {
    return false;
  }
  if (token.startTime === null || startTime === null) return null;
  return Math.abs(token.startTime - startTime) <= startTimeTolerance(token.platform);
}

function judgeOccupant(token: ProcessToken, occupant: ProcessIdentity): ProcessVerdict {
  const isOther = differs(token, occupant);
  switch (occupant.state) {
    case "gone":
      // Whoever this was, nobody runs under the pid.
      return gone(isOther === true ? "recycled" : endOf(occupant.reason));
    case "alive":
      if (isOther === null) return undecided(occupant.reason);
      return isOther ? gone("recycled") : same();
    case "unknown":
      return isOther === true ? gone("recycled") : undecided(occupant.reason);
  }
}

/** Is the pid's occupant another process than the token's? null: what is known does not tell. */
function differs(token: ProcessToken, occupant: ProcessIdentity): boolean | null {
  if (token.exactId !== null && occupant.exactId !== null)
    return token.exactId !== occupant.exactId;
  if (token.startTime === null || occupant.startTime === null) return null;
  return Math.abs(token.startTime - occupant.startTime) > startTimeTolerance(token.platform);
}

/**
 * Linux: one clock tick, because a writer or reader whose time-namespace offset is not a whole number
 * of ticks rounds to a neighbour. Elsewhere: 1 ms, in microseconds.
 */
function startTimeTolerance(platform: string): number {
  return isLinux(platform) ? 1 : 1000;
}

function isLinux(platform: string): boolean {
  return platform === "linux" || platform === "android";
}

/** The end that a `gone` occupant's reason stands for: a thread's id is nobody's pid. */
function endOf(reason: ProcessReason): ProcessGoneReason {
  return reason === "zombie" || reason === "exited" ? reason : "no-such-process";
}

function undecided(reason: ProcessReason): ProcessVerdict {
  return unknown(reason === "access-denied" ? "access-denied" : "unsupported");
}

function same(): ProcessVerdict {
  return { state: "same", reason: "running" };
}

function gone(reason: ProcessGoneReason): ProcessVerdict {
  return { state: "gone", reason };
}

function unknown(reason: ProcessUnknownReason): ProcessVerdict {
  return { state: "unknown", reason };
}
