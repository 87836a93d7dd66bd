/** Proves with strace that floor.c makes the system calls of the addon: a floor of others is none. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { OPERATIONS } from "./operations.mjs";

const ASK_ONCE = fileURLToPath(new URL("ask-once.mjs", import.meta.url));
const MARKER = "/pidentity-bench-marker";
// Reading its own clock and the engine's memory are not questions to the OS about a process.
const IGNORED = new Set(["mprotect", "madvise", "mmap", "munmap", "brk", "futex", "clock_gettime"]);

/**
 * @param {string} floor path of the compiled floor.c
 * @param {number} pid a live process
 * @returns {Record<string, string[]> | null} each operation's system calls; null without strace
 * @throws when the two differ
 */
export function compareSystemCalls(floor, pid) {
  if (spawnSync("strace", ["-V"]).error) return null;
  const folder = mkdtempSync(join(tmpdir(), "pidentity-bench-"));
  try {
    const trace = join(folder, "trace");
    const found = {};
    for (const operation of Object.keys(OPERATIONS)) {
      const addon = callsOfAddon(operation, pid, trace);
      const c = callsOfFloor(floor, operation, pid, trace);
      if (addon.length === 0 || addon.join("\n") !== c.join("\n")) {
        throw new Error(
          `floor.c makes other system calls than the addon: ${operation}: ${c.join(", ")} instead of ${addon.join(", ")}`,
        );
      }
      found[operation] = addon;
    }
    return found;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function callsOfAddon(operation, pid, trace) {
  const lines = traced(trace, [process.execPath, ASK_ONCE, operation, String(pid), MARKER]);
  // Not its own start: the arguments of execve name the marker, too.
  const isMarker = (line) => line.includes(MARKER) && !line.startsWith("execve");
  const from = lines.findIndex(isMarker);
  const to = lines.findLastIndex(isMarker);
  if (from === -1 || from === to) throw new Error(`no marker in the trace: ${operation}`);
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
    // glibc looks at standard output before it first writes there.
    if (/^(?:newfstatat|fstat)\(1, /.test(line)) continue;
    const path = name === "openat" ? ` ${/"([^"]*)"/.exec(line)?.[1] ?? ""}` : "";
    calls.push(`${name}${path}`);
  }
  return calls;
}
