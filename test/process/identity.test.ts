/** Tokens of real processes. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { hostname } from "node:os";
import { join } from "node:path";

import { beforeEach, describe, expect, test } from "vitest";

import { identifyProcess, verifyProcess } from "../../lib/index.js";
import { hostFacts, toTokenHost } from "../../lib/process/identity.js";
import { parseToken } from "../../lib/process/token.js";
import { environmentFor, LINUX_BACKENDS } from "../support/processes/backends.js";
import { ENDED, nodeArguments, runNode, startReady } from "../support/processes/child.js";
import { program } from "../support/processes/programs.js";
import { requireLinux, requireNative, requireRoot } from "../support/require.js";

const IDLE = nodeArguments("console.log(p.identifyProcess()); process.stdin.resume();");

const OTHER_BOOT = "0".repeat(32);

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

test("a process names itself as others name it", async () => {
  const child = await startReady(process.execPath, IDLE);
  expect(child.first).toBe(identifyProcess(child.pid));
  expect(verifyProcess(child.first)).toEqual({ state: "same", reason: "running" });
});

test("the token is short, printable and stable", () => {
  const token = identifyProcess();
  expect(token).toMatch(/^pi1\.[!-~]+$/u);
  expect(token?.length).toBeLessThan(160);
  expect(identifyProcess(process.pid)).toBe(token);
  expect(parseToken(token)).toMatchObject({ platform: process.platform, pid: process.pid });
});

test("a child that could not be started is not taken for this process", async () => {
  const child = spawn(join(import.meta.dirname, "no-such-program"));
  const [error] = (await once(child, "error")) as [Error];
  expect(error).toMatchObject({ code: "ENOENT" });
  expect(child.pid).toBeUndefined();
  expect(identifyProcess(child.pid)).toBeNull();
});

test("two processes have two tokens", async () => {
  const [one, two] = [
    await startReady(process.execPath, IDLE),
    await startReady(process.execPath, IDLE),
  ];
  expect(one.first).not.toBe(two.first);
});

test("an ended process is gone, and can no longer be named", async () => {
  const child = await startReady(process.execPath, IDLE);
  await child.kill();
  expect(verifyProcess(child.first)).toEqual({
    state: "gone",
    reason: expect.stringMatching(ENDED),
  });
  expect(identifyProcess(child.pid)).toBeNull();
});

test("exec keeps the identity", async (context) => {
  requireLinux(context, "exec");
  const child = await startReady("/bin/sh", [
    "-c",
    'echo ready; read line; exec "$0" executed',
    program("idle"),
  ]);
  const before = identifyProcess(child.pid);
  child.say("go");
  expect(await child.line()).toBe("ready");
  expect(identifyProcess(child.pid)).toBe(before);
  expect(verifyProcess(before ?? "")).toEqual({ state: "same", reason: "running" });
});

test("another process under the same pid is not the same", (context) => {
  requireLinux(context, "fakes a start time in clock ticks");
  const fields = identifyProcess()?.split(".") ?? [];
  // As if written by an earlier owner of this pid.
  const earlier = fields.with(7, String(Number(fields[7]) - 5000)).with(8, "1");
  expect(verifyProcess(earlier.join("."))).toEqual({ state: "gone", reason: "recycled" });
  const withoutExactId = earlier.with(8, "-");
  expect(verifyProcess(withoutExactId.join("."))).toEqual({ state: "gone", reason: "recycled" });
});

test("a zombie is gone", async (context) => {
  requireLinux(context, "zombies");
  const zombie = Number((await startReady(program("zombie-parent"))).first);
  expect(identifyProcess(zombie)).toBeNull();
  const fields = identifyProcess()?.split(".") ?? [];
  const token = fields.with(6, String(zombie)).with(8, "-").join(".");
  expect(verifyProcess(token).state).toBe("gone");
});

test.each([0, -1, 1.5, Number.NaN, 2 ** 40, "1", null, Symbol("1"), {}])(
  "%s has no token",
  (pid) => {
    expect(identifyProcess(pid as number)).toBeNull();
  },
);

test.each([undefined, null, 1, 1n, Symbol("x"), {}, [], "", "pi2.x", "pi1", () => ""])(
  "the token %s is malformed, not an exception",
  (token) => {
    expect(verifyProcess(token as string)).toEqual({ state: "unknown", reason: "malformed" });
  },
);

test("a token of another machine is unknown", () => {
  const fields = identifyProcess()?.split(".") ?? [];
  const foreign = fields.with(2, "0".repeat(16)).with(4, "0".repeat(32)).join(".");
  expect(verifyProcess(foreign)).toEqual({ state: "unknown", reason: "other-host" });
});

describe("a token of another boot", () => {
  /** Our own token as it would look from that boot. */
  function ofOtherBoot(changes: Readonly<Record<number, string>> = {}): string {
    const fields = identifyProcess()?.split(".").with(4, OTHER_BOOT) ?? [];
    for (const [index, field] of Object.entries(changes)) fields[Number(index)] = field;
    return fields.join(".");
  }

  beforeEach((context) => {
    requireNative(context);
    const { machineId, initialPidNamespace } = hostFacts();
    if (machineId === null) context.skip("this machine has no id");
    if (!initialPidNamespace) context.skip("not in the initial pid namespace");
  });

  test("of this machine has ended with that boot, whatever the machine was called then", () => {
    const rebooted = { state: "gone", reason: "rebooted" };
    expect(verifyProcess(ofOtherBoot())).toEqual(rebooted);
    expect(verifyProcess(ofOtherBoot({ 3: "0".repeat(8) }))).toEqual(rebooted);
    expect(verifyProcess(ofOtherBoot({ 3: "-" }))).toEqual(rebooted);
  });

  test("written in a container, or on a machine without id, may be another machine's", () => {
    const unknown = { state: "unknown", reason: "other-host" };
    expect(verifyProcess(ofOtherBoot({ 5: "4026532999" }))).toEqual(unknown);
    expect(verifyProcess(ofOtherBoot({ 5: "-" }))).toEqual(unknown);
    expect(verifyProcess(ofOtherBoot({ 2: "-" }))).toEqual(unknown);
    expect(verifyProcess(ofOtherBoot({ 4: "-" }))).toEqual(unknown);
  });
});

