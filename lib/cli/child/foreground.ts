/** Whether what is typed on the terminal reaches this process and those that it started. */
import { readFileSync } from "node:fs";
import { isatty } from "node:tty";

/**
 * Whether this process is in the foreground process group of its terminal, to which the terminal sends SIGINT and SIGQUIT
 * for its keys (termios(3), ISIG).
 */
export function isInForeground(): boolean {
  if (process.platform !== "linux" && process.platform !== "android") {
    return [0, 1, 2].some((fd) => isatty(fd));
  }
  try {
    return foregroundOf(readFileSync("/proc/self/stat", "latin1"));
  } catch {
    return [0, 1, 2].some((fd) => isatty(fd));
  }
}

/** @param stat - Of proc(5): behind the program's name stand state, ppid, pgrp, session, tty_nr and tpgid. Pure. */
export function foregroundOf(stat: string): boolean {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [, , group, , terminal, foreground] = fields;
  return terminal !== "0" && group !== undefined && group === foreground;
}
