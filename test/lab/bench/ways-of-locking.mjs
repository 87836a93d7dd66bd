/** Ways to lock a file between processes: the package's, the plain ones, and other packages'. */
import { closeSync, openSync, unlinkSync, writeSync } from "node:fs";
import { open, unlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

import { importProduct } from "./product.mjs";

const require = createRequire(import.meta.url);

/**
 * @typedef {object} WayOfLocking
 * @property {() => Promise<() => unknown>} acquire waits as long as it takes; gives the release
 * @property {() => Promise<boolean>} isExcluded whether an attempt that does not wait is refused
 * @property {() => unknown} [once] acquire and release of a free lock, where a promise would be a burden
 */

/**
 * @param {string} name
 * @param {string} file which exists
 * @returns {Promise<WayOfLocking>}
 */
export async function wayOfLocking(name, file) {
  const make = WAYS[name];
  if (make === undefined) throw new RangeError(`no such way of locking: ${name}`);
  return await make(file);
}

// The least that tells others who holds it.
const payload = () =>
  `${JSON.stringify({ pid: process.pid, createdAt: new Date().toISOString(), maxHoldMs: 300_000 }, null, 2)}\n`;

/** @type {Readonly<Record<string, (file: string) => WayOfLocking | Promise<WayOfLocking>>>} */
const WAYS = {
  async pidentity(file) {
    const { acquireSessionWriteLock } = await importProduct("session-lock/index.js");
    return {
      async acquire() {
        const lock = await acquireSessionWriteLock({ sessionFile: file });
        return () => lock.release();
      },
      isExcluded: () =>
        isRefused(async () => {
          // Another process would wait; so does this one, shortly.
          const lock = await acquireSessionWriteLock({ sessionFile: file, timeoutMs: 20 });
          await lock.release();
        }, "SESSION_WRITE_LOCK_TIMEOUT"),
    };
  },
  async "pidentity at once"(file) {
    const { acquireSessionWriteLockSync } = await importProduct("session-lock/index.js");
    const take = (timeoutMs) => acquireSessionWriteLockSync({ sessionFile: file, timeoutMs });
    return {
      async acquire() {
        const lock = take(Infinity);
        return () => lock.releaseSync();
      },
      isExcluded: () => isRefused(() => take(20).releaseSync(), "SESSION_WRITE_LOCK_TIMEOUT"),
      once() {
        take(0).releaseSync();
      },
    };
  },
  "plain sync"(file) {
    const path = `${file}.lock`;
    const take = () => {
      const fd = openSync(path, "wx");
      writeSync(fd, payload());
      closeSync(fd);
    };
    return {
      async acquire() {
        take();
        return () => unlinkSync(path);
      },
      isExcluded: () =>
        isRefused(() => {
          take();
          unlinkSync(path);
        }, "EEXIST"),
      once() {
        take();
        unlinkSync(path);
      },
    };
  },
  "plain promises"(file) {
    const path = `${file}.lock`;
    const take = async () => {
      const handle = await open(path, "wx");
      await handle.writeFile(payload());
      await handle.close();
    };
    return {
      async acquire() {
        await take();
        return () => unlink(path);
      },
      isExcluded: () =>
        isRefused(async () => {
          await take();
          await unlink(path);
        }, "EEXIST"),
    };
  },
  async "plain wx, again after 5 ms"(file) {
    const { acquire, isExcluded } = WAYS["plain sync"](file);
    return {
      isExcluded,
      async acquire() {
        for (;;) {
          try {
            return await acquire();
          } catch (error) {
            if (error.code !== "EEXIST") throw error;
            await delay(5);
          }
        }
      },
    };
  },
  "proper-lockfile"(file) {
    const { lock } = require("proper-lockfile");
    const retries = { forever: true, minTimeout: 1, maxTimeout: 5 };
    return {
      acquire: () => lock(file, { retries }),
      isExcluded: () => isRefused(async () => (await lock(file))(), "ELOCKED"),
    };
  },
  lockfile(file) {
    const lockfile = require("lockfile");
    const lock = promisify(lockfile.lock);
    const unlock = promisify(lockfile.unlock);
    const path = `${file}.lock`;
    return {
      async acquire() {
        await lock(path, { wait: Infinity, pollPeriod: 5 });
        return () => unlock(path);
      },
      isExcluded: () =>
        isRefused(async () => {
          await lock(path, {});
          await unlock(path);
        }, "EEXIST"),
    };
  },
  async "@openclaw/fs-safe"(file) {
    const { acquireFileLock } = await import("@openclaw/fs-safe/file-lock");
    const options = (timeoutMs) => ({
      staleMs: 1_800_000,
      timeoutMs,
      payload: () => JSON.parse(payload()),
    });
    return {
      async acquire() {
        const handle = await acquireFileLock(file, options(60_000));
        return () => handle.release();
      },
      isExcluded: () =>
        isRefused(async () => {
          const handle = await acquireFileLock(file, options(20));
          await handle.release();
        }, "file_lock_timeout"),
    };
  },
};

/** Any other error than the expected refusal is one. */
async function isRefused(attempt, code) {
  try {
    await attempt();
    return false;
  } catch (error) {
    if (error.code === code) return true;
    throw error;
  }
}
