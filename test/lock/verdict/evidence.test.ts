/** Where facts come from: what is asked every time, what is remembered, and what is fresh behind it. */
import { dirname } from "node:path";

import { describe, expect, test, vi } from "vitest";

import { realLockFs } from "../../../lib/lock/protocol/lock-fs.js";
import {
  evidenceOfOpenFile,
  type EvidenceSource,
  freshEvidence,
  isSameProcess,
  memoisedEvidence,
  withNestedLook,
} from "../../../lib/lock/verdict/evidence.js";
import { hostFacts, identityOf, tokenHost } from "../../../lib/process/identity.js";
import { machineSinceBootMs } from "../../../lib/process/machine-clock.js";
import { INITIAL_PID_NAMESPACE, type ProcessToken } from "../../../lib/process/token.js";
import { requireLinux } from "../../support/require.js";
import { ABSENT, ALIVE, CONTAINER, look, on } from "./owner-facts.js";

const own = tokenHost();
const HERE: ProcessToken = { ...own, pid: 7, startTime: 1000, exactId: null };

describe("fresh evidence", () => {
  test("is of this machine, and its own fresh form", () => {
    const evidence = freshEvidence(realLockFs);
    expect(evidence.host).toBe(hostFacts());
    expect(evidence.tokenHost).toBe(own);
    expect(evidence.fresh()).toBe(evidence);
    expect(evidence.nested).toBeNull();
    expect(evidence.identity).toBe(identityOf);
  });

  test("counts ticks of ten milliseconds since the boot", (context) => {
    requireLinux(context, "its clock ticks");
    const before = machineSinceBootMs() ?? Number.NaN;
    const ticks = freshEvidence(realLockFs).sinceBootTicks() ?? Number.NaN;
    expect(ticks * 10).toBeGreaterThanOrEqual(before);
    expect(ticks * 10).toBeLessThan(before + 60_000);
  });

  test("verifies by the identities that it was given, every time", (context) => {
    requireLinux(context, "its start times");
    let current = { ...ALIVE, exactId: null };
    const evidence = freshEvidence(realLockFs, () => current);
    expect(evidence.verify(HERE)).toEqual({ state: "same", reason: "running" });
    current = { ...current, startTime: 2000 };
    expect(evidence.verify(HERE)).toEqual({ state: "gone", reason: "recycled" });
  });

  test("makes no look at containers by itself", () => {
    const host = { ...own, pidNamespace: INITIAL_PID_NAMESPACE };
    if (own.pidNamespace !== host.pidNamespace) return;
    const token = { ...HERE, pidNamespace: CONTAINER };
    expect(freshEvidence(realLockFs, () => ABSENT).verify(token)).toEqual({
      state: "unknown",
      reason: "other-pid-namespace",
    });
  });

  test("asks for the file system of the lock's directory", (context) => {
    requireLinux(context, "/proc");
    const fileSystemType = vi.fn(realLockFs.fileSystemType);
    const { fileSystem } = freshEvidence({ ...realLockFs, fileSystemType });
    expect(fileSystem("/proc/x.lock").kind).not.toBe("local");
    const asked = process.platform === "win32" ? [] : [["/proc"]];
    expect(fileSystemType.mock.calls).toEqual(asked);
  });
});

describe("a directory's file system on Windows", () => {
  /** Windows' rules on any machine, for as long as `run` takes. */
  function onWindows<T>(run: () => T): T {
    const host = hostFacts();
    const { platform } = host;
    Object.assign(host, { platform: "win32" });
    try {
      return run();
    } finally {
      Object.assign(host, { platform });
    }
  }
  const kindOf = (lockPath: string, realpath: (path: string) => string): unknown =>
    onWindows(() => freshEvidence({ ...realLockFs, realpath }).fileSystem(lockPath));

  test.each([
    ["Z:/locks/s.lock", "Z:/locks", "//server/share/locks", "network"],
    ["C:/locks/s.lock", "C:/locks", "C:/locks", "local"],
  ])("of %s is that of what %s stands for, %s: %s", (lockPath, asked, real, kind) => {
    const realpath = vi.fn(() => real);
    expect(kindOf(lockPath, realpath)).toEqual({ kind, name: null });
    expect(realpath.mock.calls).toEqual([[asked]]);
  });

  test("of a share by its own name is a network's, and nothing is asked", () => {
    const realpath = vi.fn(() => "C:/locks");
    expect(kindOf("//server/share/s.lock", realpath)).toEqual({ kind: "network", name: null });
    expect(realpath).not.toHaveBeenCalled();
  });

  test("is not known where the drive cannot say what it stands for", () => {
    const refuse = (): never => {
      throw new Error("EISDIR");
    };
    expect(kindOf("R:/locks/s.lock", refuse)).toEqual({ kind: "unlisted", name: null });
  });
});

