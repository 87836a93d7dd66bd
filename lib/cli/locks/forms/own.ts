/** Locks of this package: session locks, file locks and pid files. The only ones that `--fix` may remove. Pure. */
import { numberIn } from "../../../lock/protocol/number-file.js";
import { parsePayload } from "../../../lock/protocol/payload.js";
import { SESSION_LOCK_SUFFIX } from "../../../session-lock/sweep/list-locks.js";
import { claim, type LockForm } from "./form.js";

const REMEDY = "--fix removes it once its owner is proven gone";

/** By its name: of a session's lock the package removes plain ones, too. */
export const SESSION_LOCK: LockForm = {
  kind: "session-lock",
  title: "a session's lock",
  remedy: REMEDY,
  mayBe: (name, type) => type === "file" && name.endsWith(SESSION_LOCK_SUFFIX),
  read: (file) => (SESSION_LOCK.mayBe(file.name, file.type) ? claim() : null),
};

/** Every version's token begins like that. */
const TOKEN = /^pi\d+\./;

/**
 * By its content: a pid beside a nonce, and a token of this package where there is one; or a pid by itself in a file with
 * this package's mark.
 */
export const OWN_LOCK: LockForm = {
  kind: "pidentity",
  title: "a file lock or pid file of this package",
  remedy: REMEDY,
  mayBe: (name, type) => type === "file" && /\.(?:lock|pid)$/.test(name),
  read: ({ type, bytes, hasOwnMark }) => {
    if (hasOwnMark && bytes !== null) return claim({ pid: numberIn(bytes) });
    const payload = type === "file" && bytes !== null ? parsePayload(bytes) : null;
    if (payload === null || payload.pid === null || payload.nonce === null) return null;
    // Another program's owner is its own affair.
    if (payload.owner !== null && !TOKEN.test(payload.owner)) return null;
    return claim({ pid: payload.pid });
  },
};
