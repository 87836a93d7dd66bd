/** Files with a process's pid in them: a number by itself, or as JSON. Pure. */
import { readAnyPid, readOtherContent } from "../../../file-lock/other-content.js";
import { claim, type FoundType, latin1, type LockForm, parsePid } from "./form.js";
import { jsonObject, positiveInteger } from "./json-object.js";
import { plainClaim } from "./openclaw.js";

const REMEDY = "see that its program does not run, then remove it by hand";

function isPidFileName(name: string, type: FoundType): boolean {
  return type === "file" && /^(?:pid|lock|LCK\.\..*|.*\.(?:pid|lock|lck))$/i.test(name);
}

/** A number by itself, in every spelling that this package's own pid files are read in. */
export const BARE_PID: LockForm = {
  kind: "pid-file",
  title: "a pid file",
  remedy: REMEDY,
  mayBe: isPidFileName,
  read: (file) => {
    if (file.type !== "file" || file.bytes === null || !file.isWhole) return null;
    // JSON is the next form's, which reads more of it.
    if (jsonObject(file) !== null) return null;
    // Of a pid file the rest is more about the process (sendmail.pid); what else begins with a number need not be one.
    const read = /\.pid$/i.test(file.name) ? readAnyPid : readOtherContent;
    const content = read(file.bytes, null);
    return content === null || content === "no-lock" || content.pid === null
      ? null
      : claim({ pid: content.pid });
  },
};

/** JSON with a `pid`: fs-safe and many programs' own locks. */
export const JSON_PID: LockForm = {
  kind: "json-lock",
  title: "a lock as JSON",
  remedy: REMEDY,
  mayBe: isPidFileName,
  read: (file) => {
    const fields = jsonObject(file);
    return fields === null || positiveInteger(fields.pid) === null ? null : plainClaim(fields);
  },
};

/** `.X<display>-lock`: the X server's pid, `%10d` and a line end (os/utils.c, LockServer). */
export const X_DISPLAY: LockForm = {
  kind: "x-display",
  title: "an X server's lock of a display",
  remedy: "an X server takes it over when it starts; with none running, remove it by hand",
  mayBe: (name, type) => type === "file" && /^\.X\d{1,10}-lock$/.test(name),
  read: (file) => {
    if (!X_DISPLAY.mayBe(file.name, file.type)) return null;
    const pid = parsePid((latin1(file) ?? "").trim());
    return pid === null ? null : claim({ pid });
  },
};
