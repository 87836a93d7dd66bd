/**
 * Identity tokens: one printable text without spaces that names one process of one boot of one machine.
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
 * | start | `ProcessIdentity.startTime` |
 * | exact | `ProcessIdentity.exactId` |
 *
 * `-` stands for "unknown" in every field but platform and pid. Nine fields, fewer than 160 printable
 * ASCII characters. Pure: digests come from identity.ts, verdicts from judge-token.ts.
 */

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
  /** The host's id was given by its operator (`PIDENTITY_HOST_ID`), and is not a container image's. */
  readonly isHostIdPinned: boolean;
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

/** Writes a token, which {@link parseToken} reads back. The fields must have the forms that it accepts. */
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

/** True when the token's pid, in this very boot, may be another process's number here. */
export function isOfOtherNamespace(token: ProcessToken, host: TokenHost): boolean {
  return token.pidNamespace === null || token.pidNamespace !== host.pidNamespace;
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

/** True when both carry the same machine's id; unknown on either side: false. */
export function isOfSameHost(
  token: Pick<ProcessToken, "hostDigest">,
  host: Pick<TokenHost, "hostDigest">,
): boolean {
  return token.hostDigest !== null && token.hostDigest === host.hostDigest;
}
