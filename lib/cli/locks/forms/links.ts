/** Symbolic links that are locks: what they say names the holder, and leads nowhere. Pure. */
import { claim, latin1, type LockForm, namesOf, parsePid } from "./form.js";

/** `SingletonLock` of a profile: `<host>-<pid>` (chrome/browser/process_singleton_posix.cc). */
export const CHROMIUM: LockForm = {
  kind: "chromium",
  title: "the lock of a profile of Chromium or Electron",
  remedy:
    "with no such program running, remove it by hand, with SingletonSocket and SingletonCookie",
  mayBe: (name, type) => type === "link" && name === "SingletonLock",
  read: ({ name, type, target }) => {
    if (target === null || !CHROMIUM.mayBe(name, type)) return null;
    const dash = target.lastIndexOf("-");
    const pid = parsePid(target.slice(dash + 1));
    return pid === null || dash < 1 ? null : claim({ pid, host: target.slice(0, dash) });
  },
};

/**
 * `lock` of a profile: `<address>:+<pid>`; the `+` says that the holder has a kernel lock on `.parentlock` as well
 * (toolkit/profile/nsProfileLock.cpp). A loopback address is every machine's and names none.
 */
export const MOZILLA: LockForm = {
  kind: "mozilla",
  title: "the lock of a profile of Firefox or Thunderbird",
  remedy: "with no such program running, remove it by hand",
  mayBe: (name, type) => type === "link" && name === "lock",
  read: ({ name, type, target }) => {
    if (target === null || !MOZILLA.mayBe(name, type)) return null;
    const [, address = "", digits = ""] =
      /^(\d{1,3}(?:\.\d{1,3}){3}):\+?(\d{1,10})$/.exec(target) ?? [];
    const pid = parsePid(digits);
    if (pid === null) return null;
    return claim({ pid, host: address.startsWith("127.") ? null : address });
  },
};

/** `.#<file>`: `<user>@<host>.<pid>` and perhaps `:<boot time>` (src/filelock.c). */
export const EMACS: LockForm = {
  kind: "emacs",
  title: "Emacs's lock of a file that is being edited",
  remedy: "Emacs asks before it takes it over; with no Emacs running, remove it by hand",
  mayBe: (name, type) => type === "link" && name.startsWith(".#"),
  read: ({ name, type, target }) => {
    if (target === null || !EMACS.mayBe(name, type)) return null;
    const at = target.lastIndexOf("@");
    const [, host = "", digits = ""] =
      /^(.{1,255})\.(\d{1,10})(?::\d+)?$/s.exec(target.slice(at + 1)) ?? [];
    const pid = parsePid(digits);
    return pid === null || at < 1 ? null : claim({ pid, host });
  },
};

/**
 * `lock` and `wlock` in `.hg`: `<host>:<pid>`, on Linux `<host>/<pid namespace in hexadecimal>:<pid>`; a file that says
 * the same where links cannot be made (mercurial/lock.py).
 */
export const MERCURIAL: LockForm = {
  kind: "mercurial",
  title: "Mercurial's lock of a repository",
  remedy: "hg debuglocks tells of it; with no hg running, remove it by hand",
  mayBe: (name, type) => (type === "link" || type === "file") && /^w?lock$/.test(name),
  read: (file) => {
    if (!MERCURIAL.mayBe(file.name, file.type) || !namesOf(file).includes(".hg")) return null;
    const text = file.target ?? latin1(file) ?? "";
    const [, host = "", namespace, digits = ""] =
      /^([^/:]{1,255})(?:\/([0-9a-f]{1,16}))?:(\d{1,10})$/.exec(text) ?? [];
    const pid = parsePid(digits);
    if (pid === null) return null;
    return claim({
      pid,
      host,
      pidNamespace: namespace === undefined ? null : String(BigInt(`0x${namespace}`)),
      programs: /^(?:hg|python|chg)/,
    });
  },
};
