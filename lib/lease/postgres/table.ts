/** The table of leases: its name, and the SQL that makes it. */
import { outOfRange, wrongType } from "../../util/argument-error.js";

export interface LeaseTable {
  /** Both quoted, with their schema where one is named. */
  readonly table: string;
  readonly sequence: string;
}

export const DEFAULT_TABLE = "pidentity_leases";

/** NAMEDATALEN - 1: PostgreSQL cuts off what is longer, so that two names could become one. */
const LONGEST_NAME_BYTES = 63;
const SEQUENCE_SUFFIX = "_epoch";
const LONGEST_TABLE_BYTES = LONGEST_NAME_BYTES - SEQUENCE_SUFFIX.length;

const EXPECTED = `a table's name (1 to ${String(LONGEST_TABLE_BYTES)} bytes as UTF-8) without NUL, with or without a schema and a dot before it`;

/**
 * The identifiers of `name` or `schema.name`. Every character but the dot and NUL may be in them.
 *
 * @throws TypeError or RangeError naming `field`
 */
export function leaseTable(field: string, name: unknown): LeaseTable {
  if (typeof name !== "string") throw wrongType(field, EXPECTED, name);
  const parts = name.split(".");
  const table = parts.pop() ?? "";
  const isUsable =
    parts.length <= 1 &&
    isIdentifier(table, LONGEST_TABLE_BYTES) &&
    parts.every((part) => isIdentifier(part, LONGEST_NAME_BYTES));
  if (!isUsable) throw outOfRange(field, EXPECTED, name);
  const within = (last: string): string => [...parts, last].map(quoteIdentifier).join(".");
  return { table: within(table), sequence: within(table + SEQUENCE_SUFFIX) };
}

function isIdentifier(text: string, mostBytes: number): boolean {
  return text !== "" && !/[\0\p{Cs}]/u.test(text) && Buffer.byteLength(text) <= mostBytes;
}

function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A literal that means the same whatever `standard_conforming_strings` says. */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll("\\", "\\\\")}'`;
  return text.includes("\\") ? ` E${quoted}` : quoted;
}

/** Of all that make such a table at once, one after the other: `IF NOT EXISTS` alone fails for the second. */
const ADVISORY_LOCK = 0x70_69_64_65_6e; // "piden"

/**
 * The SQL that makes the table of leases and the sequence of its epochs, one statement, for a migration. It changes
 * nothing where they are there already, and needs no right to make tables then. PostgreSQL 13 or later.
 *
 * The table's users need SELECT, INSERT and UPDATE on it, and USAGE on the sequence `<table>_epoch`.
 *
 * @param table - As `table` of `postgresLeases`.
 * @throws TypeError or RangeError when it cannot be a table's name
 */
export function postgresLeaseTable(table: string = DEFAULT_TABLE): string {
  return createTable(leaseTable("table", table));
}

function createTable({ table, sequence }: LeaseTable): string {
  // The id of the store is written into the table's definition once. With it come all rows.
  const columns = `(
        "key" text COLLATE "C" PRIMARY KEY,
        "holder" text NOT NULL,
        "nonce" text NOT NULL,
        "epoch" bigint NOT NULL,
        "expires_at" timestamptz NOT NULL,
        "store_id" text NOT NULL DEFAULT %L
      ) WITH (fillfactor = 50)`;
  // format() takes a percent sign for the beginning of a place.
  const statement = `CREATE TABLE ${table.replaceAll("%", "%%")} ${columns}`;
  return dollarQuotedBlock(`BEGIN
  PERFORM pg_advisory_xact_lock(${String(ADVISORY_LOCK)});
  IF to_regclass(${quoteLiteral(sequence)}) IS NULL THEN
    CREATE SEQUENCE ${sequence} AS bigint NO CYCLE;
  END IF;
  IF to_regclass(${quoteLiteral(table)}) IS NULL THEN
    EXECUTE format(${quoteLiteral(statement)}, gen_random_uuid());
  END IF;
END`);
}

/** A tag that is not in the text: a name may look like one. */
function dollarQuotedBlock(body: string): string {
  let tag = "$pidentity$";
  for (let number = 1; body.includes(tag); number++) tag = `$pidentity${String(number)}$`;
  return `DO ${tag}\n${body}\n${tag}`;
}
