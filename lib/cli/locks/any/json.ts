/** The report on locks of any form as a JSON document. Pure. */
import { printable } from "../../../util/printable.js";
import { jsonDocumentParts } from "../../json-document.js";
import { fullVerdict, remedyOf } from "./describe.js";
import type { AnyLocksReport, ExaminedLock } from "./examined.js";

export function anyLocksJson(
  { locks, counts, problems, notices }: AnyLocksReport,
  { fix }: { readonly fix: boolean },
): Iterable<string> {
  return jsonDocumentParts({ counts, problems, notices }, "locks", entries(locks, fix));
}

function* entries(locks: readonly ExaminedLock[], fix: boolean): Generator<object> {
  for (const lock of locks) yield toEntry(lock, fix);
}

function toEntry(lock: ExaminedLock, fix: boolean): object {
  const {
    lockPath,
    form,
    type,
    verdict,
    pid,
    host,
    process,
    stopped,
    writtenMs,
    ageMs,
    kernel,
    own,
    error,
  } = lock;
  return {
    lockPath,
    kind: form.kind,
    type,
    state: verdict.state,
    reason: verdict.reason,
    evidence: fullVerdict(lock),
    remedy: remedyOf(lock, fix),
    pid,
    host,
    program: process?.program ?? null,
    commandLine: process?.commandLine ?? null,
    processStartedAtMs: wholeMs(process?.startedAtMs ?? null),
    writtenAtMs: wholeMs(writtenMs),
    ageMs,
    heldFrom: own?.heldFrom ?? null,
    stopped,
    kernelLock: kernel.state,
    kernelLockType: kernel.state === "held" ? kernel.lock.type : null,
    isOurs: own !== null,
    staleReasons: own?.staleReasons ?? [],
    removable: own?.removable ?? false,
    keptReason: own?.keptReason ?? null,
    removed: own?.removed ?? false,
    lease: own?.lease ?? null,
    error: error === null ? null : printable(error.message),
  };
}

function wholeMs(ms: number | null): number | null {
  return ms === null ? null : Math.floor(ms);
}
