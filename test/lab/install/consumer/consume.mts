// Compiled against the installed types: that they are complete, and that they are no `any`.
import {
  getFileLockProcessStartTime,
  identifyProcess,
  inspectProcess,
  type InspectProcessOptions,
  inspectProcesses,
  isPidDefinitelyDead,
  nativeStatus,
  type ProcessInfo,
  type ProcessVerdict,
  verifyProcess,
  waitForProcessExit,
} from "pidentity";
import { acquirePidFile, type FileLock, type PidFileOwner, readPidFile } from "pidentity/file-lock";
import {
  classifySessionAttention,
  createSessionAttentionMonitor,
  type SessionAttentionMonitor,
} from "pidentity/session-attention";
import { createSessionController, type SessionController } from "pidentity/session-controller";
import {
  acquireSessionWriteLock,
  cleanStaleLockFiles,
  type CleanStaleLockFilesResult,
  type SessionLockInspection,
} from "pidentity/session-lock";

const options: InspectProcessOptions = { args: false };
const info: ProcessInfo = inspectProcess(1, options);
export const state: "alive" | "gone" | "unknown" = info.state;
export const args: readonly string[] | null = info.args;
export const many: Promise<Map<number, ProcessInfo>> = inspectProcesses([1, 2]);
const token: string | null = identifyProcess();
export const verdict: ProcessVerdict = verifyProcess(token ?? "");
export const end: Promise<"exited" | "timeout"> = waitForProcessExit(token ?? "", { timeoutMs: 1 });
export const ends: Promise<Map<string, "exited" | "timeout">> = waitForProcessExit([token ?? ""]);
export const dead: boolean = isPidDefinitelyDead(1);
export const lockTime: number | null = getFileLockProcessStartTime(1);
export const backend: "native" | "procfs" | "basic" = nativeStatus().backend;

const swept: Promise<CleanStaleLockFilesResult> = cleanStaleLockFiles({ sessionsDir: "." });
export const locks: Promise<readonly SessionLockInspection[]> = swept.then(
  (result) => result.locks,
);

// The write lock is what a controller takes as it is.
export const controller: Promise<SessionController> = createSessionController({
  acquire: acquireSessionWriteLock,
  sessionFile: "s.jsonl",
});
export const pidFile: Promise<FileLock> = acquirePidFile({ path: "daemon.pid" });
export const daemon: Promise<PidFileOwner | null> = readPidFile("daemon.pid");
export const daemonState: Promise<"same" | "gone" | "unknown" | undefined> = daemon.then(
  (owner) => owner?.state,
);
export const monitor: SessionAttentionMonitor = createSessionAttentionMonitor();
export const eventType: "session.stuck" | "session.stalled" | "session.long_running" =
  classifySessionAttention({ queueDepth: 0, staleMs: 1, activity: {} }).eventType;

// @ts-expect-error: a pid is a number
inspectProcess("1");
// @ts-expect-error: there is no such state
export const wrong: "dead" = info.state;