describe("PIDENTITY_HOST_ID", () => {
  const script = `
    const token = p.identifyProcess();
    const rebooted = token.split(".").with(4, ${JSON.stringify(OTHER_BOOT)});
    const elsewhere = rebooted.with(2, "0".repeat(16));
    const inContainer = rebooted.with(5, "4026532999");
    const verdicts = [rebooted, inContainer, elsewhere].map((fields) => {
      const { state, reason } = p.verifyProcess(fields.join("."));
      return state + " " + reason;
    });
    console.log(JSON.stringify({ token, same: p.verifyProcess(token).state, verdicts }));`;

  interface Seen {
    readonly token: string;
    readonly same: string;
    readonly verdicts: readonly string[];
  }
  const seenWith = (hostId: string, prefix: readonly string[] = []): Promise<Seen> =>
    runNode(script, {
      prefix,
      env: { ...process.env, PIDENTITY_HOST_ID: hostId },
    }) as Promise<Seen>;

  test.for(["pod-7", " pod-7\n"])(
    "names the host, hashed, without the white space around it: %j",
    async (hostId, context) => {
      requireNative(context);
      const { token, same } = await seenWith(hostId);
      expect(token.split(".")[2]).toBe(sha256("pidentity:pod-7").slice(0, 16));
      expect(token).not.toContain("pod-7");
      expect(same).toBe("same");
    },
  );

  test.for(["", " \t"])(
    "blank, names nothing: the machine's own id counts: %j",
    async (hostId, context) => {
      requireNative(context);
      const { token, verdicts } = await seenWith(hostId);
      expect(token.split(".")[2]).toBe(identifyProcess()?.split(".")[2]);
      expect(verdicts[1]).toBe("unknown other-host");
    },
  );

  test("makes a reboot known to containers, and no other host's", async (context) => {
    requireNative(context);
    const expected = ["gone rebooted", "gone rebooted", "unknown other-host"];
    expect((await seenWith("pod-7")).verdicts).toEqual(expected);
  });

  test("counts inside a container, where nothing else tells a reboot from another host", async (context) => {
    requireRoot(context, "to make a pid namespace");
    requireNative(context);
    const inside = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    const pinned = await seenWith("pod-7", inside);
    expect(pinned.verdicts).toEqual(["gone rebooted", "gone rebooted", "unknown other-host"]);
    const own = await seenWith("", inside);
    expect(own.verdicts).toEqual([
      "unknown other-host",
      "unknown other-host",
      "unknown other-host",
    ]);
  });
});

