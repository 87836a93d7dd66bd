/** Runs a program under strace. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A path that exists nowhere: a look at it marks where the traced calls of a Node program begin and end. */
export const MARKER = "/pidentity-bench-marker";

export function hasStrace() {
  return spawnSync("strace", ["-V"]).error === undefined;
}

/**
 * @param {readonly string[]} command
 * @param {string} [input] its standard input
 * @returns {string[]} one line per system call of the main thread
 */
export function traced(command, input = "") {
  const folder = mkdtempSync(join(tmpdir(), "pidentity-bench-"));
  try {
    const trace = join(folder, "trace");
    // Whole paths: the default cuts strings off.
    const options = ["-s", "4096", "-o", trace];
    const { status, stderr } = spawnSync("strace", [...options, ...command], {
      input,
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`strace ended with ${status}: ${stderr}`);
    return readFileSync(trace, "utf8").split("\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * The lines between the first look at {@link MARKER} and the last.
 *
 * @param {readonly string[]} lines
 * @param {string} what names it in an error
 */
export function betweenMarkers(lines, what) {
  // Not its own start: the arguments of execve name the marker, too.
  const isMarker = (line) => line.includes(MARKER) && !line.startsWith("execve");
  const from = lines.findIndex(isMarker);
  const to = lines.findLastIndex(isMarker);
  if (from === -1 || from === to) throw new Error(`no marker in the trace: ${what}`);
  return lines.slice(from + 1, to);
}

/**
 * The lines of one request to floor.c: between reading it and writing the answer.
 *
 * @param {readonly string[]} lines
 * @param {string} what names it in an error
 */
export function ofRequest(lines, what) {
  const from = lines.findIndex((line) => line.startsWith("read(0,"));
  const to = lines.findIndex((line) => line.startsWith("write(1,"));
  if (from === -1 || to === -1) throw new Error(`no request in the trace: ${what}`);
  return lines.slice(from + 1, to);
}

/**
 * The first half of what floor.c does for a request of one sample: it does everything once to warm up.
 *
 * @param {readonly string[]} calls
 * @param {string} what names it in an error
 */
export function onceOf(calls, what) {
  const half = calls.slice(0, calls.length / 2);
  if ([...half, ...half].join("\n") !== calls.join("\n")) {
    throw new Error(`two runs differ: ${what}: ${calls.join(", ")}`);
  }
  return half;
}
