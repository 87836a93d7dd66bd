/**
 * A signal takes the locks with it only when it ends the process. What a host does about a signal is the host's
 * to decide, and until it has decided it holds its locks.
 */
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { describe, expect, onTestFinished, test, type TestContext } from "vitest";

import { loadNative } from "../../../lib/native/load.js";
import { acquireSessionWriteLock } from "../../../lib/session-lock/acquire.js";
import { enterGuardOf } from "../../support/locks/enter-guard.js";
import { importDist } from "../../support/locks/lock-holder.js";
import { ROOT } from "../../support/processes/programs.js";
import {
  requireNative,
  requirePosix,
  requireRoot,
  requireRuntime,
  requireWindows,
  type Runtime,
  RUNTIMES,
} from "../../support/require.js";
import { endOf, type HostScript, startHost } from "../../support/processes/signal-host.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

/** Runs a host, sends it SIGTERM and waits for its end. */
async function terminate(context: TestContext, runtime: Runtime, script: HostScript) {
  requirePosix(context, "signals that can be handled");
  const command = requireRuntime(context, runtime);
  const host = await startHost(command, temporaryFolder(), script);
  host.child.process.kill("SIGTERM");
  return { host, ...(await endOf(host)), isLeft: host.isLocked() };
}

/** The host writes for the last time long after the signal, and says what has become of the lock. */
const SHUT_DOWN = `
  const shutDown = async () => {
    await later(50);
    lock.withFence(() => log("last write"));
    log(isLocked() ? "still locked" : "lock is gone");
  };`;

const require = createRequire(import.meta.url);

/** Source of a package's exports, in a host. */
const exportsOf = (path: string): string =>
  `(await import("node:module")).createRequire(import.meta.url)(${JSON.stringify(path)})`;

// Resolved when they are needed: not everywhere they are installed.
const onSignalExit = {
  3: () => exportsOf(require.resolve("signal-exit-3")),
  4: () => `${exportsOf(require.resolve("signal-exit"))}.onExit`,
};

