/** Tokens of real processes. */
import { createHash } from "node:crypto";
import { hostname } from "node:os";

import { describe, expect, test } from "vitest";

import { identifyProcess, verifyProcess } from "../../lib/index.js";
import { hostFacts, toTokenHost } from "../../lib/process/identity.js";
import { parseToken } from "../../lib/process/token.js";
import { environmentFor, LINUX_BACKENDS } from "../support/backends.js";
import { ENDED, nodeArguments, runNode, startReady } from "../support/child.js";
import { program } from "../support/programs.js";
import { requireLinux, requireNative } from "../support/require.js";

const IDLE = nodeArguments("console.log(p.identifyProcess()); process.stdin.resume();");

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
    `echo ready; read line; exec ${program("idle")} executed`,
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

test("a token carries digests, never the ids themselves", (context) => {
  requireLinux(context, "reads the machine's id");
  const { machineId } = hostFacts();
  if (machineId === null) return context.skip("this machine has no id");
  const fields = identifyProcess()?.split(".") ?? [];
  const digest = (text: string): string =>
    createHash("sha256").update(`pidentity:${text}`).digest("hex");
  expect(fields[2]).toBe(digest(machineId).slice(0, 16));
  expect(fields[3]).toBe(digest(hostname()).slice(0, 8));
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
  expect(toTokenHost(facts)).toMatchObject({
    hostDigest: null,
    hostnameDigest: null,
    boot: "1a2b3",
  });
  expect(toTokenHost({ ...facts, bootId: null }).boot).toBeNull();
  expect(toTokenHost({ ...facts, bootId: "--" }).boot).toBeNull();
  expect(toTokenHost({ ...facts, bootId: "x".repeat(99) }).boot).toMatch(/^[0-9a-f]{32}$/u);
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
