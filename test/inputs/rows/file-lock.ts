/** `pidentity/file-lock`. */
import { join } from "node:path";

import * as fileLock from "../../../lib/file-lock/index.js";
import { NO_CHOICE, WRONG } from "../hostile-values.js";
import { breakFields, lockLeaseFields } from "./shared.js";
import type { Fields, Rows } from "./rows.js";

const path = [...WRONG.path, undefined];

const SYNC: Fields["fields"] = {
  path,
  timeoutMs: WRONG.timeout,
  label: WRONG.label,
  onReclaimed: WRONG.callback,
  isOwnerArgv: WRONG.callback,
  plainLocks: NO_CHOICE,
  readOwnerProcessArgs: WRONG.callback,
};

const IN_TURNS: Fields["fields"] = { signal: WRONG.signal, onWait: WRONG.callback };

const FILE: Fields["fields"] = {
  lockPath: [...WRONG.path, ".", "a/", "a/.."],
  resolveLinks: WRONG.boolean,
  maxHoldMs: WRONG.durationOrInfinity,
  allowReentrant: WRONG.boolean,
};

const CHECK: Fields["fields"] = {
  path,
  lockPath: [...WRONG.path, "a/"],
  resolveLinks: WRONG.boolean,
  isOwnerArgv: WRONG.callback,
  plainLocks: NO_CHOICE,
  readOwnerProcessArgs: WRONG.callback,
};

export function fileLockRows(folder: string, heldIn: string): Rows {
  const file = join(folder, "f");
  const base = { path: file };
  const lock = fileLock.acquireFileLockSync({ path: join(heldIn, "f") });
  const options = (of: string, call: Fields["call"], fields: Fields["fields"]): Fields => ({
    of,
    place: "options",
    call,
    base,
    fields,
    wrong: [...WRONG.options, undefined],
    kind: "options",
  });
  return {
    rows: [
      {
        of: "FileLock.withFence",
        place: "write",
        call: (wrong) => lock.withFence(wrong),
        wrong: [...WRONG.callback, undefined, async () => {}],
      },
      {
        of: "breakLock",
        place: "lockPath",
        call: (wrong) => fileLock.breakLock(wrong, { reason: "test", expectedNonce: "0" }),
        wrong: path,
      },
      { of: "readPidFile", place: "path", call: fileLock.readPidFile, wrong: path },
    ],
    fields: [
      options("acquireFileLock", fileLock.acquireFileLock, {
        ...SYNC,
        ...IN_TURNS,
        ...FILE,
        lease: ["x", 7, null, true],
      }),
      options("acquireFileLockSync", fileLock.acquireFileLockSync, { ...SYNC, ...FILE }),
      options("acquirePidFile", fileLock.acquirePidFile, {
        ...SYNC,
        ...IN_TURNS,
        format: NO_CHOICE,
      }),
      options("acquirePidFileSync", fileLock.acquirePidFileSync, { ...SYNC, format: NO_CHOICE }),
      options("checkFileLock", fileLock.checkFileLock, CHECK),
      options("checkFileLockSync", fileLock.checkFileLockSync, CHECK),
      lockLeaseFields("acquireFileLock", (lease) =>
        fileLock.acquireFileLock({ path: file, lease }),
      ),
      breakFields((given) => fileLock.breakLock(`${file}.lock`, given)),
    ],
    close: () => {
      // Whatever it was given, it is held as before.
      lock.assertHeld();
      lock.releaseSync();
    },
  };
}