describe.each(RUNTIMES)("on %s", (runtime) => {
  test.for<readonly [how: string, script: string]>([
    ["once", `process.once("SIGTERM", async () => { await shutDown(); process.exit(3); });`],
    ["on", `process.on("SIGTERM", async () => { await shutDown(); process.exit(3); });`],
    ["events.once", `once(process, "SIGTERM").then(shutDown).then(() => process.exit(3));`],
    [
      "prependOnceListener",
      `process.prependOnceListener("SIGTERM", async () => { await shutDown(); process.exit(3); });`,
    ],
  ])(
    "a host that listens with %s() finishes its shutdown under its lock",
    async ([, listen], context) => {
      for (const when of ["before", "after"]) {
        const { lines, code, isLeft } = await terminate(context, runtime, {
          [when]: SHUT_DOWN + listen,
        });
        expect({ when, lines, code, isLeft }).toEqual({
          when,
          lines: ["last write", "still locked"],
          code: 3,
          isLeft: false,
        });
      }
    },
  );

  test("a host that raises the signal again after its shutdown ends by it, without its lock", async (context) => {
    const { lines, signal, isLeft } = await terminate(context, runtime, {
      after: `${SHUT_DOWN}
        process.once("SIGTERM", async () => {
          await shutDown();
          process.kill(process.pid, "SIGTERM");
        });`,
    });
    expect({ lines, signal, isLeft }).toEqual({
      lines: ["last write", "still locked", "lost"],
      signal: "SIGTERM",
      isLeft: false,
    });
  });

  test("a signal whose last other listener has gone ends the process again", async (context) => {
    const { lines, signal, isLeft } = await terminate(context, runtime, {
      after: `
        const listener = () => log("heard");
        process.on("SIGTERM", listener);
        await later(1);
        process.off("SIGTERM", listener);`,
    });
    expect({ lines, signal, isLeft }).toEqual({
      lines: ["lost"],
      signal: "SIGTERM",
      isLeft: false,
    });
  });

  test.for<readonly [what: string, versions: readonly (3 | 4)[]]>([
    ["signal-exit 3", [3]],
    ["signal-exit 4", [4]],
    ["signal-exit 3 and 4", [3, 4]],
  ])("SIGTERM ends a process with %s, its lock removed", async ([, versions], context) => {
    requirePosix(context, "signals that can be handled");
    const install = versions
      .map((version) => `${onSignalExit[version]()}(() => log("tidied up"));`)
      .join("\n");
    for (const when of ["before", "after"]) {
      const { lines, signal, isLeft } = await terminate(context, runtime, { [when]: install });
      expect({ when, tidied: lines.includes("tidied up"), signal, isLeft }).toEqual({
        when,
        tidied: true,
        signal: "SIGTERM",
        isLeft: false,
      });
    }
  });

  test("a listener that waits until it is alone and the package's do not wait for each other", async (context) => {
    requireNative(context);
    const waiting = `
      const listener = () => {
        if (process.listenerCount("SIGTERM") > 1) return;
        process.off("SIGTERM", listener);
        process.kill(process.pid, "SIGTERM");
      };
      process.on("SIGTERM", listener);`;
    for (const when of ["before", "after"]) {
      const { signal, isLeft, host } = await terminate(context, runtime, { [when]: waiting });
      expect({ when, signal, isLeft }).toEqual({
        when,
        signal: "SIGTERM",
        // Bun does not tell that the listener goes: the file is left, free.
        isLeft: runtime === "Bun",
      });
      const sessionFile = host.lockPath.slice(0, -".lock".length);
      await (await acquireSessionWriteLock({ sessionFile, timeoutMs: 5000, env: {} })).release();
    }
  });

  test("a worker holds its lock while the main thread deals with a signal", async (context) => {
    requireNative(context);
    const { lines, code } = await terminate(context, runtime, {
      after: `
        const { Worker } = await import("node:worker_threads");
        const { writeFileSync } = await import("node:fs");
        const script = new URL("worker.mjs", import.meta.url);
        const path = process.argv[1].replace("host.mjs", "w.jsonl");
        writeFileSync(script, ${JSON.stringify(
          `${importDist("acquireSessionWriteLock", "session-lock/index.js")}
          import { parentPort, workerData } from "node:worker_threads";
          globalThis.lock = await acquireSessionWriteLock({ sessionFile: workerData, env: {} });
          parentPort.postMessage("holding");
          setInterval(() => {}, 1e6);`,
        )});
        const worker = new Worker(script, { workerData: path });
        await once(worker, "message");
        process.on("SIGTERM", async () => {
          await later(50);
          log(existsSync(path + ".lock") ? "worker holds" : "worker lost it");
          process.exit(4);
        });`,
    });
    expect({ lines, code }).toEqual({ lines: ["worker holds"], code: 4 });
  });
});

test("a host of signal-exit 4 that refuses to end keeps its lock", async (context) => {
  requirePosix(context, "signals that can be handled");
  const host = await startHost([process.execPath], temporaryFolder(), {
    after: `
      ${onSignalExit[4]()}((_code, signal) => {
        if (signal === null) return;
        setImmediate(() => { lock.assertHeld(); log("stays"); });
        return true;
      });`,
  });
  host.child.process.kill("SIGTERM");
  expect(await host.child.line()).toBe("stays");
  expect(host.isLocked()).toBe(true);
});

test("where a signal cannot be raised the process ends as a shell would report it", async (context) => {
  requireWindows(context, "of its console's signals none can be raised");
  const host = await startHost([process.execPath], temporaryFolder(), {
    after: `process.stdin.on("data", () => process.emit("SIGHUP", "SIGHUP"));`,
  });
  host.child.say("the console is closed");
  const { code, lines } = await endOf(host);
  expect({ code, lines, isLeft: host.isLocked() }).toEqual({
    code: 128 + 1,
    lines: ["lost"],
    isLeft: false,
  });
});

