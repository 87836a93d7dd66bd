/**
 * Processes: is this pid alive, when did it start, what is its command line, and is it still the process
 * that it was?
 *
 * Importing loads nothing native and never throws; the first question does the loading.
 *
 * @packageDocumentation
 */
export { getFileLockProcessStartTime } from "./process/file-lock-start-time.js";
export { identifyProcess, verifyProcess } from "./process/identity.js";
export {
  getProcessArgs,
  getProcessStartTime,
  inspectProcess,
  type InspectProcessOptions,
  inspectProcesses,
  type InspectProcessesOptions,
  isPidAlive,
  isPidDefinitelyDead,
} from "./process/inspect.js";
export type {
  ArgsReason,
  ProcessInfo,
  ProcessReason,
  ProcessState,
} from "./process/process-info.js";
export { listProcesses, type ListProcessesOptions, ProcessListError } from "./process/list.js";
export { signalProcess, type SignalVerdict } from "./process/signal.js";
export { ProcessUnknownError } from "./process/wait.js";
export { nativeStatus, type NativeStatus } from "./process/backends/select-backend.js";
export type {
  ProcessGoneReason,
  ProcessUnknownReason,
  ProcessVerdict,
} from "./process/judge-token.js";
export { waitForProcessExit, type WaitForProcessExitOptions } from "./process/wait.js";
