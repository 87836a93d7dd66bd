/** Signal 0: the one question about a process that every platform answers through Node. */
import { errorCode } from "../../util/error-code.js";

/**
 * - `found`: something has this pid, be it a process, a zombie or (Linux) a thread
 * - `access-denied`: likewise, and this user may not signal it
 * - `unsupported`: the question itself was refused
 */
export type PidProbe = "found" | "no-such-process" | "access-denied" | "unsupported";

/** Sends signal 0, which asks and does nothing; throws an error with an errno as its `code`. */
export type SignalZero = (pid: number) => void;

/** Asks `kill(pid, 0)`; `pid` has passed `isValidPid`. */
export function probePid(pid: number, signalZero: SignalZero = killWithZero): PidProbe {
  try {
    signalZero(pid);
    return "found";
  } catch (error) {
    switch (errorCode(error)) {
      case "ESRCH":
        return "no-such-process";
      case "EPERM":
      case "EACCES":
        return "access-denied";
      default:
        return "unsupported";
    }
  }
}

function killWithZero(pid: number): void {
  process.kill(pid, 0);
}
