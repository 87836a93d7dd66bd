/** `pidentity/lease`: also the functions of the three stores. No engine is asked anything. */
import * as leases from "../../../lib/lease/index.js";
import { NO_CHOICE, REVOKED, WRONG } from "../hostile-values.js";
import { LEASE_TEXTS, MARGINS, STORES, TTLS } from "./shared.js";
import type { Fields, Row, Rows } from "./rows.js";

const TABLES = ["", ".", ".a", "a.b.c", "a\0", "t".repeat(58), "\udc00", ...WRONG.text];
const ENDPOINT = "http://127.0.0.1:2379";

// However long a busy machine takes for the table.
const HOUR_MS = 3_600_000;

function asked(): never {
  throw new Error("an engine was asked");
}

const request: leases.LeaseRequest = {
  key: "k",
  holder: "h",
  nonce: "n",
  ttlMs: 1000,
  signal: new AbortController().signal,
};

const grant: leases.LeaseGrant = { key: "k", holder: "h", epoch: 1n, storeId: "s", handle: "7" };
const { signal } = request;

const REQUEST: Fields["fields"] = {
  key: [...LEASE_TEXTS, undefined],
  holder: [...LEASE_TEXTS, undefined],
  nonce: [...WRONG.name, undefined],
  ttlMs: [...WRONG.duration, undefined],
  signal: [...WRONG.signal, undefined],
};

const GRANT: Fields["fields"] = {
  key: [...LEASE_TEXTS, undefined],
  holder: [...LEASE_TEXTS, undefined],
  epoch: [...WRONG.bigint, undefined],
  storeId: [...WRONG.name, undefined],
};

/** The same of all stores: under the name of the interface, with the store's own behind it. */
function storeRows(store: leases.LeaseStore): Pick<Rows, "rows" | "fields"> {
  const of = (name: string): string => `LeaseStore.${name} of ${store.name}`;
  const row = (name: string, place: string, call: Row["call"], wrong: Row["wrong"]): Row => ({
    of: of(name),
    place,
    call,
    wrong,
  });
  const fields = (
    name: string,
    place: string,
    call: Fields["call"],
    [base, wrong]: readonly [object, Fields["fields"]],
  ): Fields => ({
    of: of(name),
    place,
    call,
    base,
    fields: wrong,
    wrong: WRONG.facts,
    kind: "facts",
  });
  const signals = [...WRONG.signal, undefined];
  return {
    rows: [
      row("renew", "ttlMs", (wrong) => store.renew(grant, wrong, signal), [
        ...WRONG.duration,
        undefined,
      ]),
      row("renew", "signal", (wrong) => store.renew(grant, 1000, wrong), signals),
      row("release", "signal", (wrong) => store.release(grant, wrong), signals),
      row("watch", "key", (wrong) => store.watch(wrong, () => {}), [...LEASE_TEXTS, undefined]),
      row("watch", "onChange", (wrong) => store.watch("k", wrong), [...WRONG.callback, undefined]),
    ],
    fields: [
      fields("tryAcquire", "request", (given) => store.tryAcquire(given), [request, REQUEST]),
      fields("renew", "grant", (given) => store.renew(given, 1000, signal), [grant, GRANT]),
      fields("release", "grant", (given) => store.release(given, signal), [grant, GRANT]),
    ],
  };
}

export async function leaseRows(): Promise<Rows> {
  const memory = leases.memoryLeases();
  const lease = await leases.acquireLease({ store: memory, key: "held", ttlMs: HOUR_MS });
  const stores = [
    memory,
    leases.postgresLeases({ query: asked, listen: asked }),
    leases.etcdLeases({ endpoints: [ENDPOINT], fetch: asked }),
  ].map(storeRows);
  return {
    rows: [
      {
        of: "postgresLeaseTable",
        place: "table",
        call: leases.postgresLeaseTable,
        wrong: TABLES,
      },
      {
        of: "pgListen",
        place: "makeClient",
        call: leases.pgListen,
        wrong: [...WRONG.callback, undefined],
      },
      ...stores.flatMap(({ rows }) => rows),
    ],
    fields: [
      {
        of: "acquireLease",
        place: "options",
        call: leases.acquireLease,
        base: { store: memory, key: "a" },
        fields: {
          store: [...STORES, undefined],
          key: [...LEASE_TEXTS, undefined],
          ttlMs: TTLS,
          timeoutMs: WRONG.timeout,
          marginMs: [...MARGINS, 10_000],
          holder: LEASE_TEXTS,
          signal: WRONG.signal,
          onWait: WRONG.callback,
        },
        wrong: [...WRONG.options, undefined],
        kind: "options",
      },
      {
        of: "Lease.assertHeld",
        place: "options",
        call: lease.assertHeld,
        base: {},
        fields: { marginMs: MARGINS },
        wrong: WRONG.options,
        kind: "options",
      },
      {
        of: "postgresLeases",
        place: "options",
        call: leases.postgresLeases,
        base: { query: asked },
        fields: {
          query: [...WRONG.callback, undefined],
          table: TABLES,
          listen: WRONG.callback,
        },
        wrong: [...WRONG.options, undefined],
        kind: "options",
      },
      {
        of: "etcdLeases",
        place: "options",
        call: leases.etcdLeases,
        base: { endpoints: [ENDPOINT] },
        fields: {
          endpoints: [
            ...WRONG.texts,
            undefined,
            [],
            ["localhost:2379"],
            ["ftp://a"],
            ["http://user:secret@a"],
            ["http://a/?b"],
            [REVOKED],
          ],
          fetch: WRONG.callback,
          username: [...WRONG.name, "without a password"],
          password: [...WRONG.text, "without a user"],
          ca: ["", "x", 7, null, {}, [], [7], new Uint8Array(2), REVOKED, "-----BEGIN "],
          prefix: WRONG.name,
        },
        wrong: [...WRONG.options, undefined],
        kind: "options",
      },
      {
        of: "LeaseStoreError",
        place: "facts",
        call: (given) => new leases.LeaseStoreError(given),
        base: { store: "own", operation: "acquire", retryable: false },
        fields: {
          store: [...WRONG.name, undefined],
          operation: [...NO_CHOICE, undefined],
          key: WRONG.text.filter((value) => value !== null),
          retryable: [...WRONG.boolean, undefined],
        },
        wrong: WRONG.facts,
        kind: "facts",
      },
      ...stores.flatMap(({ fields }) => fields),
    ],
    close: async () => {
      // Whatever it was given, it is held as before.
      lease.assertHeld();
      await lease.release();
    },
  };
}
