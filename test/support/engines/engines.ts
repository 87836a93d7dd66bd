/** The lease engines for tests in TypeScript; the lab uses the same starters. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { afterAll, type TestContext } from "vitest";

import { ROOT } from "../processes/programs.js";
import { requireEngine } from "../require.js";

/** A real server on 127.0.0.1 that was started here. */
export interface Engine {
  readonly port: number;
  readonly pid: () => number;
  /** SIGKILL, and waits for its end; the data stay. */
  readonly kill: () => Promise<void>;
  /** After `kill`: on the same data and port; resolves when it answers. */
  readonly restart: () => Promise<void>;
  /** SIGSTOP. */
  readonly pause: () => void;
  /** SIGCONT. */
  readonly resume: () => void;
  readonly stop: () => Promise<void>;
}

export interface EngineStarter {
  readonly obstacle: () => string | null;
  readonly startEngine: (where: { folder: string; port?: number }) => Promise<Engine>;
}

export interface PostgresStarter extends EngineStarter {
  readonly startEngine: (where: {
    folder: string;
    port?: number;
    /** Of postgresql.conf. */
    settings?: Readonly<Record<string, string>>;
  }) => Promise<Engine>;
}

export interface EtcdStarter extends EngineStarter {
  readonly startCluster: (how: { folder: string; tls?: boolean }) => Promise<EtcdCluster>;
  readonly requirePasswords: (port: number, rootPassword: string) => Promise<void>;
}

export interface EtcdCluster {
  readonly members: readonly Engine[];
  readonly endpoints: readonly string[];
  /** The authority's certificate, PEM; undefined without TLS. */
  readonly ca: string | undefined;
  readonly stop: () => Promise<unknown>;
}

/** A starter of this folder: plain JavaScript, of which the compiler knows nothing. */
export async function engineStarter(file: string): Promise<unknown> {
  return await import(pathToFileURL(join(ROOT, "test/support/engines", file)).href);
}

export const postgres = (await engineStarter("postgres.mjs")) as PostgresStarter;
export const etcd = (await engineStarter("etcd.mjs")) as EtcdStarter;

/** For tests that only ask a server: the one that the environment names by its port of 127.0.0.1, or one of their own. */
export function givenOrStarted(
  starter: EngineStarter,
  variable: "PIDENTITY_POSTGRES_PORT" | "PIDENTITY_ETCD_PORT",
): (context: TestContext) => Promise<Pick<Engine, "port">> {
  const given = process.env[variable];
  if (given === undefined) {
    return onceForFile(starter, async (folder) => await starter.startEngine({ folder }));
  }
  const port = Number(given);
  if (!Number.isSafeInteger(port) || port < 1) {
    throw new RangeError(`${variable} must be a port: ${given}`);
  }
  return async () => await Promise.resolve({ port });
}

/**
 * One thing of a test file that is made when a test first wants it, and ended after the last; skips the tests where the
 * engine cannot be had.
 *
 * @param make - gets a folder that is removed afterwards
 */
export function onceForFile<T extends { readonly stop: () => Promise<unknown> }>(
  starter: EngineStarter,
  make: (folder: string) => Promise<T>,
): (context: TestContext) => Promise<T> {
  let made: Promise<T> | undefined;
  let folder: string | undefined;
  let obstacle: string | null | undefined;
  afterAll(async () => {
    await made?.then(
      ({ stop }) => stop(),
      () => {},
    );
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  return async (context) => {
    obstacle = obstacle === undefined ? starter.obstacle() : obstacle;
    requireEngine(context, obstacle);
    folder ??= mkdtempSync(join(tmpdir(), "pidentity-engine-"));
    return await (made ??= make(folder));
  };
}
