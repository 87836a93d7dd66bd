/**
 * Leases on etcd (3.4 or later), over the JSON gateway that every member serves beside gRPC: no client package.
 *
 * A key's holder is one etcd key, attached to an etcd lease and created by a transaction that insists on its absence. The
 * revision that created it is the epoch: etcd counts all changes of its store in one number, which survives restarts and
 * never falls. etcd removes the key when its lease runs out, counted by the leader's monotonic clock; a new leader counts
 * all leases from their whole length again, which lengthens a hold and never shortens it.
 *
 * etcd itself must keep to that. Before 3.4.31 and 3.5.13 a former leader that hung on its disk could revoke leases that
 * its successor had renewed (pull request 17425: another may be let in while a holder believes); before 3.4.32 and
 * 3.5.14 revisions could fall after a crash within a compaction (an epoch may come twice).
 *
 * What can go wrong on the way:
 *
 * - An answer to the transaction is lost: the value has the acquisition's nonce, by which the next attempt knows its key
 *   again. That key's lease began earlier than the attempt, so it is renewed before it is given out.
 * - A request arrives long after it was given up: it carries the id of the etcd lease that its attempt has made, and
 *   cannot touch another's. One that takes the key for an attempt that was given up holds it until that lease runs out.
 * - An administrator removes the key, or the etcd lease: each renewal looks at the key, too.
 * - A backup is restored: revisions fall back, and an epoch may come twice. The store's id is made of a random one that
 *   is kept in etcd, and of the cluster's: a restore under a new cluster token, as etcd's guide asks for, is another
 *   store. Under the same token nothing tells; stop all holders first.
 */
import { crypto } from "../util/node-modules.js";
import { LeaseStoreError, type LeaseOperation } from "./errors.js";
import { EtcdFailure, FAILED_PRECONDITION, NOT_FOUND } from "./etcd/failure.js";
import { EtcdGateway, type Patience } from "./etcd/gateway.js";
import {
  int64In,
  type Json,
  objectIn,
  objectsIn,
  parseObject,
  textIn,
  toBase64,
} from "./etcd/json.js";
import { checkGrant, checkRenewal, checkRequest, checkWatch } from "./check-store.js";
import { checkEtcdOptions, type EtcdLeasesOptions } from "./etcd/options.js";
import { fetchTransport, httpsTransport } from "./etcd/transport.js";
import { Turns } from "./etcd/turns.js";
import { Watches } from "./etcd/watches.js";
import type { LeaseAttempt, LeaseGrant, LeaseRequest, LeaseStore } from "./store.js";

export type { EtcdLeasesOptions } from "./etcd/options.js";
export type { CertificateAuthority } from "./etcd/transport.js";

const DEFAULT_PREFIX = "pidentity/";

/**
 * A store of leases on etcd. Nothing is asked before the first lease.
 *
 * etcd counts leases in whole seconds, of which it gives at least two: a `ttlMs` is rounded up, so that a holder that
 * dies is followed after that longer time.
 *
 * @throws TypeError or RangeError for options that are none
 */
export function etcdLeases(options: EtcdLeasesOptions): LeaseStore {
  checkEtcdOptions(options);
  const { endpoints, fetch, username, password, ca, prefix = DEFAULT_PREFIX } = options;
  const gateway = new EtcdGateway(
    endpoints.map((endpoint) => new URL(endpoint).href.replace(/\/+$/u, "")),
    ca === undefined ? fetchTransport(fetch) : httpsTransport(ca),
    username === undefined || password === undefined ? null : { username, password },
  );
  return new EtcdLeases(gateway, prefix);
}

/** The etcd key of a lease, as etcd tells of it. */
interface KeyInEtcd {
  readonly holder: string | null;
  readonly nonce: string | null;
  readonly epoch: bigint;
  /** The id of the etcd lease that it is attached to; 0: to none, which was not made here. */
  readonly leaseId: bigint;
}

// How long the first question to all endpoints may take, milliseconds: see Patience. An etcd that is slow for want of a
// processor or a disk must not be asked the same thing again and again.
const SHORTEST_ROUND_MS = 1000;
const LONGEST_ROUND_MS = 3000;

