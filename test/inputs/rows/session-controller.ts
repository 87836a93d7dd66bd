/** `pidentity/session-controller`: also a running controller's functions and a write's. */
import { join } from "node:path";

import * as control from "../../../lib/session-controller/index.js";
import { acquireSessionWriteLock } from "../../../lib/session-lock/index.js";
import { NO_CHOICE, REVOKED, unreadableAt, WRONG } from "../hostile-values.js";
import type { Fields, Rows } from "./rows.js";

const CONTROLLER: Fields["fields"] = {
  acquire: [...WRONG.callback, undefined],
  sessionFile: [...WRONG.path, undefined],
  timeoutMs: WRONG.timeout,
  staleMs: WRONG.duration,
  maxHoldMs: WRONG.duration,
  label: WRONG.label,
  isOwnerArgv: WRONG.callback,
  plainLocks: NO_CHOICE,
  lease: ["x", 7, null, true],
  envPrefix: WRONG.text,
  settleTimeoutMs: WRONG.duration,
  isBenignChange: WRONG.callback,
  log: WRONG.log,
  env: WRONG.environment,
};

export async function sessionControllerRows(folder: string, heldIn: string): Promise<Rows> {
  const sessionFile = join(folder, "c.jsonl");
  const held = join(heldIn, "c.jsonl");
  const controller = await control.createSessionController({
    acquire: acquireSessionWriteLock,
    sessionFile: held,
    // However long a busy machine takes for the table.
    maxHoldMs: 3_600_000,
  });
  return {
    rows: [
      {
        of: "createSessionController",
        place: "the lock that acquire gives",
        call: (lock) =>
          control.createSessionController({ acquire: () => Promise.resolve(lock), sessionFile }),
        wrong: [undefined, null, 7, "x"],
      },
      {
        of: "createSessionController",
        place: "lock.release",
        call: (release) =>
          control.createSessionController({
            acquire: () => Promise.resolve({ release }),
            sessionFile,
          }),
        wrong: [...WRONG.callback, undefined],
      },
      {
        of: "SessionController.withWriteLock",
        place: "run",
        call: controller.withWriteLock,
        wrong: [...WRONG.callback, undefined],
      },
      {
        of: "SessionWrite.appendFenced",
        place: "data",
        call: (wrong) => controller.withWriteLock(({ appendFenced }) => appendFenced(wrong)),
        wrong: [...WRONG.textOrBytes, undefined],
      },
      {
        of: "SessionWrite.withFence",
        place: "write",
        call: (wrong) => controller.withWriteLock(({ withFence }) => withFence(wrong)),
        wrong: [...WRONG.callback, undefined],
      },
      {
        of: "withPromptReleased",
        place: "run",
        call: (wrong) => control.withPromptReleased(controller, wrong),
        wrong: [...WRONG.callback, undefined],
      },
      {
        of: "isSessionTakeoverError",
        place: "error",
        call: control.isSessionTakeoverError,
        wrong: [
          undefined,
          null,
          "SESSION_TAKEOVER",
          7,
          7n,
          Symbol.iterator,
          {},
          { code: 7 },
          REVOKED,
          unreadableAt("code"),
          unreadableAt("cause"),
        ],
        answers: true,
      },
    ],
    fields: [
      {
        of: "createSessionController",
        place: "options",
        call: control.createSessionController,
        base: { acquire: acquireSessionWriteLock, sessionFile },
        fields: CONTROLLER,
        wrong: [...WRONG.options, undefined],
        kind: "options",
      },
      {
        of: "acquireSessionFileOwner",
        place: "options",
        call: control.acquireSessionFileOwner,
        base: { sessionFile },
        fields: {
          sessionFile: [...WRONG.path, undefined],
          timeoutMs: WRONG.timeout,
          signal: WRONG.signal,
        },
        wrong: [...WRONG.options, undefined],
        kind: "options",
      },
      {
        of: "SessionController.abort",
        place: "options",
        call: controller.abort,
        base: { timeout: false },
        fields: { timeout: [...WRONG.boolean, undefined] },
        wrong: [...WRONG.options, undefined],
        kind: "options",
      },
      {
        of: "withPromptReleased",
        place: "controller",
        call: (given) => control.withPromptReleased(given, () => {}),
        base: controller,
        fields: {
          releaseForPrompt: [...WRONG.callback, undefined],
          reacquireAfterPrompt: [...WRONG.callback, undefined],
        },
        wrong: WRONG.facts,
        kind: "facts",
      },
    ],
    close: async () => {
      // Whatever it was given, it goes on as before.
      await controller.withWriteLock(({ appendFenced }) => appendFenced("{}"));
      await controller.dispose();
    },
  };
}
