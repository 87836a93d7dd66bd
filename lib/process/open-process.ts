/** From a token to a kept reference to the very process that it names: what acts on a process goes through one. */
import type { ProcessIdentity, ProcessReference } from "./backends/backend.js";
import { processBackend } from "./backends/select-backend.js";
import { identityOf, tokenHost } from "./identity.js";
import { isNamedBy, judgeToken, type ProcessVerdict, type TokenLookups } from "./judge-token.js";
import { lookForNestedProcessesSync, type NestedProcesses } from "./nested-processes.js";
import { isValidPid } from "./pid.js";
import { type ProcessToken, parseToken } from "./token.js";

/** The reference is the caller's to close. */
export type OpenedProcess =
  | { readonly state: "same"; readonly reference: ProcessReference }
  | Exclude<ProcessVerdict, { readonly state: "same" }>;

/**
 * Judges a token as `verifyProcess` does, by the facts of references that are held meanwhile: what is found to be the
 * token's process stays that process, whatever happens to its pid.
 */
export function openProcess(text: string): OpenedProcess {
  const token = parseToken(text);
  const candidates = new Candidates(token);
  try {
    const verdict = judgeToken(token, tokenHost(), candidates);
    if (verdict.state !== "same") return verdict;
    const reference = candidates.take();
    if (reference !== null) return { state: "same", reference };
    // Windows' handles are the one kind that a process may refuse.
    return {
      state: "unknown",
      reason: process.platform === "win32" ? "access-denied" : "unsupported",
    };
  } finally {
    candidates.close();
  }
}

/** The lookups of one judgement: every process that it asks about is held until {@link Candidates.close}. */
class Candidates implements TokenLookups {
  readonly #token: ProcessToken | null;
  readonly #byPid = new Map<number, ProcessReference>();
  #byExactId: ProcessReference | null = null;
  #nested: NestedProcesses | null = null;

  constructor(token: ProcessToken | null) {
    this.#token = token;
  }

  readonly identity = (pid: number): ProcessIdentity => {
    const reference = isValidPid(pid) ? processBackend().reference(pid) : null;
    if (reference === null) return identityOf(pid);
    this.#byPid.get(pid)?.close();
    this.#byPid.set(pid, reference);
    return reference.identity();
  };

  readonly byExactId = (exactId: string): Pick<ProcessIdentity, "state" | "reason"> => {
    this.#byExactId = processBackend().referenceByExactId(exactId);
    return this.#byExactId?.identity() ?? processBackend().byExactId(exactId);
  };

  readonly nested = (): NestedProcesses =>
    (this.#nested = lookForNestedProcessesSync(this.identity));

  /** The one that the judgement found to be the token's, now the caller's; null: none could be held. */
  take(): ProcessReference | null {
    const byExactId = this.#byExactId;
    this.#byExactId = null;
    if (byExactId !== null) return byExactId;
    const pid = this.#pidHere();
    const reference = this.#byPid.get(pid) ?? null;
    this.#byPid.delete(pid);
    return reference;
  }

  /** By which number the token's process was asked about. */
  #pidHere(): number {
    const token = this.#token;
    if (token === null) return 0;
    if (this.#nested === null) return token.pid;
    // Looking again holds them anew, and judges by the facts of those references.
    const named = this.#nested.having(token.pid).find((other) => isNamedBy(token, other) === true);
    return named?.outerPid ?? 0;
  }

  close(): void {
    this.#byExactId?.close();
    for (const reference of this.#byPid.values()) reference.close();
  }
}
