/** One process that is to be ended: asked, stopped and killed as itself, or not at all. */
import type { ProcessIdentity, ProcessReference } from "../backends/backend.js";
import { processBackend } from "../backends/select-backend.js";
import { os } from "../../util/node-modules.js";
import { identityOf } from "../identity.js";

/** What the OS has said to a signal: once it has refused one to this user, no more are sent. */
type Refusal = "access-denied" | "unsupported";

// Beyond them a process is told by its exact id, and a reference opened whenever one is needed: descriptors are the host
// program's, too. Handles of Windows are not scarce, and keep the pid from being given away.
const MOST_KEPT = process.platform === "win32" ? Infinity : 256;

/** How many references are kept at present, by every ending under way in this thread. */
let kept = 0;

export class Member {
  readonly pid: number;
  readonly identity: ProcessIdentity;
  /** Distance from the process that was named. */
  readonly depth: number;
  /** null for the process that was named, and for an orphan. */
  readonly parent: Member | null;
  #reference: ProcessReference | null;
  #hasEnded = false;
  #refusal: Refusal | null = null;
  /** It was stopped, and was seen to execute nothing any more. */
  isAtRest = false;
  #isAsked = false;
  #isKilled = false;

  /**
   * @param reference - Becomes this object's, to be let go of by {@link close}. null: none could be had (no descriptor
   * is free), one is opened whenever it is needed.
   */
  constructor(
    pid: number,
    identity: ProcessIdentity,
    reference: ProcessReference | null,
    parent: Member | null,
    depth: number,
  ) {
    this.pid = pid;
    this.identity = identity;
    this.parent = parent;
    this.depth = depth;
    this.#reference = reference;
    if (reference === null) return;
    kept++;
    if (depth > 0 && kept > MOST_KEPT && identity.exactId !== null) this.close();
  }

  /** The last of the signals that end a process that was sent; null: none has been. */
  get sent(): "SIGTERM" | "SIGKILL" | null {
    if (this.#isKilled) return "SIGKILL";
    return this.#isAsked ? "SIGTERM" : null;
  }

  /** Why it is left alone; null: it is not. */
  get refusal(): Refusal | null {
    return this.#refusal;
  }

  /** Windows gives the pid to no other process as long as a handle is held to this one, ended or not. */
  get keepsPid(): boolean {
    return process.platform === "win32" && this.#reference !== null;
  }

  /** Has this very process ended? Microseconds. */
  hasEnded(): boolean {
    if (!this.#hasEnded && (this.#reference?.exited() ?? this.#isReplaced())) this.#end();
    return this.#hasEnded;
  }

  /** Sends signal 0: whether others would be refused. */
  probe(): void {
    this.#send(0);
  }

  /** SIGTERM. A stopped process gets it when it goes on. */
  ask(): void {
    if (this.#send(numberOf("SIGTERM"))) this.#isAsked = true;
  }

  /** SIGKILL, which a stopped process gets at once. */
  kill(): void {
    if (this.#send(numberOf("SIGKILL"))) this.#isKilled = true;
  }

  /** SIGSTOP. False: it was not sent. */
  stop(): boolean {
    return this.#send(numberOf("SIGSTOP"));
  }

  /** SIGCONT; for one that is not stopped it changes nothing, unless it handles the signal. */
  resume(): void {
    this.isAtRest = false;
    this.#send(numberOf("SIGCONT"));
  }

  /** To this very process or to none. False: not sent, also for want of a descriptor. */
  #send(signal: number): boolean {
    if (this.#hasEnded || this.#refusal !== null) return false;
    const keeps = this.#reference !== null;
    const reference = this.#reference ?? this.#open();
    if (reference === null) return false;
    const answer = reference.signal(signal);
    if (!keeps) reference.close();
    switch (answer) {
      case "sent":
        return true;
      case "gone":
        this.#end();
        return false;
      case "access-denied":
      case "unsupported":
        this.#refusal = answer;
        return false;
    }
  }

  /** Lets go of the reference: from now on one is opened whenever it is needed. */
  close(): void {
    if (this.#reference === null) return;
    this.#reference.close();
    this.#reference = null;
    kept--;
  }

  #end(): void {
    this.#hasEnded = true;
    if (MOST_KEPT !== Infinity) this.close();
  }

  /** A reference to whatever has the pid now, given only when that is this process; null also when none is free. */
  #open(): ProcessReference | null {
    const reference = processBackend().reference(this.pid);
    if (reference === null) {
      this.hasEnded();
      return null;
    }
    if (isSame(this.identity, reference.identity()) === true) return reference;
    reference.close();
    return null;
  }

  #isReplaced(): boolean {
    const current = identityOf(this.pid);
    return current.state === "gone" || isSame(this.identity, current) === false;
  }
}

/** Whether two answers about one pid tell of one process; null: they do not say. */
export function isSame(one: ProcessIdentity, other: ProcessIdentity): boolean | null {
  if (one.exactId !== null && other.exactId !== null) return one.exactId === other.exactId;
  if (one.startTime === null || other.startTime === null) return null;
  return one.startTime === other.startTime;
}

/** The number of a signal here; not all systems give each the same. */
function numberOf(signal: NodeJS.Signals): number {
  return os().constants.signals[signal];
}
