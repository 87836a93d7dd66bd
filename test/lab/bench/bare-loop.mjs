/** The least that any sweep does: every lock is opened, read, closed and parsed. It blocks the event loop throughout. */
import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";

const buffer = Buffer.alloc(64 * 1024);

/** @param {string} directory */
export function readEveryLock(directory) {
  const payloads = [];
  for (const name of readdirSync(directory)) {
    const fd = openSync(join(directory, name), "r");
    const length = readSync(fd, buffer, 0, buffer.length, null);
    closeSync(fd);
    payloads.push(JSON.parse(buffer.toString("utf8", 0, length)));
  }
  return payloads;
}
