/**
 * A /proc that hides other users' processes (hidepid, Android's way of mounting it): not found there is
 * not dead. On a procfs of its own inside its own mount and pid namespace.
 */
import { beforeEach, describe, expect, test } from "vitest";

import { identityOf } from "../../lib/process/identity.js";
import { backendNamed, environmentFor, LINUX_BACKENDS } from "../support/processes/backends.js";
import { nodeArguments, runNode } from "../support/processes/child.js";
import { requireLinux, requireRoot } from "../support/require.js";
import {
  AS_NOBODY,
  type ReadablePackage,
  readablePackage,
} from "../support/processes/unprivileged.js";

beforeEach((context) => requireLinux(context, "hidepid"));

/** Linux 6.9 and later, with the addon. */
const hasExactId = identityOf(process.pid).exactId !== null;

const DENIED = { state: "unknown", reason: "access-denied" };

/**
 * Mounts /proc, starts a process and a zombie of root, lets root name the process, and becomes nobody.
 * The shell is pid 1: all ends with it.
 */
function underHidepid(hidepid: number, { entry, node }: ReadablePackage): readonly string[] {
  const identify = nodeArguments(
    "console.log(p.identifyProcess(Number(process.env.TARGET)))",
    entry,
  );
  const shell = `
    mount -t proc -o hidepid=${hidepid} proc /proc || exit 3
    sleep 1000 & export TARGET=$!
    export TOKEN="$("$0" "$1" "$2" "$3")" || exit 3
    shift 3
    # Ends only once the shell has become another program: a shell reaps, that one never does.
    (while [ "$(cat /proc/1/comm)" = sh ]; do sleep 0.01; done) & export ZOMBIE=$!
    exec "$@"`;
  const inside = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "sh", "-c", shell];
  return [...inside, node, ...identify, ...AS_NOBODY];
}

const LOOK = `
  const target = Number(process.env.TARGET);
  const token = process.env.TOKEN;
  const brief = (pid) => {
    const { state, reason } = p.inspectProcess(pid);
    return { alive: p.isPidAlive(pid), state, reason };
  };
  const zombie = Number(process.env.ZOMBIE);
  const deadline = Date.now() + 10_000;
  // It may still be about to exit. Only a pidfd can tell.
  while (p.inspectProcess(zombie).reason === "running" && Date.now() < deadline);
  let kill = "";
  try { process.kill(target, 0); } catch (error) { kill = error.code; }
  console.log(JSON.stringify({
    kill,
    alive: p.isPidAlive(target),
    info: p.inspectProcess(target),
    startTime: p.getProcessStartTime(target),
    args: p.getProcessArgs(target),
    isNamed: p.identifyProcess(target) !== null,
    verdict: p.verifyProcess(token),
    zombie: brief(zombie),
    absent: brief(4_000_000),
    wait: await p.waitForProcessExit(token, { timeoutMs: 0 }).catch((error) => error.reason),
  }));`;

const CASES = [1, 2].flatMap((hidepid) => LINUX_BACKENDS.map((name) => [hidepid, name] as const));

describe("other users' processes under", () => {
  test.for(CASES)(
    "hidepid=%d, with the backend %s, exist and are denied",
    async ([hidepid, name], context) => {
      requireRoot(context, "to mount a /proc that hides processes");
      backendNamed(name, context);
      const copy = readablePackage();
      const prefix = underHidepid(hidepid, copy);
      const seen = await runNode(LOOK, { ...copy, prefix, env: environmentFor(name), cwd: "/" });

      // A pidfd sees through it all; without one even a zombie may be alive.
      const [target, zombie] =
        name === "native"
          ? [
              { state: "alive", reason: "running" },
              { state: "gone", reason: "zombie" },
            ]
          : [DENIED, DENIED];
      const isNamed = name === "native" && hasExactId;
      expect(seen).toEqual({
        kill: "EPERM",
        alive: true,
        info: {
          pid: expect.any(Number),
          ...target,
          startTime: null,
          startedAtMs: null,
          args: null,
          argsReason: "access-denied",
          commandLine: null,
          parentPid: null,
        },
        startTime: null,
        args: null,
        isNamed,
        verdict: isNamed ? { state: "same", reason: "running" } : DENIED,
        wait: isNamed ? "timeout" : "access-denied",
        zombie: { alive: name !== "native", ...zombie },
        absent: { alive: false, state: "gone", reason: "no-such-process" },
      });
    },
  );
});
