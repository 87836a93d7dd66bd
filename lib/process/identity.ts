/** Where tokens meet the machine: its digests, its processes, and the public verbs on tokens. */
import type { HostFacts, ProcessIdentity } from "./backends/backend.js";
import { crypto } from "../util/node-modules.js";
import { lookForNestedProcessesSync } from "./nested-processes.js";
import { environmentVariable } from "../util/environment.js";
import { isValidPid } from "./pid.js";
import { processBackend } from "./backends/select-backend.js";
import { judgeToken, type TokenLookups, type ProcessVerdict } from "./judge-token.js";
import { formatTokenOn, parseToken, tokenPrefix, type TokenHost } from "./token.js";

let facts: HostFacts | undefined;
/** The text of `PIDENTITY_HOST_ID`; null where it says nothing. */
let pinnedHostId: string | null | undefined;
let tokenFacts: TokenHost | undefined;
let ownToken: string | undefined;
/** null where no process can be named. */
let ownPrefix: string | null | undefined;

const LONGEST_ID = String(2n ** 64n - 1n);

/** Facts about this process's machine, boot and namespaces; read once. */
export function hostFacts(): HostFacts {
  return (facts ??= readHostFacts());
}

/**
 * A container's machine id is its image's, or missing: `PIDENTITY_HOST_ID`, any text, names its host
 * instead. Like the machine's own id it is only ever used hashed.
 */
function readHostFacts(): HostFacts {
  const host = processBackend().host();
  const pinned = pinnedId();
  return pinned === null ? host : { ...host, machineId: pinned };
}

function pinnedId(): string | null {
  if (pinnedHostId === undefined) {
    pinnedHostId = environmentVariable("PIDENTITY_HOST_ID")?.trim() || null;
  }
  return pinnedHostId;
}

/** {@link hostFacts} as tokens carry them: ids only as digests. */
export function tokenHost(): TokenHost {
  return (tokenFacts ??= toTokenHost(hostFacts(), pinnedId() !== null));
}

/** {@link hostFacts} as tokens carry them, for any host. */
export function toTokenHost(host: HostFacts, isHostIdPinned: boolean): TokenHost {
  return {
    platform: host.platform,
    hostDigest: digestOf(host.machineId, 16),
    hostnameDigest: digestOf(host.hostname, 8),
    boot: host.bootId === null ? null : bootField(host.bootId),
    pidNamespace: host.pidNamespace,
    initialPidNamespace: host.initialPidNamespace,
    isHostIdPinned,
  };
}

function digestOf(text: string | null, hexDigits: number): string | null {
  return text === null || text === "" ? null : digest(text, hexDigits);
}

function digest(text: string, hexDigits: number): string {
  return crypto()
    .createHash("sha256")
    .update(`pidentity:${text}`)
    .digest("hex")
    .slice(0, hexDigits);
}

/** A boot id is a UUID nearly everywhere; whatever it is, it must fit into a token. */
function bootField(bootId: string): string | null {
  const field = bootId.toLowerCase().replaceAll(/[^0-9a-z]/gu, "");
  if (field === "") return null;
  return field.length <= 40 ? field : digest(bootId, 32);
}

/** The process that has `pid` now; `gone`/`invalid-pid` for numbers that no process can have. */
export function identityOf(pid: number): ProcessIdentity {
  if (isValidPid(pid)) return processBackend().identity(pid);
  return { state: "gone", reason: "invalid-pid", startTime: null, exactId: null };
}

/** The lookups of this machine, unmemoised; see {@link judgeToken}. */
export const tokenLookups: TokenLookups = {
  identity: identityOf,
  byExactId: (exactId) => processBackend().byExactId(exactId),
  nested: () => lookForNestedProcessesSync(identityOf),
};

/**
 * Names a process for good: a printable token of fewer than 160 characters without spaces, stable for
 * the process's life, over clock steps, time zones and time namespaces, and never given to another one.
 * It carries digests of the machine's id and name, never those themselves.
 *
 * @param pid - As this process's pid namespace numbers it; when left out, this process. `undefined` is no process's, such
 * as the `pid` of a child that could not be started.
 * @returns The token; null when there is no such process or nothing tells it from a later one of the
 * same pid (access denied; backend `basic`).
 */
export function identifyProcess(pid?: number): string | null;
export function identifyProcess(...given: readonly [pid?: number]): string | null {
  const pid = given.length === 0 ? process.pid : given[0];
  if (pid === undefined) return null;
  if (pid !== process.pid) return tokenOf(pid);
  ownToken ??= tokenOf(pid) ?? undefined;
  return ownToken ?? null;
}

function tokenOf(pid: number): string | null {
  return tokenOfIdentity(pid, identityOf(pid));
}

/** The token of a process that has this identity and pid here; null as {@link identifyProcess} says. */
export function tokenOfIdentity(
  pid: number,
  { state, startTime, exactId }: ProcessIdentity,
): string | null {
  if (state === "gone" || (startTime === null && exactId === null)) return null;
  if (ownPrefix === undefined) ownPrefix = readablePrefix(tokenHost());
  return ownPrefix === null ? null : formatTokenOn(ownPrefix, { pid, startTime, exactId });
}

/**
 * What the tokens of this host begin with; null when it cannot be told from its other boots, or when
 * {@link parseToken} would refuse its tokens: tried with the longest numbers there are.
 */
function readablePrefix(host: TokenHost): string | null {
  if (host.boot === null) return null;
  const prefix = tokenPrefix(host);
  const longest = { pid: 2 ** 32 - 1, startTime: Number.MAX_SAFE_INTEGER, exactId: LONGEST_ID };
  return parseToken(formatTokenOn(prefix, longest)) === null ? null : prefix;
}

/**
 * Is the process that a token names still running?
 *
 * @param token - From {@link identifyProcess}, of this or any earlier version of the package.
 * @returns `same` while it runs; `gone` only on proof; `unknown` with the reason otherwise, also for
 * what is not a token. Never throws.
 */
export function verifyProcess(token: string): ProcessVerdict {
  return judgeToken(parseToken(token), tokenHost(), tokenLookups);
}
