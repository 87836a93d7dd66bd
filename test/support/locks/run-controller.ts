/** A controller of a real session file over a lock in memory, disposed of with the test. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { onTestFinished } from "vitest";

import {
  createSessionController,
  type SessionController,
  type SessionControllerOptions,
} from "../../../lib/session-controller/index.js";
import { acquireSessionWriteLock } from "../../../lib/session-lock/index.js";
import { type MemoryLocks, memoryLocks } from "./memory-lock.js";
import { temporaryFolder } from "../temporary-folder.js";

export interface ControllerOfFile {
  readonly controller: SessionController;
  readonly sessionFile: string;
  readonly locks: MemoryLocks;
}

export const FIRST_LINE = '{"type":"session"}\n';

/** A session file in a folder of its own; `text` null: it does not exist. */
export function sessionFileWith(text: string | null = FIRST_LINE): string {
  const sessionFile = join(temporaryFolder(), "s.jsonl");
  if (text !== null) writeFileSync(sessionFile, text);
  return sessionFile;
}

export async function controllerOf(
  sessionFile: string,
  options: Partial<SessionControllerOptions> = {},
  locks: MemoryLocks = memoryLocks(),
): Promise<ControllerOfFile> {
  const controller = await createSessionController({
    acquire: locks.acquire,
    sessionFile,
    env: {},
    ...options,
  });
  onTestFinished(() => controller.dispose());
  return { controller, sessionFile, locks };
}

/** Whether a promise has settled, also in the turns of the event loop that follow the question. */
export function watch(work: Promise<unknown>): { readonly isSettled: () => Promise<boolean> } {
  let settled = false;
  const note = (): void => void (settled = true);
  work.then(note, note);
  return {
    isSettled: async () => {
      // Reading a small file takes a few turns; a hundred are many, and no time passes in them.
      for (let turn = 0; turn < 100 && !settled; turn++) {
        await new Promise<void>((resolve) => void setImmediate(resolve));
      }
      return settled;
    },
  };
}

/** A controller with a real lock file. */
export async function onRealLock(options: Partial<SessionControllerOptions> = {}) {
  const sessionFile = sessionFileWith();
  const controller = await createSessionController({
    acquire: (lockOptions) => acquireSessionWriteLock({ ...lockOptions, env: {} }),
    sessionFile,
    env: {},
    ...options,
  });
  onTestFinished(() => controller.dispose());
  return { controller, sessionFile, lockPath: `${sessionFile}.lock` };
}
