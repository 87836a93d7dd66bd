/** Which process has a pid, up to date at every question, and cheap to ask again while the same process runs. */
import type { ProcessReference, ProcessIdentity } from "../../process/backends/backend.js";
import { identityOf } from "../../process/identity.js";
import { isValidPid } from "../../process/pid.js";
import { processBackend } from "../../process/backends/select-backend.js";

interface Referenced {
  readonly identity: ProcessIdentity;
  readonly watch: ProcessReference;
}

// Each takes a descriptor or handle; pids beyond them are simply asked in full every time.
const MAX_REFERENCES = 64;

/**
 * Keeps a reference (pidfd, process handle) to live processes once they were asked about. A process keeps
 * its pid, start time and exact id until it ends: while its own reference says that it runs, the first
 * answer is still today's. That question costs a microsecond, a full one ten.
 */
export class ProcessReferences {
  readonly #referenced = new Map<number, Referenced>();

  /** As `identityOf`; never a remembered answer about a process that has ended. */
  readonly identity = (pid: number): ProcessIdentity => {
    const known = this.#referenced.get(pid);
    if (known === undefined) return this.#ask(pid);
    if (!known.watch.exited()) return known.identity;
    this.#referenced.delete(pid);
    known.watch.close();
    return this.#ask(pid);
  };

  /** Lets go of every process. */
  close(): void {
    for (const { watch } of this.#referenced.values()) watch.close();
    this.#referenced.clear();
  }

  /** The reference first, the question second: if the first one's process runs after both, it is the answer. */
  #ask(pid: number): ProcessIdentity {
    const first = identityOf(pid);
    // A sweep that removes asks about one dead process for each of its locks.
    if (first.state !== "alive") return first;
    const hasRoom = this.#referenced.size < MAX_REFERENCES && isValidPid(pid);
    const watch = hasRoom ? processBackend().reference(pid) : null;
    if (watch === null) return first;
    const identity = identityOf(pid);
    if (identity.state === "alive" && !watch.exited())
      this.#referenced.set(pid, { identity, watch });
    else watch.close();
    return identity;
  }
}
