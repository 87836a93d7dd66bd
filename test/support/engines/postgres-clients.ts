/** The clients of PostgreSQL that test/lab/lease/package.json names, each as a query for its store. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

import { onTestFinished, type TestContext } from "vitest";

import type { PgClient, PostgresListen, PostgresQuery } from "../../../lib/lease/index.js";
import { pgListen } from "../../../lib/lease/index.js";
import { ROOT } from "../processes/programs.js";
import { requireEngine } from "../require.js";
import { postgres, type PostgresStarter } from "./engines.js";

interface Connected {
  readonly query: PostgresQuery;
  readonly listen: PostgresListen;
}

type ClientName = "pg" | "postgres" | "@electric-sql/pglite";

const LAB = join(ROOT, "test/lab/lease");

function obstacle(): string | null {
  const isThere = existsSync(join(LAB, "node_modules/pg/package.json"));
  return isThere ? null : "needs PostgreSQL's clients: npm --prefix test/lab/lease ci";
}

/** A server that is only started where there are clients for it. */
export const postgresForClients: PostgresStarter = {
  startEngine: postgres.startEngine,
  obstacle: () => postgres.obstacle() ?? obstacle(),
};

/** Of the lab's folder; skips where it is not installed. */
function load(context: TestContext, name: ClientName): unknown {
  requireEngine(context, obstacle());
  return createRequire(join(LAB, "package.json"))(name);
}

interface Where {
  readonly port: number;
  /** Default: the one who may do everything. */
  readonly user?: string | undefined;
  /** Connections of the pool. */
  readonly most?: number;
}

function serverAt({ port, user = "postgres" }: Omit<Where, "most">) {
  return { host: "127.0.0.1", port, user, database: "postgres" };
}

/** What is used of the package `pg`. */
interface PgPackage {
  readonly Pool: new (options: object) => {
    query(text: string, parameters?: unknown[]): Promise<{ readonly rows: Row[] }>;
    on(event: "error", listener: () => void): void;
    end(): Promise<void>;
  };
  readonly Client: new (options: object) => PgSession;
}

interface PgSession extends PgClient {
  query(text: string, parameters?: unknown[]): Promise<{ readonly rows: Row[] }>;
}

type Row = Readonly<Record<string, string>>;

/** A pool of `pg`, which ends with the test. */
export function connectPg(context: TestContext, { port, user, most = 10 }: Where): Connected {
  const { Pool } = load(context, "pg") as PgPackage;
  const pool = new Pool({ ...serverAt({ port, user }), max: most });
  // A connection that is lost while it is unused.
  pool.on("error", () => {});
  onTestFinished(async () => await pool.end());
  return {
    query: async (text, parameters) => await pool.query(text, parameters),
    listen: pgListen(() => pgClient(context, { port, user })),
  };
}

/** A connection of `pg` that is not connected yet; the caller ends it. */
export function pgClient(context: TestContext, where: Omit<Where, "most">): PgSession {
  const { Client } = load(context, "pg") as PgPackage;
  return new Client(serverAt(where));
}

interface Sql {
  unsafe(text: string, parameters: string[]): Promise<readonly Row[]>;
  listen(
    channel: string,
    onMessage: (payload: string) => void,
    onListen: () => void,
  ): Promise<{ unlisten(): Promise<void> }>;
  end(options: { timeout: number }): Promise<void>;
}

/** A pool of `postgres`, which ends with the test. */
export function connectPostgres(context: TestContext, { port, most = 10 }: Where): Connected {
  const make = load(context, "postgres") as (options: object) => Sql;
  const sql = make({ ...serverAt({ port }), max: most, onnotice: () => {} });
  onTestFinished(async () => await sql.end({ timeout: 1 }));
  return {
    query: async (text, parameters) => await sql.unsafe(text, parameters),
    listen: async (channel, tell) => await sql.listen(channel, tell, () => tell()),
  };
}

interface Lite {
  query(text: string, parameters: string[]): Promise<{ readonly rows: Row[] }>;
  listen(channel: string, tell: (payload: string) => void): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

interface LitePackage {
  readonly PGlite: new () => Lite & { readonly waitReady: Promise<void> };
}

/** PostgreSQL in this process; the caller stops it. */
export async function startPglite(
  context: TestContext,
): Promise<Connected & { stop(): Promise<void> }> {
  const { PGlite } = load(context, "@electric-sql/pglite") as LitePackage;
  const lite = new PGlite();
  await lite.waitReady;
  return {
    query: async (text, parameters) => await lite.query(text, parameters),
    listen: async (channel, tell) => await lite.listen(channel, tell),
    stop: async () => await lite.close(),
  };
}
