/**
 * Writes a lock the way this package does: argv is the lock's path and how many milliseconds ago it shall
 * say that it was taken.
 *
 * The file is created exclusively, locked in the kernel before its first byte, and keeps that lock for as
 * long as this process lives. Whatever ends the process, the kernel drops the lock with it.
 */
import { randomBytes } from "node:crypto";
import { openSync, writeFileSync } from "node:fs";

import { identifyProcess } from "../../../../build/modules/process/identity.js";
import { getProcessStartTime } from "../../../../build/modules/process/inspect.js";
import { machineMonotonicMs } from "../../../../build/modules/process/machine-clock.js";
import { fileSystemOf } from "../../../../build/modules/lock/protocol/file-system-kind.js";
import { hasInodeGuards } from "../../../../build/modules/lock/protocol/guard.js";
import { formatPayload } from "../../../../build/modules/lock/protocol/payload.js";
import { realLockFs } from "../../../../build/modules/lock/protocol/lock-fs.js";
import { stayAlive } from "./stay.mjs";

const [lockPath, ageMs] = process.argv.slice(2);

const fd = openSync(lockPath, "wx");
const { kind, name } = fileSystemOf(process.platform, realLockFs.fileSystemTypeOf(fd) ?? 0, "");
const isOwnGuard = hasInodeGuards(process.platform, kind);
const attempt = isOwnGuard ? realLockFs.tryOwn(fd) : realLockFs.tryExclusive(fd);
if (attempt !== "acquired") throw new Error(`no kernel lock: ${JSON.stringify(attempt)}`);
writeFileSync(
  fd,
  formatPayload({
    pid: process.pid,
    createdAt: new Date(Date.now() - Number(ageMs)).toISOString(),
    maxHoldMs: 300_000,
    starttime: getProcessStartTime(process.pid),
    owner: identifyProcess(),
    nonce: randomBytes(16).toString("hex"),
    kernelLock: realLockFs.fileId(fd),
    monotonicMs: machineMonotonicMs(),
    label: null,
    fileSystem: name,
    guard: isOwnGuard ? "inode" : null,
    verified: null,
    lease: null,
  }),
);
// The descriptor stays open on purpose: closing it would give the kernel lock back.
stayAlive();