test("a token carries digests, never the ids themselves", (context) => {
  requireLinux(context, "reads the machine's id");
  const { machineId } = hostFacts();
  if (machineId === null) return context.skip("this machine has no id");
  const fields = identifyProcess()?.split(".") ?? [];
  expect(fields[2]).toBe(sha256(`pidentity:${machineId}`).slice(0, 16));
  expect(fields[3]).toBe(sha256(`pidentity:${hostname()}`).slice(0, 8));
  expect(fields.join(".")).not.toContain(machineId);
});

test("the host part holds whatever a platform calls its boot and machine", () => {
  const facts = {
    platform: "win32",
    machineId: null,
    hostname: "",
    bootId: "1A-2b.3 ",
    pidNamespace: "0",
    initialPidNamespace: true,
    startTimeOffset: 0,
    monotonicOffsetMs: 0,
  } as const;
  expect(toTokenHost(facts, false)).toMatchObject({
    hostDigest: null,
    hostnameDigest: null,
    boot: "1a2b3",
    isHostIdPinned: false,
  });
  expect(toTokenHost({ ...facts, machineId: "pod-7" }, true)).toMatchObject({
    hostDigest: sha256("pidentity:pod-7").slice(0, 16),
    isHostIdPinned: true,
  });
  expect(toTokenHost({ ...facts, bootId: null }, false).boot).toBeNull();
  expect(toTokenHost({ ...facts, bootId: "--" }, false).boot).toBeNull();
  expect(toTokenHost({ ...facts, bootId: "x".repeat(99) }, false).boot).toMatch(/^[0-9a-f]{32}$/u);
});

const PAIRS = LINUX_BACKENDS.flatMap((writer) =>
  LINUX_BACKENDS.map((reader) => [writer, reader] as const),
);

describe.each(PAIRS)("a token written with %s, read with %s", (writer, reader) => {
  test("means the same", async (context) => {
    requireLinux(context, "two backends");
    const child = await startReady(process.execPath, IDLE, { env: environmentFor(writer) });
    const verify = `console.log(JSON.stringify(p.verifyProcess(${JSON.stringify(child.first)})))`;
    const env = environmentFor(reader);
    expect(await runNode(verify, { env })).toEqual({ state: "same", reason: "running" });
    await child.kill();
    expect(await runNode(verify, { env })).toEqual({ state: "gone", reason: "no-such-process" });
  });
});

test("the exact id tells apart what start times cannot", (context) => {
  requireNative(context);
  const fields = identifyProcess()?.split(".") ?? [];
  if (fields[8] === "-") return context.skip("this kernel has no exact id");
  const other = fields.with(8, String(BigInt(fields[8] ?? "0") + 1n)).join(".");
  expect(verifyProcess(other)).toEqual({ state: "gone", reason: "recycled" });
});
