/** The example of the leases' guide: two processes as two pods, on a real PostgreSQL server. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { expect, test } from "vitest";

import { onceForFile } from "../support/engines/engines.js";
import { pgClient, postgresForClients } from "../support/engines/postgres-clients.js";
import { start } from "../support/processes/child.js";
import { ROOT } from "../support/processes/programs.js";
import { codeBlock, writeExample } from "../support/readme-code.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { waitFor } from "../support/wait-for.js";

const engine = onceForFile(
  postgresForClients,
  async (folder) => await postgresForClients.startEngine({ folder }),
);

const PG = join(ROOT, "test/lab/lease/node_modules/pg/lib/index.js");

test(
  "of two pods one writes, and when it is killed the other goes on with a greater epoch",
  { timeout: 120_000 },
  async (context) => {
    const { port } = await engine(context);
    const client = pgClient(context, { port });
    await client.connect();
    const example = codeBlock("lib/lease/README.md", "js", "postgresLeases({");
    const script = writeExample(
      example.replace('"pg"', () => JSON.stringify(pathToFileURL(PG).href)),
      temporaryFolder(),
    );
    const DATABASE_URL = `postgres://postgres@127.0.0.1:${String(port)}/postgres`;
    const env = { ...process.env, DATABASE_URL };
    const written = async (): Promise<string> => {
      const { rows } = await client.query("SELECT text FROM session");
      return rows[0]?.["text"] ?? "";
    };
    const first = await start(process.execPath, [script], { env });
    expect(await first.line()).toBe("holding epoch 1");
    const second = await start(process.execPath, [script], { env });
    await waitFor("the first pod's writes", async () =>
      /^line \d+ of epoch 1$/u.test(await written()),
    );
    await first.kill("SIGKILL");
    const [, epoch = ""] = /^holding epoch (\d+)$/u.exec(await second.line()) ?? [];
    expect(Number(epoch)).toBeGreaterThan(1);
    await waitFor("the second pod's writes", async () =>
      new RegExp(`^line \\d+ of epoch ${epoch}$`, "u").test(await written()),
    );
    await client.end();
  },
);