/** How many keys are remembered as contended. */
const MOST_CONTENDED_KEYS = 1024;

/** What an attempt brought to the acquisition that made it. */
interface Brought {
  readonly nonce: string;
  readonly attempt: LeaseAttempt;
}

class EtcdLeases implements LeaseStore {
  readonly name = "etcd";
  readonly #gateway: EtcdGateway;
  readonly #watches: Watches;
  readonly #turns = new Turns<Brought>();
  readonly #prefix: string;
  readonly #storeKey: string;
  /** What the store's key was last seen to be; null: not yet. */
  #storeValue: string | null = null;
  /**
   * Keys that another held, or that etcd did not answer about, when they were last tried: these are looked at first. That
   * makes no etcd lease for nothing, which a slow etcd has to write to its disk.
   */
  readonly #contendedKeys = new Set<string>();

  constructor(gateway: EtcdGateway, prefix: string) {
    this.#gateway = gateway;
    this.#watches = new Watches(gateway);
    this.#prefix = prefix;
    this.#storeKey = `${prefix}store`;
  }

  async tryAcquire(request: LeaseRequest): Promise<LeaseAttempt> {
    checkRequest(request);
    const { key, nonce, ttlMs, signal } = request;
    /** Who has just acquired it is in the way, unless it is the same acquisition, which asks again from its own time. */
    const settles = (brought: Brought): Brought | null => {
      if (brought.attempt.kind === "held" || brought.nonce === nonce) return null;
      const { holder, epoch } = brought.attempt.grant;
      return { nonce, attempt: { kind: "held", holder, epoch, leftMs: null } };
    };
    const ask = async (): Promise<Brought> => ({
      nonce,
      attempt: await this.#lookAndTake(request, patienceFor(ttlMs, signal)),
    });
    return await this.#reporting("acquire", key, async () => {
      const { attempt } = await this.#turns.take(key, ask, settles, signal);
      return attempt;
    });
  }

  async renew(grant: LeaseGrant, ttlMs: number, signal: AbortSignal): Promise<boolean> {
    checkRenewal(grant, ttlMs, signal);
    const patience = patienceFor(ttlMs, signal);
    return await this.#reporting("renew", grant.key, async () => {
      const leaseId = leaseIdOf(grant);
      const isHeld = async (): Promise<boolean> => {
        const present = await this.#look(grant.key, patience);
        return present !== null && present.epoch === grant.epoch && present.leaseId === leaseId;
      };
      const [isKept, wasHeld] = await Promise.all([
        this.#keepAlive(leaseId, ttlMs, patience),
        isHeld(),
      ]);
      if (!wasHeld) return false;
      if (isKept) return true;
      // A leader that is new may not know of a lease yet; one that is gone took its key with it.
      if (!(await isHeld())) return false;
      throw new EtcdFailure("etcd knows the key and not its lease", {
        isOfTheMember: true,
        isRetryable: true,
      });
    });
  }

  async release(grant: LeaseGrant, signal: AbortSignal): Promise<void> {
    checkGrant(grant, signal);
    await this.#reporting("release", grant.key, async () => {
      await this.#revoke(leaseIdOf(grant), { signal, roundMs: LONGEST_ROUND_MS });
    });
  }

  watch(key: string, onChange: () => void): { close(): void } {
    checkWatch(key, onChange);
    return this.#watches.watch(this.#etcdKey(key), onChange);
  }

  #etcdKey(key: string): string {
    return `${this.#prefix}lease/${key}`;
  }

  async #reporting<T>(operation: LeaseOperation, key: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (cause) {
      const retryable = cause instanceof EtcdFailure && cause.isRetryable;
      throw new LeaseStoreError({ store: this.name, operation, key, retryable, cause });
    }
  }

  async #lookAndTake(request: LeaseRequest, patience: Patience): Promise<LeaseAttempt> {
    const looksFirst = this.#contendedKeys.has(request.key);
    this.#remember(request.key);
    if (looksFirst) {
      const present = await this.#look(request.key, patience);
      const attempt = present === null ? null : await this.#judge(present, request, patience);
      if (attempt !== null) return attempt;
    }
    return await this.#take(request, patience);
  }

  /** Takes a key that is free, or says who has it. */
  async #take(request: LeaseRequest, patience: Patience): Promise<LeaseAttempt> {
    const { key, holder, nonce, ttlMs } = request;
    const etcdKey = toBase64(this.#etcdKey(key));
    const storeKey = toBase64(this.#storeKey);
    const leaseId = await this.#grantLease(ttlMs, patience);
    // Again where the store was another one than was thought, or a former attempt's hold ran out while it was renewed.
    for (let attempts = 0; attempts < 3; attempts++) {
      const storeValue = (this.#storeValue ??= await this.#findStoreValue(patience));
      const answer = await this.#gateway.call(
        "/v3/kv/txn",
        {
          compare: [
            { key: etcdKey, target: "CREATE", result: "EQUAL", create_revision: "0" },
            { key: storeKey, target: "VALUE", result: "EQUAL", value: toBase64(storeValue) },
          ],
          success: [
            {
              request_put: {
                key: etcdKey,
                value: toBase64(JSON.stringify({ holder, nonce })),
                lease: String(leaseId),
              },
            },
          ],
          failure: [{ request_range: { key: etcdKey } }],
        },
        patience,
      );
      if (answer["succeeded"] === true) {
        return this.#acquired(request, int64In(objectIn(answer, "header"), "revision"), leaseId);
      }
      const [response = {}] = objectsIn(answer, "responses");
      const present = keyIn(objectIn(response, "response_range"));
      if (present === null) {
        this.#storeValue = null;
        continue;
      }
      // This transaction's own: its answer was lost at another endpoint.
      if (present.leaseId === leaseId) return this.#acquired(request, present.epoch, leaseId);
      const attempt = await this.#judge(present, request, patience);
      if (attempt === null) continue;
      // It runs out by itself where this does not arrive.
      this.#revoke(leaseId, patience).catch(() => {});
      return attempt;
    }
    throw new EtcdFailure("the key changed under every transaction", {
      isOfTheMember: true,
      isRetryable: true,
    });
  }

  /** @returns null: it was this acquisition's, and has just run out */
  async #judge(
    present: KeyInEtcd,
    request: LeaseRequest,
    patience: Patience,
  ): Promise<LeaseAttempt | null> {
    const { epoch, holder, leaseId, nonce } = present;
    if (nonce === request.nonce) {
      const isKept = await this.#keepAlive(leaseId, request.ttlMs, patience);
      if (!isKept) return null;
      // Not of the store that was asked for the last time, perhaps.
      this.#storeValue ??= await this.#findStoreValue(patience);
      return this.#acquired(request, epoch, leaseId);
    }
    return { kind: "held", holder, epoch, leftMs: await this.#leftMs(leaseId, patience) };
  }

  #acquired({ key, holder }: LeaseRequest, epoch: bigint, leaseId: bigint): LeaseAttempt {
    this.#contendedKeys.delete(key);
    const storeId = `${this.#storeValue ?? ""}-${this.#gateway.clusterId ?? ""}`;
    return { kind: "acquired", grant: { key, holder, epoch, storeId, handle: String(leaseId) } };
  }

  /** Until it is acquired. */
  #remember(key: string): void {
    this.#contendedKeys.delete(key);
    this.#contendedKeys.add(key);
    if (this.#contendedKeys.size <= MOST_CONTENDED_KEYS) return;
    const [oldest] = this.#contendedKeys;
    if (oldest !== undefined) this.#contendedKeys.delete(oldest);
  }

  /** The key at this time: a read that etcd's members agree on. */
  async #look(key: string, patience: Patience): Promise<KeyInEtcd | null> {
    const question = { key: toBase64(this.#etcdKey(key)) };
    return keyIn(await this.#gateway.call("/v3/kv/range", question, patience));
  }

  /** The random value of the store's key, which the first client makes. */
  async #findStoreValue(patience: Patience): Promise<string> {
    const key = toBase64(this.#storeKey);
    const made = crypto().randomBytes(16).toString("hex");
    const answer = await this.#gateway.call(
      "/v3/kv/txn",
      {
        compare: [{ key, target: "CREATE", result: "EQUAL", create_revision: "0" }],
        success: [{ request_put: { key, value: toBase64(made) } }],
        failure: [{ request_range: { key } }],
      },
      patience,
    );
    if (answer["succeeded"] === true) return made;
    const [response = {}] = objectsIn(answer, "responses");
    const [found = {}] = objectsIn(objectIn(response, "response_range"), "kvs");
    return textIn(found, "value");
  }

  /**
   * A new etcd lease. Its id is chosen here: a repeated question whose first answer was lost finds it made.
   *
   * @returns its id
   */
  async #grantLease(ttlMs: number, patience: Patience): Promise<bigint> {
    const leaseId = crypto().randomBytes(8).readBigUInt64BE() >> 1n || 1n;
    const question = { ID: String(leaseId), TTL: String(wholeSeconds(ttlMs)) };
    try {
      const answer = await this.#gateway.call("/v3/lease/grant", question, patience);
      insistOnLength(int64In(answer, "TTL"), ttlMs);
    } catch (error) {
      // It exists: by this very question, asked at another endpoint before.
      if (!(error instanceof EtcdFailure && error.status === FAILED_PRECONDITION)) throw error;
    }
    return leaseId;
  }

  /** @returns false: etcd has no such lease */
  async #keepAlive(leaseId: bigint, ttlMs: number, patience: Patience): Promise<boolean> {
    const question = { ID: String(leaseId) };
    const answer = await this.#gateway
      .call("/v3/lease/keepalive", question, patience)
      .catch(nothingWhereNotFound);
    const seconds = int64In(answer, "TTL");
    if (seconds <= 0n) return false;
    insistOnLength(seconds, ttlMs);
    return true;
  }

  async #revoke(leaseId: bigint, patience: Patience): Promise<void> {
    // Not found: it has run out, or a question whose answer was lost has revoked it.
    await this.#gateway
      .call("/v3/lease/revoke", { ID: String(leaseId) }, patience)
      .catch(nothingWhereNotFound);
  }

  /** @returns null: etcd did not tell, or the key has no lease */
  async #leftMs(leaseId: bigint, patience: Patience): Promise<number | null> {
    if (leaseId === 0n) return null;
    try {
      const question = { ID: String(leaseId) };
      const answer = await this.#gateway.call("/v3/lease/timetolive", question, patience);
      const seconds = Number(int64In(answer, "TTL"));
      // etcd has cut off a fraction. -1: it is gone by now.
      return seconds < 0 ? 0 : (seconds + 1) * 1000;
    } catch {
      return null;
    }
  }
}

