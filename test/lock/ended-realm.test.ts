/** A realm may end before its thread, as each of Jest's test files does: the package fails in nothing there afterwards. */
import { join } from "node:path";

import { expect, test } from "vitest";

import { DIST, runNode } from "../support/processes/child.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/**
 * What jest-util 30 does to all that hangs on a test file's global object when that file is done: its default (`soft`:
 * an assignment to such a property never returns), and `on`.
 */
const END_REALM = `
  function endRealm(mode) {
    for (const name of Object.getOwnPropertySymbols(globalThis)) {
      if (!name.description.startsWith("pidentity.")) continue;
      const state = globalThis[name];
      for (const key of Reflect.ownKeys(state)) {
        const descriptor = Reflect.getOwnPropertyDescriptor(state, key);
        if (!descriptor.configurable) continue;
        if (mode === "on") delete state[key];
        else Object.defineProperty(state, key, {
          configurable: true,
          get: () => descriptor.value,
          set: (value) => Reflect.set(state, key, value),
        });
      }
    }
  }`;

const LISTENERS = `
  const count = () => ["exit", "SIGTERM", "SIGINT", "newListener", "removeListener"]
    .reduce((sum, event) => sum + host.listenerCount(event), 0);`;

test.for(["soft", "on"])(
  "a realm that ends right after the last release leaves no listener, with Jest's clean-up '%s'",
  async (mode) => {
    const sessionFile = JSON.stringify(join(temporaryFolder(), "s.jsonl"));
    const answer = await runNode(`
      import host from "node:process";
      import { setImmediate as turn } from "node:timers/promises";
      import { acquireSessionWriteLock } from "${DIST}session-lock/index.js";
      ${END_REALM}
      ${LISTENERS}
      const before = count();
      const lock = await acquireSessionWriteLock({ sessionFile: ${sessionFile} });
      const during = count();
      await lock.release();
      endRealm("${mode}");
      await turn();
      await turn();
      console.log(JSON.stringify([during > before, count() - before]));`);
    expect(answer).toEqual([true, 0]);
  },
);

test.for(["soft", "on"])(
  "a lock that its realm has left behind goes with the process, with Jest's clean-up '%s'",
  async (mode) => {
    const sessionFile = join(temporaryFolder(), "s.jsonl");
    const answer = await runNode(`
      import { existsSync } from "node:fs";
      import host from "node:process";
      import { acquireSessionWriteLock } from "${DIST}session-lock/index.js";
      ${END_REALM}
      const lockPath = ${JSON.stringify(`${sessionFile}.lock`)};
      await acquireSessionWriteLock({ sessionFile: ${JSON.stringify(sessionFile)} });
      const isHeld = existsSync(lockPath);
      endRealm("${mode}");
      host.on("exit", () => console.log(JSON.stringify([isHeld, existsSync(lockPath)])));`);
    expect(answer).toEqual([true, false]);
  },
);

test.for(["soft", "on"])(
  "a session controller whose realm has ended is collected without an error, with Jest's clean-up '%s'",
  async (mode) => {
    const sessionFile = JSON.stringify(join(temporaryFolder(), "s.jsonl"));
    const answer = await runNode(`
      import { setFlagsFromString } from "node:v8";
      import { runInNewContext } from "node:vm";
      import { setImmediate as turn } from "node:timers/promises";
      import { acquireSessionWriteLock as acquire } from "${DIST}session-lock/index.js";
      import { createSessionController } from "${DIST}session-controller/index.js";
      ${END_REALM}
      setFlagsFromString("--expose-gc");
      const collect = runInNewContext("gc");
      await (async () => {
        const controller = await createSessionController({ acquire, sessionFile: ${sessionFile} });
        await controller.withWriteLock(({ appendFenced }) => appendFenced("line\\n"));
        await controller.dispose();
      })();
      endRealm("${mode}");
      await turn();
      for (let round = 0; round < 20; round++) {
        collect();
        await turn();
      }
      console.log("true");`);
    expect(answer).toBe(true);
  },
);
