/** The options of breaking a lock by hand: checked, as a request. */
import { wrongType } from "../util/argument-error.js";
import { absolutePath, tidyPath } from "../util/absolute-path.js";
import { checkArgument, checkRequiredOptions, type OptionChecks } from "../util/check-options.js";
import {
  checkBoolean,
  checkName,
  checkPath,
  checkTextOrBytes,
  optional,
} from "../util/check-values.js";
import type { BreakRequest } from "./break.js";

interface BreakOptions {
  /** Why it is broken: for the trace, e.g. "host db2 was scrapped". Not empty. */
  readonly reason: string;
  /**
   * Also when its owner is proven alive: that finds its lock lost at its next `assertHeld`, `withFence`, release or look
   * of its watchdog, and may be writing until then. And where its owner is proven gone, also through another view of the
   * file than its holder's (`other-view`): make sure that no process uses the file through another mount meanwhile.
   * Default false.
   */
  readonly force?: boolean | undefined;
}

/** Which lock is meant: by its nonce, by the whole content of its file (text counts as UTF-8), or by both. */
export type BreakLockOptions = BreakOptions &
  (
    | {
        readonly expectedNonce: string;
        readonly expectedBytes?: string | Uint8Array | undefined;
      }
    | {
        readonly expectedNonce?: string | undefined;
        readonly expectedBytes: string | Uint8Array;
      }
  );

const CHECKS: OptionChecks<BreakLockOptions> = {
  reason: checkName,
  force: optional(checkBoolean),
  expectedNonce: optional(checkName),
  expectedBytes: optional(checkTextOrBytes),
};

/** @throws TypeError or RangeError naming the option, what was expected and the value */
export function resolveBreakOptions(
  lockPath: string | URL,
  options: BreakLockOptions,
): BreakRequest {
  checkArgument("lockPath", lockPath, checkPath);
  checkRequiredOptions(options, CHECKS);
  const { reason, force = false, expectedNonce = null, expectedBytes = null } = options;
  if (expectedNonce === null && expectedBytes === null) {
    const expected = "the lock's nonce, or options.expectedBytes the content of its file";
    throw wrongType("options.expectedNonce", expected, undefined);
  }
  return {
    lockPath: tidyPath(absolutePath(lockPath)),
    reason,
    force,
    expectedNonce,
    expectedBytes: expectedBytes === null ? null : Buffer.from(expectedBytes),
  };
}
