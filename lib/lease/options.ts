/** The options of {@link acquireLease}: checked, with defaults. */
import { outOfRange, wrongType } from "../util/argument-error.js";
import { checkRequiredOptions, type OptionChecks } from "../util/check-options.js";
import { checkFunction, checkSignal, checkTimeout, optional } from "../util/check-values.js";
import { os } from "../util/node-modules.js";
import { LONGEST_DELAY_MS } from "../util/timers.js";
import type { LeaseTerms } from "./deadline.js";
import type { LeaseStoreError } from "./errors.js";
import type { LeaseStore } from "./store.js";

/** What {@link AcquireLeaseOptions.onWait} is told. */
export interface WaitingForLease {
  /** Who held the key when it was last seen; null when the store cannot tell, or has not answered yet. */
  readonly holder: string | null;
  /** The holder's epoch; null as long as the store has not answered. */
  readonly epoch: bigint | null;
  readonly waitedMs: number;
  /** What the last attempt failed with; null when it was answered. */
  readonly error: LeaseStoreError | null;
}

export interface AcquireLeaseOptions {
  /** The engine that grants leases: `postgresLeases(…)`, `etcdLeases(…)`, in tests `memoryLeases()`. */
  readonly store: LeaseStore;
  /** What is leased: well-formed text without NUL, 1 to 1 024 bytes as UTF-8. Keys differ when their bytes do. */
  readonly key: string;
  /**
   * How long the engine keeps the lease without a renewal, milliseconds: at most so long others wait after a holder's
   * end. 100 or more. Default 10 000.
   */
  readonly ttlMs?: number | undefined;
  /** How long to wait for a holder or for the store, milliseconds; 0: not at all; Infinity: for ever. Default 60 000. */
  readonly timeoutMs?: number | undefined;
  /** How much earlier than the engine this holder takes its lease for lost, milliseconds. Default a fifth of `ttlMs`. */
  readonly marginMs?: number | undefined;
  /** What others see as the holder: text as `key`. Default `<host name>:<pid>`. */
  readonly holder?: string | undefined;
  /** Aborting rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called once a second while waiting. What it throws the acquisition rejects with. */
  readonly onWait?: ((waiting: WaitingForLease) => void) | undefined;
}

/** {@link AcquireLeaseOptions}, complete. */
export interface LeasePlan {
  readonly store: LeaseStore;
  readonly key: string;
  readonly holder: string;
  readonly terms: LeaseTerms;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly onWait: ((waiting: WaitingForLease) => void) | undefined;
}

const DEFAULT_TTL_MS = 10_000;
const DEFAULT_TIMEOUT_MS = 60_000;
const SHORTEST_TTL_MS = 100;
/** A path fits, and so does what engines index: PostgreSQL's B-tree takes 2 704 bytes. */
const MOST_KEY_BYTES = 1024;

const STORE_FUNCTIONS = ["tryAcquire", "renew", "release", "watch"] as const;

export const LEASE_CHECKS: OptionChecks<AcquireLeaseOptions> = {
  store: checkStore,
  key: checkLeaseText,
  ttlMs: optional(checkTtl),
  timeoutMs: optional(checkTimeout),
  marginMs: optional(checkMargin),
  holder: optional(checkLeaseText),
  signal: optional(checkSignal),
  onWait: optional(checkFunction),
};

/** @throws TypeError or RangeError naming the option, what was expected and the value. */
export function resolveLeaseOptions(options: AcquireLeaseOptions): LeasePlan {
  checkRequiredOptions(options, LEASE_CHECKS);
  const { store, key, signal, onWait } = options;
  const { timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const terms = leaseTerms(options, "options");
  const holder = options.holder ?? `${os().hostname()}:${String(process.pid)}`;
  return { store, key, holder, terms, timeoutMs, signal, onWait };
}

/** @throws RangeError, naming a field of `prefix`, where the two exclude each other */
export function leaseTerms(
  { ttlMs = DEFAULT_TTL_MS, marginMs = ttlMs / 5 }: Pick<AcquireLeaseOptions, "ttlMs" | "marginMs">,
  prefix: string,
): LeaseTerms {
  if (marginMs < ttlMs) return { ttlMs, marginMs };
  throw outOfRange(`${prefix}.marginMs`, `less than the ttl of ${String(ttlMs)}`, marginMs);
}

function checkStore(field: string, value: unknown): void {
  const store = (value ?? {}) as Readonly<Record<string, unknown>>;
  const isStore =
    typeof store["name"] === "string" &&
    STORE_FUNCTIONS.every((name) => typeof store[name] === "function");
  if (isStore) return;
  const expected = `a lease store (name, ${STORE_FUNCTIONS.join(", ")})`;
  throw wrongType(field, expected, value);
}

// A NUL ends a PostgreSQL text; a lone surrogate has no bytes in UTF-8, so that two keys would become one.
const NO_TEXT_OF_ENGINES = /[\0\p{Cs}]/u;

/** Text that every engine keeps as it is. */
export function checkLeaseText(field: string, value: unknown): void {
  const expected = `well-formed text without NUL, 1 to ${String(MOST_KEY_BYTES)} bytes as UTF-8`;
  if (typeof value !== "string") throw wrongType(field, expected, value);
  const isUsable =
    value !== "" &&
    // A character has at least one byte: nothing long is counted.
    value.length <= MOST_KEY_BYTES &&
    Buffer.byteLength(value) <= MOST_KEY_BYTES &&
    !NO_TEXT_OF_ENGINES.test(value);
  if (!isUsable) throw outOfRange(field, expected, value);
}

function checkTtl(field: string, value: unknown): void {
  checkWhole(field, value, SHORTEST_TTL_MS);
}

function checkMargin(field: string, value: unknown): void {
  checkMs(field, value);
}

function checkWhole(field: string, value: unknown, least: number): void {
  const expected = `an integer from ${String(least)} to ${String(LONGEST_DELAY_MS)} milliseconds`;
  if (typeof value !== "number") throw wrongType(field, expected, value);
  if (!Number.isInteger(value) || value < least || value > LONGEST_DELAY_MS) {
    throw outOfRange(field, expected, value);
  }
}

/** How long something shall still last: 0 or more milliseconds, fractions too. */
export function checkMs(field: string, value: unknown): void {
  const expected = "0 or more milliseconds";
  if (typeof value !== "number") throw wrongType(field, expected, value);
  if (!(value >= 0 && value < Infinity)) throw outOfRange(field, expected, value);
}