function nothingWhereNotFound(error: unknown): Json {
  if (error instanceof EtcdFailure && error.status === NOT_FOUND) return {};
  throw error;
}

function patienceFor(ttlMs: number, signal: AbortSignal): Patience {
  // Renewals follow each other so fast, and three must fail before the deadline.
  const share = Math.floor(ttlMs / 3);
  return { signal, roundMs: Math.min(Math.max(share, SHORTEST_ROUND_MS), LONGEST_ROUND_MS) };
}

function wholeSeconds(ttlMs: number): number {
  return Math.ceil(ttlMs / 1000);
}

/** A lease that is shorter than its holder believes would let two in. */
function insistOnLength(seconds: bigint, ttlMs: number): void {
  if (seconds >= BigInt(wholeSeconds(ttlMs))) return;
  throw new EtcdFailure(
    `etcd's lease is ${String(seconds)} s long, and ${String(ttlMs)} ms were asked for`,
    { isOfTheMember: false, isRetryable: false },
  );
}

function leaseIdOf({ handle }: LeaseGrant): bigint {
  if (typeof handle === "string" && /^\d+$/u.test(handle)) return BigInt(handle);
  throw new EtcdFailure("the grant is not one of this store: its handle names no etcd lease", {
    isOfTheMember: false,
    isRetryable: false,
  });
}

function keyIn(range: Json): KeyInEtcd | null {
  const [found] = objectsIn(range, "kvs");
  if (found === undefined) return null;
  const value = parseObject(textIn(found, "value")) ?? {};
  const { holder, nonce } = value;
  return {
    holder: typeof holder === "string" ? holder : null,
    nonce: typeof nonce === "string" ? nonce : null,
    epoch: int64In(found, "create_revision"),
    leaseId: int64In(found, "lease"),
  };
}
