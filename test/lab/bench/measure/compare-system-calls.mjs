/** Shows with strace that floor.c makes the system calls of the package: a floor of others is none. */
import { programPath } from "../programs.mjs";
import { betweenMarkers, hasStrace, MARKER, ofRequest, onceOf, traced } from "./strace.mjs";

const ASK_ONCE = programPath("ask-once.mjs");
// Reading its own clock and the engine's memory are not questions to the OS about a process.
const IGNORED = new Set(["mprotect", "madvise", "mmap", "munmap", "brk", "futex", "clock_gettime"]);

/**
 * @param {string} floor path of the compiled floor.c
 * @param {number} pid a live process
 * @param {readonly string[]} operations
 * @returns {boolean} false without strace
 * @throws when the two differ
 */
export function compareSystemCalls(floor, pid, operations) {
  if (!hasStrace()) return false;
  for (const operation of operations) {
    const addon = callsOfAddon(operation, pid);
    const c = callsOfFloor(floor, operation, pid);
    if (addon.length === 0 || addon.join("\n") !== c.join("\n")) {
      throw new Error(
        `floor.c makes other system calls than the addon: ${operation}: ${c.join(", ")} instead of ${addon.join(", ")}`,
      );
    }
  }
  return true;
}

function callsOfAddon(operation, pid) {
  const command = [process.execPath, ASK_ONCE, operation, String(pid), MARKER];
  return callsIn(betweenMarkers(traced(command), operation));
}

function callsOfFloor(floor, operation, pid) {
  const lines = traced([floor], `${operation} ${pid} 1 1\n`);
  return onceOf(callsIn(ofRequest(lines, operation)), operation);
}

/** Name and, where there is one, path: descriptors differ. */
function callsIn(lines) {
  const calls = [];
  for (const line of lines) {
    const name = /^(\w+)\(/.exec(line)?.[1];
    if (name === undefined || IGNORED.has(name)) continue;
    // libuv locks its list of signal handlers by a byte in a pipe.
    if (/^(?:read|write)\(\d+, "\*", 1\)/.test(line)) continue;
    // glibc looks at standard output before it first writes there.
    if (/^(?:newfstatat|fstat)\(1, /.test(line)) continue;
    const path = name === "openat" ? ` ${/"([^"]*)"/.exec(line)?.[1] ?? ""}` : "";
    calls.push(`${name}${path}`);
  }
  return calls;
}
