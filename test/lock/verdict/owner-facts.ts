/** Facts about a lock's owner, for tables of what follows from them. */
import { expect } from "vitest";
import type { ProcessIdentity } from "../../../lib/process/backends/backend.js";
import type { NestedProcess, NestedProcesses } from "../../../lib/process/nested-processes.js";
import type { ProcessVerdict } from "../../../lib/process/judge-token.js";
import {
  INITIAL_PID_NAMESPACE,
  type ProcessToken,
  type TokenHost,
} from "../../../lib/process/token.js";
import type { FileSystem, FileSystemKind } from "../../../lib/lock/protocol/file-system-kind.js";
import { type OwnerFacts } from "../../../lib/lock/verdict/owner.js";
import { parsePayload, type LockPayload } from "../../../lib/lock/protocol/payload.js";

export const TOKEN: ProcessToken = {
  platform: "linux",
  hostDigest: "0123456789abcdef",
  hostnameDigest: "01234567",
  boot: "c0ffee",
  pidNamespace: INITIAL_PID_NAMESPACE,
  pid: 7,
  startTime: 1000,
  exactId: "55",
};
export const EARLIER: ProcessToken = { ...TOKEN, boot: "deadbeef" };
export const CONTAINER = "4026532001";

export const HOST: TokenHost = {
  platform: "linux",
  hostDigest: "0123456789abcdef",
  hostnameDigest: "01234567",
  boot: "c0ffee",
  pidNamespace: INITIAL_PID_NAMESPACE,
  initialPidNamespace: true,
  isHostIdPinned: false,
};
export const INSIDE: TokenHost = { ...HOST, pidNamespace: CONTAINER, initialPidNamespace: false };

export function payload(fields: Record<string, unknown>): LockPayload {
  const parsed = parsePayload(Buffer.from(JSON.stringify({ pid: 7, ...fields })));
  if (parsed === null) throw new Error("no payload");
  return parsed;
}

export const ALIVE: ProcessIdentity = {
  state: "alive",
  reason: "running",
  startTime: 1000,
  exactId: "55",
};
export const ABSENT: ProcessIdentity = {
  state: "gone",
  reason: "no-such-process",
  startTime: null,
  exactId: null,
};

export const RUNNING: ProcessVerdict = { state: "same", reason: "running" };
export const DEAD: ProcessVerdict = { state: "gone", reason: "no-such-process" };
export const HIDDEN: ProcessVerdict = { state: "unknown", reason: "other-pid-namespace" };

export const never = (): never => {
  throw new Error("must not be asked");
};

/** What a look at containers found under the lock's pid. */
export function look(
  processes: readonly Partial<NestedProcess>[] = [],
  { isComplete = true }: { isComplete?: boolean } = {},
): NestedProcesses {
  return {
    isComplete,
    having: (pid) => {
      expect(pid).toBe(7);
      return processes.map((known) => ({
        outerPid: 4007,
        startTime: 9999,
        exactId: null,
        startTimeOffset: 0,
        pidNamespace: CONTAINER,
        ...known,
      }));
    },
  };
}

export function on(kind: FileSystemKind, name: string | null = null): () => FileSystem {
  return () => ({ kind, name });
}

export function facts(changes: Partial<OwnerFacts> = {}): OwnerFacts {
  return {
    kernel: "silent",
    verify: () => RUNNING,
    identity: () => ALIVE,
    host: { platform: "linux", startTimeOffset: 0 },
    tokenHost: HOST,
    sinceBootTicks: () => 50_000,
    startTimeOffsetOf: () => 0,
    fileSystem: on("local", "ext"),
    isOnOwnDisk: () => true,
    nested: look(),
    plainLocks: "judge",
    lease: null,
    ...changes,
  };
}
