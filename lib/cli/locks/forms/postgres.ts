/** PostgreSQL's lock files: of a data directory, and of a socket. Pure. */
import { claim, latin1, type LockForm, parsePid } from "./form.js";

const LONGEST_LINE = 2048;

/**
 * One fact a line: pid (negative: a standalone backend), data directory, start time in seconds since the Unix epoch,
 * port, socket's directory and more (miscadmin.h, LOCK_FILE_LINE_*).
 */
export const POSTGRES: LockForm = {
  kind: "postgresql",
  title: "the lock of a PostgreSQL server",
  remedy:
    "the server takes it over when it starts; never remove it while a postgres of this directory runs",
  mayBe: (name, type) =>
    type === "file" && (name === "postmaster.pid" || /^\.s\.PGSQL\.\d+\.lock$/.test(name)),
  read: (file) => {
    if (!POSTGRES.mayBe(file.name, file.type)) return null;
    const [first = "", directory = "", started = ""] = (latin1(file) ?? "")
      .slice(0, 3 * LONGEST_LINE)
      .split("\n");
    const pid = parsePid(first.trim().replace(/^-/, ""));
    if (pid === null || directory === "") return null;
    const isTime = /^\d{9,11}$/.test(started.trim());
    return claim({
      pid,
      writtenMs: isTime ? Number(started) * 1000 : null,
      programs: /^(?:postgres|postmaster|edb-postgres)/,
    });
  },
};
