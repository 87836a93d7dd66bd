/** The examples of the leases' guide: two pods, on a real PostgreSQL server. */
import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { expect, test } from "vitest";

import { onceForFile } from "../support/engines/engines.js";
import { pgClient, postgresForClients } from "../support/engines/postgres-clients.js";
import { getProcessChildren } from "../../lib/index.js";
import { type RunningChild, start } from "../support/processes/child.js";
import { ROOT } from "../support/processes/programs.js";
import { codeBlock, writeExample } from "../support/readme-code.js";
import { requireRoot } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { waitFor } from "../support/wait-for.js";

const engine = onceForFile(
  postgresForClients,
  async (folder) => await postgresForClients.startEngine({ folder }),
);

const PG = join(ROOT, "test/lab/lease/node_modules/pg/lib/index.js");

const urlOf = (port: number): string => `postgres://postgres@127.0.0.1:${String(port)}/postgres`;

/** The file of the guide's program that has `mark`. */
function program(mark: string): string {
  const example = codeBlock("lib/lease/README.md", "js", mark);
  const runnable = example.replace('"pg"', () => JSON.stringify(pathToFileURL(PG).href));
  return writeExample(runnable, temporaryFolder());
}

test(
  "of two pods one writes, and when it is killed the other goes on with a greater epoch",
  { timeout: 120_000 },
  async (context) => {
    const { port } = await engine(context);
    const client = pgClient(context, { port });
    await client.connect();
    const script = program("INSERT INTO session");
    const env = { ...process.env, DATABASE_URL: urlOf(port) };
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

test(
  "a session on a volume goes on in the pod of another machine, killed or stopped, and nothing is left",
  { timeout: 120_000 },
  async (context) => {
    requireRoot(context, "starts containers");
    const { port } = await engine(context);
    const script = program("cleanStaleLockFiles({");
    const volume = temporaryFolder();
    const file = join(volume, "main.jsonl");
    const env = { ...process.env, DATABASE_URL: urlOf(port), SESSIONS: volume };
    const linesOf = (epoch: string): number =>
      existsSync(file) ? readFileSync(file, "utf8").split(`"epoch":"${epoch}"`).length - 1 : 0;
    const startPod = async (): Promise<RunningChild> => {
      const [command, ...args] = machine();
      return await start(command, [...args, process.execPath, script], { env });
    };
    const holds = async (pod: RunningChild): Promise<string> => {
      const [, epoch = ""] = /^holding epoch (\d+)$/u.exec(await pod.line()) ?? [];
      await waitFor("its lines", () => linesOf(epoch) > 2);
      return epoch;
    };
    const first = await startPod();
    const before = await holds(first);
    const second = await startPod();
    await first.kill("SIGKILL");
    const between = await holds(second);
    expect(Number(between)).toBeGreaterThan(Number(before));
    const written = linesOf(before);
    const third = await startPod();
    // Signals are for the program, which is process 1 in there.
    process.kill(programOf(second.pid), "SIGTERM");
    const after = await holds(third);
    expect(Number(after)).toBeGreaterThan(Number(between));
    expect(linesOf(before)).toBe(written);
    process.kill(programOf(third.pid), "SIGTERM");
    await third.exited();
    expect(readdirSync(volume)).toEqual(["main.jsonl"]);
  },
);

/** A container with the boot of a machine of its own. */
function machine(): [string, ...string[]] {
  const bootId = join(temporaryFolder(), "boot_id");
  writeFileSync(bootId, `${randomUUID()}\n`);
  const namespaces = ["--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const script = `mount --bind ${bootId} /proc/sys/kernel/random/boot_id && exec "$0" "$@"`;
  return ["unshare", ...namespaces, "sh", "-c", script];
}

function programOf(unshare: number): number {
  const [child] = getProcessChildren(unshare);
  if (child === undefined) throw new Error("the pod has ended");
  return child.pid;
}

test("the example of waiting names the lease's holder, and gets the lock when it is released", async () => {
  const folder = temporaryFolder();
  const script = writeExample(codeBlock("lib/lease/README.md", "js", "waiting for"), folder);
  const waiter = await start(process.execPath, [script, join(folder, "report")]);
  expect(await waiter.line()).toBe('waiting for lease="pod a" epoch=1');
  expect(await waiter.line()).toBe("holding epoch 2");
  expect(await waiter.exited()).toBe(0);
});
