/** Programs that hold a lock and handle signals in their own ways, on every runtime. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { type RunningChild, startReady } from "./child.js";
import { importDist } from "../locks/lock-holder.js";

export interface HostScript {
  readonly before?: string;
  readonly after?: string;
  readonly env?: NodeJS.ProcessEnv;
}

export interface SignalHost {
  readonly child: RunningChild;
  readonly lockPath: string;
  /** Whether its lock file is there. */
  isLocked(): boolean;
}

/**
 * Starts a program that acquires the lock of a session in `folder` and then stays.
 *
 * Its script can use `lock`, `log` (prints a line; the loss of the lock prints "lost"), `isLocked()`, `once` of
 * node:events and `later(ms)`.
 *
 * @param command - What runs a module file.
 * @param before - Runs before the lock is acquired, `after` afterwards.
 */
export async function startHost(
  command: readonly string[],
  folder: string,
  { before = "", after = "", env = process.env }: HostScript,
): Promise<SignalHost> {
  const sessionFile = join(folder, "s.jsonl");
  const lockPath = `${sessionFile}.lock`;
  const script = join(folder, "host.mjs");
  writeFileSync(
    script,
    `import process from "node:process";
    import { existsSync } from "node:fs";
    import { once } from "node:events";
    import { setTimeout as later } from "node:timers/promises";
    ${importDist("acquireSessionWriteLock", "session-lock/index.js")}
    const log = (line) => console.log(line);
    const isLocked = () => existsSync(${JSON.stringify(lockPath)});
    let lock;
    ${before}
    lock = await acquireSessionWriteLock({ sessionFile: ${JSON.stringify(sessionFile)}, env: {} });
    lock.lost.addEventListener("abort", () => log(isLocked() ? "lost" : "lost too late"));
    ${after}
    log("ready");
    setInterval(() => {}, 1e6);`,
  );
  const [file = "", ...args] = command;
  const child = await startReady(file, [...args, script], { env });
  return { child, lockPath, isLocked: () => existsSync(lockPath) };
}

/** Everything that it still says, and how it ended. */
export async function endOf({ child }: SignalHost): Promise<{
  readonly lines: readonly string[];
  readonly code: number | null;
  readonly signal: string | null;
}> {
  const lines: string[] = [];
  const code = await child.exited();
  for (;;) {
    try {
      lines.push(await child.line());
    } catch {
      return { lines, code, signal: child.process.signalCode };
    }
  }
}
