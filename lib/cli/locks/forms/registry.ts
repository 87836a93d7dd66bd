/** All forms of lock files that the doctor reads, in the order in which they are tried. Pure. */
import { HEARTBEAT_DIRECTORY, OTHER_DIRECTORY } from "./directory.js";
import { type Claim, claim, type FoundFile, type FoundType, type LockForm } from "./form.js";
import { GIT_GC, GIT_LOCK } from "./git.js";
import { KERNEL_LOCKED } from "./kernel-locked.js";
import { CHROMIUM, EMACS, MERCURIAL, MOZILLA } from "./links.js";
import { isDependencyList } from "./no-lock.js";
import { GATEWAY_LOCK, SESSION_STORE_LOCK } from "./openclaw.js";
import { OWN_LOCK, SESSION_LOCK } from "./own.js";
import { BARE_PID, JSON_PID, X_DISPLAY } from "./pid-file.js";
import { POSTGRES } from "./postgres.js";
import { VIM } from "./vim.js";

/** What no other form takes: a file that is a lock by its name alone, or because a person says so. */
export const UNKNOWN: LockForm = {
  kind: "unknown",
  title: "a file in no form that is known here",
  remedy:
    "find out which program makes it, and see that it does not run, before you remove it by hand",
  mayBe: (name, type) => type !== "directory" && /\.(?:lock|pid)$/.test(name),
  read: () => claim(),
};

/** A form that more files could be taken for comes after those that look closer. */
export const FORMS: readonly LockForm[] = [
  SESSION_LOCK,
  OWN_LOCK,
  GATEWAY_LOCK,
  SESSION_STORE_LOCK,
  POSTGRES,
  VIM,
  X_DISPLAY,
  CHROMIUM,
  MERCURIAL,
  MOZILLA,
  EMACS,
  GIT_GC,
  GIT_LOCK,
  HEARTBEAT_DIRECTORY,
  OTHER_DIRECTORY,
  KERNEL_LOCKED,
  BARE_PID,
  JSON_PID,
  UNKNOWN,
];

/** Whether `--fix` may remove locks of that form. */
export function isOurs(form: LockForm): boolean {
  return form === SESSION_LOCK || form === OWN_LOCK;
}

/** Whether an entry of a directory is looked at. */
export function mayBeLock(name: string, type: FoundType): boolean {
  return !isDependencyList(name) && FORMS.some((form) => form.mayBe(name, type));
}

export interface Recognised {
  readonly form: LockForm;
  readonly claim: Claim;
}

/** The first form that takes the file. */
export function recognise(file: FoundFile): Recognised {
  for (const form of FORMS) {
    const found = form.read(file);
    if (found !== null) return { form, claim: found };
  }
  return { form: UNKNOWN, claim: claim() };
}
