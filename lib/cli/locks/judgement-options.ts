/** The options by which commands judge locks: the same for all of them, so that they do not contradict each other. */
import type { PlainLocks } from "../../lock/verdict/plain-owner.js";
import { quote } from "../../util/printable.js";
import { parsePositiveInteger } from "../arguments.js";
import { UsageError } from "../command.js";

/** For `parseArguments`. */
export const JUDGEMENT_OPTIONS = {
  "keep-plain": { type: "boolean" },
  owner: { type: "string", multiple: true },
  "stale-ms": { type: "string" },
} as const;

export interface JudgementOptions {
  /** Milliseconds; undefined: the environment's or the default. */
  readonly staleMs: number | undefined;
  /** Further programs that write such locks; see `ownerRecogniser`. */
  readonly ownerNames: readonly string[];
  readonly plainLocks: PlainLocks;
}

/** @throws UsageError naming the option and the value */
export function judgementOptions(values: {
  readonly "keep-plain"?: boolean | undefined;
  readonly owner?: readonly string[] | undefined;
  readonly "stale-ms"?: string | undefined;
}): JudgementOptions {
  const staleText = values["stale-ms"];
  return {
    staleMs: staleText === undefined ? undefined : parsePositiveInteger("--stale-ms", staleText),
    ownerNames: (values.owner ?? []).map(parseOwnerName),
    plainLocks: values["keep-plain"] === true ? "keep" : "judge",
  };
}

/** @throws UsageError unless it can be the base name of a program */
function parseOwnerName(text: string): string {
  const name = text.trim();
  if (name === "" || /[/\\]/u.test(name)) {
    throw new UsageError(`--owner must be a program's name without a path: ${quote(text)}`);
  }
  return name;
}
