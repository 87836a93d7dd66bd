/** Shows with strace that floor.c makes the system calls of the package: a floor of others is none. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { programPath } from "../programs.mjs";

const ASK_ONCE = programPath("ask-once.mjs");
const MARKER = "/pidentity-bench-marker";
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
  if (spawnSync("strace", ["-V"]).error) return false;
  const folder = mkdtempSync(join(tmpdir(), "pidentity-bench-"));
  try {
    const trace = join(folder, "trace");
    for (const operation of operations) {
      const addon = callsOfAddon(operation, pid, trace);
      const c = callsOfFloor(floor, operation, pid, trace);
      if (addon.length === 0 || addon.join("\n") !== c.join("\n")) {
        throw new Error(
          `floor.c makes other system calls than the addon: ${operation}: ${c.join(", ")} instead of ${addon.join(", ")}`,
        );
      }
    }
    return true;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Names the system calls by which acquire and release of the package differ from floor.c's: the protocol may
 * have come to need fewer or more since the floor was written.
 *
 * @param {string} floor path of the compiled floor.c
 * @param {string} file a session file
 * @returns {string} one line for the report
 */
export function compareLockCalls(floor, file) {
  if (spawnSync("strace", ["-V"]).error)
    return "system calls not compared: strace is not installed";
  const folder = mkdtempSync(join(tmpdir(), "pidentity-bench-"));
  try {
    const trace = join(folder, "trace");
    const command = [process.execPath, programPath("acquire-once.mjs"), file, MARKER];
    const ours = tally(betweenMarkers(traced(trace, command), "acquire and release"));
    const c = tally(callsOfFloor(floor, "acquireRelease", file, trace));
    const differences = [...new Set([...ours.keys(), ...c.keys()])].flatMap((name) => {
      const difference = (ours.get(name) ?? 0) - (c.get(name) ?? 0);
      return difference === 0 ? [] : [`${difference > 0 ? "+" : ""}${difference} ${name}`];
    });
    return differences.length === 0
      ? "by strace, the package makes the C loop's system calls and no other"
      : `by strace, the package's system calls differ from the C loop's: ${differences.join(", ")}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** How many of each name; the kinds of stat are one, and so is all that signal handlers take. */
function tally(calls) {
  const counts = new Map();
  for (const call of calls) {
    const [name = ""] = call.split(" ");
    if (name === "getpid") continue;
    let kind = name;
    if (name.includes("stat")) kind = "stat";
    if (name.startsWith("rt_sig")) kind = "signal handling";
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

function callsOfAddon(operation, pid, trace) {
  const command = [process.execPath, ASK_ONCE, operation, String(pid), MARKER];
  return betweenMarkers(traced(trace, command), operation);
}

function betweenMarkers(lines, what) {
  // Not its own start: the arguments of execve name the marker, too.
  const isMarker = (line) => line.includes(MARKER) && !line.startsWith("execve");
  const from = lines.findIndex(isMarker);
  const to = lines.findLastIndex(isMarker);
  if (from === -1 || from === to) throw new Error(`no marker in the trace: ${what}`);
  return callsIn(lines.slice(from + 1, to));
}

function callsOfFloor(floor, operation, pid, trace) {
  const lines = traced(trace, [floor], `${operation} ${pid} 1 1\n`);
  const from = lines.findIndex((line) => line.startsWith("read(0,"));
  const to = lines.findIndex((line) => line.startsWith("write(1,"));
  if (from === -1 || to === -1) throw new Error(`no request in the trace: ${operation}`);
  const calls = callsIn(lines.slice(from + 1, to));
  // Once to warm up and once measured.
  const half = calls.slice(0, calls.length / 2);
  if ([...half, ...half].join("\n") !== calls.join("\n")) {
    throw new Error(`two runs differ: ${operation}: ${calls.join(", ")}`);
  }
  return half;
}

/** One line per system call of the main thread. */
function traced(trace, command, input = "") {
  const { status, stderr } = spawnSync("strace", ["-o", trace, ...command], {
    input,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`strace ended with ${status}: ${stderr}`);
  return readFileSync(trace, "utf8").split("\n");
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
