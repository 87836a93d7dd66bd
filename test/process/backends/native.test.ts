/** An addon's numbers become reasons: none may become a reason that says more than the number did. */
import { describe, expect, test } from "vitest";

import {
  ARGS_REASONS,
  FACT,
  IDENTITY_FACT,
  type NativeBinding,
  type NativeHostFacts,
  REASONS,
  STATES,
} from "../../../lib/native/binding.js";
import { createNativeBackend } from "../../../lib/process/backends/native.js";

const HOST: NativeHostFacts = {
  machineId: "",
  bootId: "",
  pidNamespace: "",
  initialPidNamespace: false,
  startTimeOffset: 0,
  monotonicOffsetMs: 0,
};

/** An addon that answers with these facts. */
function addon(
  facts: Partial<Record<keyof typeof FACT | keyof typeof IDENTITY_FACT, number>>,
  { host = HOST, reason = 0 }: { host?: NativeHostFacts; reason?: number } = {},
): NativeBinding {
  const never = (): never => {
    throw new Error("must not be called");
  };
  return {
    isAlive: never,
    startTime: never,
    args: never,
    reference: never,
    referenceByExactId: never,
    list: never,
    tellCloses: never,
    tieChildren: never,
    loosenChildren: never,
    lockTryExclusive: never,
    lockProbe: never,
    lockDrop: never,
    ownershipTry: never,
    ownershipProbe: never,
    linkOpenFile: never,
    fileStamp: never,
    fileStampAt: never,
    keepFile: never,
    dropFile: never,
    fileId: never,
    fileSystemType: never,
    isNamed: never,
    pathKind: never,
    isWithoutLinks: never,
    openFile: never,
    readAt: never,
    writeFile: never,
    closeFile: never,
    unlinkFile: never,
    monotonicMs: never,
    sinceBootMs: never,
    inspectMany: never,
    inspect(_pid, into, args) {
      for (const [name, index] of Object.entries(FACT)) {
        into[index] = facts[name as keyof typeof FACT] ?? NaN;
      }
      args?.push("a", "b");
      return args === undefined ? null : "a\0b";
    },
    identity(_pid, into) {
      for (const [name, index] of Object.entries(IDENTITY_FACT)) {
        into[index] = facts[name as keyof typeof IDENTITY_FACT] ?? NaN;
      }
    },
    reasonByExactId: () => reason,
    host: () => host,
  };
}

const alive = STATES.indexOf("alive");
const running = REASONS.indexOf("running");
const read = ARGS_REASONS.indexOf(null);

test("what is known is passed on", () => {
  const backend = createNativeBackend(
    addon({
      state: alive,
      reason: running,
      startTime: 0,
      startedAtMs: 5,
      parentPid: 1,
      argsReason: read,
    }),
  );
  expect(backend.inspect(7, true)).toEqual({
    pid: 7,
    state: "alive",
    reason: "running",
    startTime: 0,
    startedAtMs: 5,
    args: ["a", "b"],
    argsReason: null,
    commandLine: process.platform === "win32" ? "a\0b" : "a b",
    parentPid: 1,
  });
});

test("what is not known is null, and so is the parent 0, which is no process", () => {
  const backend = createNativeBackend(
    addon({ state: alive, reason: running, parentPid: 0, argsReason: read }),
  );
  expect(backend.inspect(7, true)).toMatchObject({
    startTime: null,
    startedAtMs: null,
    parentPid: null,
  });
});

test("arguments that were not read are null, whatever was written", () => {
  for (const argsReason of ["gone", "access-denied", "busy", "skipped", "unsupported"] as const) {
    const backend = createNativeBackend(
      addon({ state: alive, reason: running, argsReason: ARGS_REASONS.indexOf(argsReason) }),
    );
    expect(backend.inspect(7, true)).toMatchObject({ args: null, commandLine: null, argsReason });
  }
});

