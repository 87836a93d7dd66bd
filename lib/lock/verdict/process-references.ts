/** Who has a pid, up to date at every question, and cheap to ask again while the same process runs. */
import type { ExitWatch, ProcessIdentity } from "../../process/backends/backend.js";
import { identityOf } from "../../process/identity.js";
import { isValidPid } from "../../process/pid.js";
import { processBackend } from "../../process/backends/select-backend.js";

interface Watched {
  readonly identity: ProcessIdentity;
  readonly watch: ExitWatch;
}

// Each takes a descriptor or handle; pids beyond them are simply asked in full every time.
const MAX_WATCHED = 64;

/**
 * Keeps a reference (pidfd, process handle) to live processes once they were asked about. A process keeps
 * its pid, start time and exact id until it ends: while its own reference says that it runs, the first
 * answer is still today's. That question costs a microsecond, a full one ten.
 */
export class WatchedOccupants {
  readonly #watched = new Map<number, Watched>();

  /** As `identityOf`; never a remembered answer about a process that has ended. */
  readonly identity = (pid: number): ProcessIdentity => {
    const known = this.#watched.get(pid);
    if (known === undefined) return this.#ask(pid);
    if (!known.watch.exited()) return known.identity;
    this.#watched.delete(pid);
    known.watch.close();
    return this.#ask(pid);
  };

  /** Lets go of every process. */
  close(): void {
    for (const { watch } of this.#watched.values()) watch.close();
    this.#watched.clear();
  }

  /** The reference first, the question second: if the first one's process runs after both, it is the answer. */
  #ask(pid: number): ProcessIdentity {
    const hasRoom = this.#watched.size < MAX_WATCHED && isValidPid(pid);
    const watch = hasRoom ? processBackend().watchExit(pid) : null;
    const identity = identityOf(pid);
    if (watch === null) return identity;
    if (identity.state === "alive" && !watch.exited()) this.#watched.set(pid, { identity, watch });
    else watch.close();
    return identity;
  }
}
