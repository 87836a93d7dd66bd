/** A model call, during which the lock is not held. */
import { checkFields, type OptionChecks } from "../util/check-options.js";
import { checkFunction } from "../util/check-values.js";
import type { SessionController } from "./controller.js";

type PromptController = Pick<SessionController, "releaseForPrompt" | "reacquireAfterPrompt">;

const CONTROLLER_CHECKS: OptionChecks<PromptController> = {
  releaseForPrompt: checkFunction,
  reacquireAfterPrompt: checkFunction,
};

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
  checkFields(controller, CONTROLLER_CHECKS, "controller");
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
