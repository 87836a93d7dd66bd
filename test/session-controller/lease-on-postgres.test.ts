/** A run that is stopped for longer than its lease lasts, on a real PostgreSQL server: another one goes on, it writes no more. */
import { randomUUID } from "node:crypto";
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { expect, test } from "vitest";

import { postgresLeases } from "../../lib/lease/index.js";
import { acquireSessionWriteLock } from "../../lib/session-lock/index.js";
import { givenOrStarted } from "../support/engines/engines.js";
import { connectPg, postgresForClients } from "../support/engines/postgres-clients.js";
import { FIRST_LINE, sessionFileWith } from "../support/locks/run-controller.js";
import { importDist } from "../support/locks/lock-holder.js";
import { nodeArguments, startReady } from "../support/processes/child.js";
import { ROOT } from "../support/processes/programs.js";
import { requireNative, requirePosix } from "../support/require.js";

const engine = givenOrStarted(postgresForClients, "PIDENTITY_POSTGRES_PORT");
const PG = pathToFileURL(join(ROOT, "test/lab/lease/node_modules/pg/lib/index.js")).href;

test(
  "a stopped run whose lease has passed on writes nothing when it goes on, and is told why",
  { timeout: 120_000 },
  async (context) => {
    requirePosix(context, "SIGSTOP");
    requireNative(context);
    const { port } = await engine(context);
    const store = postgresLeases(connectPg(context, { port }));
    await store.createTable();
    const key = randomUUID();
    const sessionFile = sessionFileWith();
    const run = await startReady(
      process.execPath,
      nodeArguments(`
        import { once } from "node:events";
        import pg from ${JSON.stringify(PG)};
        ${importDist("createSessionController", "session-controller/index.js")}
        ${importDist("acquireSessionWriteLock as acquire", "session-lock/index.js")}
        ${importDist("postgresLeases", "lease/index.js")}
        const pool = new pg.Pool({ host: "127.0.0.1", port: ${String(port)}, user: "postgres", database: "postgres" });
        const store = postgresLeases({ query: (text, values) => pool.query(text, values) });
        const controller = await createSessionController({
          acquire,
          sessionFile: ${JSON.stringify(sessionFile)},
          lease: { store, key: ${JSON.stringify(key)}, ttlMs: 1000 },
        });
        console.log("holding");
        await once(process.stdin, "data");
        await controller
          .withWriteLock(({ appendFenced }) => appendFenced("late"))
          .then(() => console.log("written"), ({ code, found }) => console.log(code, found));
        await controller.dispose();
        await pool.end();
        process.exit();`),
    );
    run.process.kill("SIGSTOP");
    const lock = await acquireSessionWriteLock({ sessionFile, env: {}, lease: { store, key } });
    lock.withFence(() => appendFileSync(sessionFile, "next\n"));
    run.say("write");
    run.process.kill("SIGCONT");
    expect(await run.line()).toBe("SESSION_TAKEOVER lease-lost");
    lock.assertHeld();
    await lock.release();
    expect(readFileSync(sessionFile, "utf8")).toBe(`${FIRST_LINE}next\n`);
  },
);