test("pid 1 of a namespace, which a raised signal does not end, keeps its lock", async (context) => {
  requireRoot(context, "makes pid namespaces");
  const inside = ["--pid", "--fork", "--kill-child", "--mount-proc", process.execPath];
  const host = await startHost(["unshare", ...inside], temporaryFolder(), {
    after: `
      process.stdin.on("data", () => {
        try { lock.assertHeld(); log(process.pid + " holds"); } catch (error) { log(error.message); }
      });`,
  });
  const { pid } = host.child;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  process.kill(Number(children.trim()), "SIGTERM");
  // What came before the second line has been dealt with by the time of its answer.
  for (let i = 0; i < 2; i++) {
    host.child.say("well?");
    expect(await host.child.line()).toBe("1 holds");
  }
  expect(host.isLocked()).toBe(true);
});

test("two copies of the package in one process end by one signal, each without its locks", async (context) => {
  requirePosix(context, "signals that can be handled");
  const folder = temporaryFolder();
  for (const [copy, key] of [
    ["same", "pidentity.lock.v1"],
    ["later", "pidentity.lock.v9"],
  ] as const) {
    cpSync(join(ROOT, "dist"), join(folder, copy), { recursive: true });
    let changed = 0;
    for (const file of readdirSync(join(folder, copy), { recursive: true, encoding: "utf8" })) {
      if (!file.endsWith(".js")) continue;
      const path = join(folder, copy, file);
      const text = readFileSync(path, "utf8");
      if (!text.includes("pidentity.lock.v1")) continue;
      writeFileSync(path, text.replace("pidentity.lock.v1", key));
      changed++;
    }
    expect(changed).toBe(1);
  }
  writeFileSync(join(folder, "package.json"), `{ "type": "module" }`);
  const acquireWith = (copy: string): string => {
    const module = pathToFileURL(join(folder, copy, "session-lock/index.js")).href;
    const sessionFile = join(folder, `${copy}.jsonl`);
    return `await (await import(${JSON.stringify(module)})).acquireSessionWriteLock({ sessionFile: ${JSON.stringify(sessionFile)}, env: {} });`;
  };
  const host = await startHost([process.execPath], folder, {
    before: acquireWith("later"),
    after: acquireWith("same"),
    env: { ...process.env, PIDENTITY_NATIVE_PATH: loadNative().path },
  });
  const locks = (): string[] => readdirSync(folder).filter((name) => name.endsWith(".lock"));
  expect(locks()).toHaveLength(3);
  host.child.process.kill("SIGTERM");
  const { signal } = await endOf(host);
  expect({ signal, left: locks() }).toEqual({ signal: "SIGTERM", left: [] });
});

test("guards that others keep busy delay an exit once, not for each lock", async (context) => {
  requireNative(context);
  const folder = temporaryFolder();
  const sessionFiles = Array.from({ length: 12 }, (_, i) => join(folder, `${String(i)}.jsonl`));
  const host = await startHost([process.execPath], folder, {
    before: `
      let started;
      process.on("exit", () => (started = performance.now()));`,
    after: `
      for (const sessionFile of ${JSON.stringify(sessionFiles)}) {
        await acquireSessionWriteLock({ sessionFile, env: {} });
      }
      process.on("exit", () => log(String(performance.now() - started)));
      process.stdin.on("data", () => process.exit());`,
  });
  for (const sessionFile of sessionFiles.slice(1)) {
    onTestFinished(enterGuardOf(`${sessionFile}.lock`));
  }
  host.child.say("exit");
  const { lines } = await endOf(host);
  expect(Number(lines.at(-1))).toBeLessThan(300);
  // Those behind a busy guard stay, free for others; the rest is gone.
  expect(existsSync(`${sessionFiles[0] ?? ""}.lock`)).toBe(false);
  expect(existsSync(`${sessionFiles[11] ?? ""}.lock`)).toBe(true);
  expect(host.isLocked()).toBe(false);
});