test.each([
  ["the same exact id", { exactId: "1" }, { exactId: "1" }, true],
  ["the same exact id, another start", { exactId: "1" }, { exactId: "1", startTime: 2 }, true],
  ["another exact id, the same start", { exactId: "1" }, { exactId: "2" }, false],
  ["one exact id, the same start", { exactId: "1" }, { exactId: null }, true],
  ["one exact id the other way round", { exactId: null }, { exactId: "1" }, true],
  ["one exact id, another start", { exactId: "1" }, { exactId: null, startTime: 2 }, false],
  ["the same start", {}, {}, true],
  ["another start", {}, { startTime: 2 }, false],
  ["no start of one", { startTime: null }, {}, false],
  ["no start of the other", {}, { startTime: null }, false],
  ["no start of either", { startTime: null }, { startTime: null }, false],
] as const)("two answers about one pid with %s", (_, a, b, isSame) => {
  const answer = { ...ALIVE, exactId: null, startTime: 1 };
  expect(isSameProcess({ ...answer, ...a }, { ...answer, ...b })).toBe(isSame);
});

/** Evidence that counts what it is asked. */
function counting(): { readonly evidence: EvidenceSource; readonly asked: string[] } {
  const asked: string[] = [];
  const evidence: EvidenceSource = {
    ...freshEvidence(realLockFs),
    identity: (pid) => {
      asked.push(`identity ${String(pid)}`);
      return pid === 1 ? ABSENT : { ...ALIVE, exactId: null };
    },
    fileSystem: (path) => {
      asked.push(`file system of ${dirname(path)}`);
      return on("local", path.startsWith("/a/") ? "ext" : "xfs")();
    },
    fresh: () => evidence,
  };
  return { evidence, asked };
}

describe("memoised evidence", () => {
  test("asks once about each process and each directory", () => {
    const { evidence, asked } = counting();
    const memoised = memoisedEvidence(evidence);
    for (let count = 0; count < 2; count++) {
      expect(memoised.identity(7).state).toBe("alive");
      expect(memoised.identity(1)).toBe(ABSENT);
      expect(memoised.fileSystem("/a/1.lock").name).toBe("ext");
      expect(memoised.fileSystem("/a/2.lock").name).toBe("ext");
      expect(memoised.fileSystem("/b/1.lock").name).toBe("xfs");
      expect(memoised.verify(HERE).state).toBe("same");
    }
    expect(asked).toEqual(["identity 7", "identity 1", "file system of /a", "file system of /b"]);
  });

  test("remembers an answer that there is nothing to say", () => {
    const identity = vi.fn(() => undefined as never);
    const memoised = memoisedEvidence({ ...counting().evidence, identity });
    for (let count = 0; count < 2; count++) expect(memoised.identity(7)).toBeUndefined();
    expect(identity).toHaveBeenCalledTimes(1);
  });

  test("is of the same host, and has what was asked behind it", () => {
    const { evidence } = counting();
    const memoised = memoisedEvidence(evidence);
    expect(memoised.fresh()).toBe(evidence);
    expect(memoised.host).toBe(evidence.host);
    expect(memoised.tokenHost).toBe(evidence.tokenHost);
    expect(memoised.sinceBootTicks).toBe(evidence.sinceBootTicks);
    expect(memoised.startTimeOffsetOf).toBe(evidence.startTimeOffsetOf);
  });
});

describe("evidence of an open file", () => {
  test("has the file system of the descriptor, and the directory's where that does not say", () => {
    const { evidence, asked } = counting();
    const source = { ...evidence, host: { ...evidence.host, platform: "linux" as const } };
    const fs = (type: number | null) => ({ ...realLockFs, fileSystemTypeOf: () => type });
    const nfs = evidenceOfOpenFile(source, 3, fs(0x6969));
    expect(nfs.fileSystem("/a/1.lock")).toEqual({ kind: "network", name: "nfs" });
    expect(asked).toEqual([]);
    expect(evidenceOfOpenFile(source, 3, fs(null)).fileSystem("/a/1.lock").name).toBe("ext");
    expect(asked).toEqual(["file system of /a"]);
    expect(nfs.fresh()).toBe(source);
  });
});

describe("evidence with a look at containers", () => {
  const token = { ...HERE, pidNamespace: CONTAINER };
  const containers = look([{ startTime: 1000 }]);

  test("verifies by it, fresh or not", () => {
    const { evidence } = counting();
    if (!own.initialPidNamespace) return;
    const source = withNestedLook(evidence, containers);
    expect(source.nested).toBe(containers);
    expect(source.verify(token).state).toBe("same");
    expect(withNestedLook(evidence, look()).verify(token).state).toBe("gone");
    // Fresh already.
    expect(source.fresh()).toBe(source);
    const memoised = withNestedLook(memoisedEvidence(evidence), containers);
    const fresh = memoised.fresh();
    expect(fresh).not.toBe(memoised);
    expect(memoised.fresh()).toBe(fresh);
    expect(fresh.nested).toBe(containers);
    expect(fresh.verify(token).state).toBe("same");
    expect(fresh.identity).toBe(evidence.identity);
  });
});
