/** PostgreSQL and its clients for a file of tests: one server, started by the first test that needs it. */
import { existsSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { afterAll, type TestContext } from "vitest";

import { ROOT } from "../processes/programs.js";
import { requireEngine } from "../require.js";

export interface Engine {
  readonly port: number;
  pid(): number | undefined;
  kill(): Promise<void>;
  restart(): Promise<void>;
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

interface Starter {
  obstacle(): string | null;
  startEngine(options: {
    readonly folder: string;
    readonly settings?: Readonly<Record<string, string>>;
  }): Promise<Engine>;
}

const starter = (await import(new URL("postgres.mjs", import.meta.url).href)) as Starter;

/** Skips where there is no server. */
export function requirePostgres(context: TestContext): void {
  requireEngine(context, starter.obstacle());
}

/** A function that gives the file's server; with `afterAll` it ends. */
export function postgresServer(
  settings: Readonly<Record<string, string>> = {},
): (context: TestContext) => Promise<Engine> {
  let started: Promise<Engine> | undefined;
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "pidentity-postgres-")));
  afterAll(async () => {
    await (await started?.catch(() => undefined))?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return (context) => {
    requirePostgres(context);
    return (started ??= starter.startEngine({ folder, settings }));
  };
}

const CLIENTS = join(ROOT, "test/lab/lease/node_modules");

/** What the tests use of `pg`. */
export interface Pg {
  readonly Pool: new (options: object) => PgPool;
  readonly Client: new (options: object) => PgConnection;
}

export interface PgPool {
  query(text: string, parameters?: unknown[]): Promise<{ readonly rows: Record<string, string>[] }>;
  on(event: "error", listener: () => void): void;
  end(): Promise<void>;
}

export interface PgConnection {
  connect(): Promise<unknown>;
  query(text: string): Promise<unknown>;
  on(event: string, listener: (message: { channel: string; payload?: string }) => void): unknown;
  end(): Promise<void>;
}

/** A client of test/lab/lease/package.json; skips where it is not installed. */
export async function requireClient<Client>(context: TestContext, name: string): Promise<Client> {
  const isThere = existsSync(join(CLIENTS, name, "package.json"));
  const obstacle = isThere
    ? null
    : "needs PostgreSQL's clients: npm --prefix test/lab/lease ci";
  requireEngine(context, obstacle);
  const { createRequire } = await import("node:module");
  const load = createRequire(pathToFileURL(join(CLIENTS, "..", "package.json")));
  return load(name) as Client;
}

/** How a client finds the server. */
export function connectionTo({ port }: Pick<Engine, "port">) {
  return { host: "127.0.0.1", port, user: "postgres", database: "postgres" };
}
