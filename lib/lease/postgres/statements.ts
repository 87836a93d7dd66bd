/**
 * The statements of the PostgreSQL store. Each is one round trip and one transaction of its own, leaves nothing in the
 * session, and takes and gives nothing but text: so all clients and transaction poolers do.
 *
 * All times are the server's `clock_timestamp()`: `now()` is when a transaction began, which may have waited for the
 * row's lock since. A column is compared and set while its row is locked, on its latest version (READ COMMITTED).
 */
import { type LeaseTable, quoteLiteral } from "./table.js";

export interface Statements {
  /** $1 key, $2 holder, $3 nonce, $4 ttl; gives epoch, store_id, or no row where another holds it. */
  readonly acquire: string;
  /** $1 key; gives epoch, holder, left_ms of who has it or had it last, or no row. */
  readonly holder: string;
  /** $1 key, $2 epoch, $3 ttl; gives is_held, or no row. */
  readonly renew: string;
  /** $1 key, $2 epoch. */
  readonly release: string;
  /** Gives channel. */
  readonly channel: string;
}

const CHANNEL_PREFIX = "pidentity_lease_";

/** Long ago, for a hold that is over. Not -infinity: before version 17 nothing can be subtracted from it. */
const OVER = "to_timestamp(0)";

/**
 * With `synchronous_commit = off` a crash of the server forgets what it has answered, so that a lease would be given twice.
 * For this transaction only.
 */
const DURABLE = `durable AS MATERIALIZED (
  SELECT CASE current_setting('synchronous_commit')
    WHEN 'off' THEN set_config('synchronous_commit', 'on', true)
  END AS setting
)`;

function laterBy(parameter: string): string {
  return `clock_timestamp() + ${parameter}::text::float8 * interval '1 millisecond'`;
}

export function statementsFor({ table, sequence }: LeaseTable): Statements {
  const nextEpoch = `nextval(${quoteLiteral(sequence)}::regclass)`;
  // Of a hold that is the same nonce's the epoch stays. A sequence that was set back, or that hands out its numbers
  // to sessions in advance (CACHE), gives a lower one than the row has: then the row decides.
  // Not one statement with `holder`: to plan that took longer than all the rest of acquiring a free key.
  const acquire = `WITH ${DURABLE}
INSERT INTO ${table} AS l ("key", "holder", "nonce", "epoch", "expires_at")
SELECT $1::text, $2::text, $3::text, ${nextEpoch}, ${laterBy("$4")} FROM durable
ON CONFLICT ("key") DO UPDATE SET
  "holder" = excluded."holder",
  "nonce" = excluded."nonce",
  "epoch" = CASE
    WHEN l."nonce" = excluded."nonce" AND l."expires_at" > clock_timestamp() THEN l."epoch"
    ELSE greatest(${nextEpoch}, l."epoch" + 1)
  END,
  "expires_at" = ${laterBy("$4")}
WHERE l."expires_at" <= clock_timestamp() OR l."nonce" = excluded."nonce"
RETURNING "epoch"::text AS epoch, "store_id"`;

  const holder = `SELECT "epoch"::text AS epoch, "holder",
  (extract(epoch FROM "expires_at" - clock_timestamp()) * 1000)::float8::text AS left_ms
FROM ${table} WHERE "key" = $1::text`;

  // A hold that has run out is ended for good: the server's clock may be set back.
  const renew = `WITH ${DURABLE}
UPDATE ${table} AS l SET "expires_at" = CASE
    WHEN l."expires_at" > clock_timestamp() THEN ${laterBy("$3")}
    ELSE ${OVER}
  END
FROM durable
WHERE l."key" = $1::text AND l."epoch" = $2::text::bigint
RETURNING CASE WHEN l."expires_at" > ${OVER} THEN 'yes' ELSE 'no' END AS is_held`;

  const release = `WITH released AS (
  UPDATE ${table} SET "expires_at" = ${OVER}
  WHERE "key" = $1::text AND "epoch" = $2::text::bigint AND "expires_at" > ${OVER}
  RETURNING "key", tableoid
)
SELECT pg_notify('${CHANNEL_PREFIX}' || tableoid::text, "key")::text AS told FROM released`;

  const channel = `SELECT '${CHANNEL_PREFIX}' || ${quoteLiteral(table)}::regclass::oid::text AS channel`;
  return { acquire, holder, renew, release, channel };
}
