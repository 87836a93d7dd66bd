/** git's locks. Pure. */
import { claim, type FoundFile, latin1, type LockForm, namesOf, parsePid } from "./form.js";

/**
 * `<file>.lock` in a repository: a file's next content, renamed into place when it is complete (lockfile.h). It is
 * empty or part of that content: nothing names the process.
 */
export const GIT_LOCK: LockForm = {
  kind: "git",
  title: "git's lock of a file",
  remedy:
    "see that no git runs in this repository (an editor may run one), then remove it by hand: git itself never does",
  mayBe: (name, type) => type === "file" && name.endsWith(".lock"),
  read: (file) => {
    if (!GIT_LOCK.mayBe(file.name, file.type)) return null;
    return isInRepository(file) || isIndex(file) ? claim() : null;
  },
};

/** `gc.pid` in a repository: pid and host name (builtin/gc.c, lock_repo_for_gc). */
export const GIT_GC: LockForm = {
  kind: "git-gc",
  title: "the lock of git's garbage collection",
  remedy: "git gc --force runs in spite of it; git takes it over by itself when it is 12 hours old",
  mayBe: (name, type) => type === "file" && name === "gc.pid",
  read: (file) => {
    if (!GIT_GC.mayBe(file.name, file.type)) return null;
    const [, digits = "", host = ""] = /^(\d{1,10}) (\S{1,255})\s*$/.exec(latin1(file) ?? "") ?? [];
    const pid = parsePid(digits);
    return pid === null ? null : claim({ pid, host, programs: /^git\b/ });
  },
};

/** Below `.git`, or below a bare repository's `<name>.git`. */
function isInRepository(file: FoundFile): boolean {
  return namesOf(file)
    .slice(0, -1)
    .some((name) => name.endsWith(".git"));
}

/** An index says what it is in its first bytes (gitformat-index). */
function isIndex({ name, bytes }: FoundFile): boolean {
  return name === "index.lock" && bytes?.toString("latin1", 0, 4) === "DIRC";
}