test("an empty command line is one", () => {
  const binding = addon({ state: alive, reason: running, argsReason: read });
  const backend = createNativeBackend({
    ...binding,
    inspect: (...all) => (binding.inspect(...all), null),
  });
  expect(backend.inspect(7, true)).toMatchObject({ commandLine: "" });
});

test("a command line that was not read leaves no trace in the next one", () => {
  const answers = [ARGS_REASONS.indexOf("gone"), read, read];
  const backend = createNativeBackend({
    ...addon({}),
    inspect(_pid, facts, args) {
      facts.fill(0);
      facts[FACT.argsReason] = answers.shift() ?? NaN;
      if (facts[FACT.argsReason] === read) args?.push(`${answers.length}`);
      return null;
    },
  });
  const args = [1, 2, 3].map((pid) => backend.inspect(pid, true).args);
  expect(args).toEqual([null, ["1"], ["0"]]);
});

describe("the exact id", () => {
  test.each([
    [0, 0, "0"],
    [0, 12, "12"],
    [0, 2 ** 32 - 1, "4294967295"],
    [1, 0, "4294967296"],
    [2 ** 21 - 1, 2 ** 32 - 1, "9007199254740991"],
    [2 ** 21, 0, "9007199254740992"],
    [2 ** 21, 1, "9007199254740993"],
    [2 ** 32 - 1, 2 ** 32 - 1, "18446744073709551615"],
    [NaN, NaN, null],
  ])("%s, %s is %s", (exactIdHigh, exactIdLow, exactId) => {
    const facts = { state: alive, reason: running, startTime: 5, exactIdHigh, exactIdLow };
    const state = { state: "alive", reason: "running" };
    expect(createNativeBackend(addon(facts)).identity(7)).toEqual({
      ...state,
      startTime: 5,
      exactId,
    });
  });
});

describe("numbers of a newer addon", () => {
  test.each([99, -1, 0.5, NaN])("%s is unknown, never gone", (number) => {
    const backend = createNativeBackend(
      addon({ state: number, reason: number, argsReason: number }, { reason: number }),
    );
    const unknown = { state: "unknown", reason: "unsupported" };
    expect(backend.inspect(7, true)).toMatchObject({ ...unknown, argsReason: "unsupported" });
    expect(backend.identity(7)).toMatchObject(unknown);
    expect(backend.byExactId("1")).toMatchObject(unknown);
  });
});

describe("the process with an exact id", () => {
  test.each([
    ["running", "alive"],
    ["access-denied", "unknown"],
    ["unsupported", "unknown"],
    ["no-such-process", "gone"],
    ["zombie", "gone"],
    ["exited", "gone"],
  ] as const)("%s: %s", (reason, state) => {
    const backend = createNativeBackend(addon({}, { reason: REASONS.indexOf(reason) }));
    expect(backend.byExactId("1")).toEqual({ state, reason });
  });
});

test("a host's facts are null where the addon says nothing", () => {
  expect(createNativeBackend(addon({})).host()).toMatchObject({
    machineId: null,
    bootId: null,
    pidNamespace: null,
    initialPidNamespace: false,
    startTimeOffset: 0,
    monotonicOffsetMs: 0,
  });
  const host = { ...HOST, machineId: "m", bootId: "b", pidNamespace: "4026531836" };
  expect(createNativeBackend(addon({}, { host })).host()).toMatchObject({
    machineId: "m",
    bootId: "b",
    pidNamespace: "4026531836",
    platform: process.platform,
  });
});

test("a clock offset that the addon does not know is null, and never 0", () => {
  const unknown = { ...HOST, startTimeOffset: NaN, monotonicOffsetMs: NaN };
  expect(createNativeBackend(addon({}, { host: unknown })).host()).toMatchObject({
    startTimeOffset: null,
    monotonicOffsetMs: null,
  });
  const known = { ...HOST, startTimeOffset: -0.5, monotonicOffsetMs: 250 };
  expect(createNativeBackend(addon({}, { host: known })).host()).toMatchObject({
    startTimeOffset: -0.5,
    monotonicOffsetMs: 250,
  });
});
