/** A model call, during which the lock is not held. */
import { checkFunction, checkObject } from "../util/check-values.js";
import type { SessionController } from "./controller.js";

/**
 * Releases the lock, runs `run`, and takes the lock again, also when `run` throws.
 *
 * @throws (rejection) what the release rejects with, and `run` is not called; what `run` rejects with; when
 *   only that fails, what taking the lock again rejects with, e.g. SessionTakeoverError.
 */
export async function withPromptReleased<T>(
  controller: Pick<SessionController, "releaseForPrompt" | "reacquireAfterPrompt">,
  run: () => T | Promise<T>,
): Promise<T> {
  checkObject("controller", controller);
  checkFunction("run", run);
  await controller.releaseForPrompt();
  let result: T;
  try {
    result = await run();
  } catch (error) {
    // What went wrong first is what the caller wants to know; a takeover is remembered by the controller.
    await controller.reacquireAfterPrompt().catch(() => {});
    throw error;
  }
  await controller.reacquireAfterPrompt();
  return result;
}
