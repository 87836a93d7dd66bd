/** Processes that acquire a session's lock through the package, in any namespace and as any user. */
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

import { type RunningChild, start } from "../processes/child.js";
import { ROOT } from "../processes/programs.js";

const ACQUIRER = `
import { appendFileSync } from "node:fs";
import { createInterface } from "node:readline";
const { module, options } = JSON.parse(process.argv[1]);
const { acquireSessionWriteLock } = await import(module);
const say = (what) => console.log(JSON.stringify(what));
const sayRefused = (error) => {
  const { name, message, owner, staleReasons, keptReason, syscall, cause } = error;
  const { code, path } = cause ?? {};
  say({ kind: "refused", name, message, owner, staleReasons, keptReason, syscall, cause: { code, path } });
};
try {
  const lock = await acquireSessionWriteLock({ env: {}, ...options });
  let lost = false;
  lock.lost.addEventListener("abort", () => (lost = true));
  say({ kind: "held" });
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      if (line === "write") {
        lock.withFence(() => appendFileSync(options.sessionFile, "written\\n"));
        say({ kind: "written" });
        continue;
      }
      await lock.release();
      say(lost ? { kind: "released", lost } : { kind: "released" });
    } catch (error) {
      sayRefused(error);
      if (line === "write") continue;
    }
    process.exit();
  }
} catch (error) {
  sayRefused(error);
}
`;

/** What an acquirer says; see errors.ts for the keys of `refused`. */
export interface Outcome {
  readonly kind: "held" | "written" | "released" | "refused";
  /** The release found the lock lost, or had lost it before. */
  readonly lost?: true;
  readonly name?: string;
  readonly message?: string;
  readonly owner?: string;
  readonly staleReasons?: readonly string[];
  readonly keptReason?: string | null;
  readonly syscall?: string | null;
  /** What the file system said. */
  readonly cause?: { readonly code?: string; readonly path?: string };
}

export interface Acquirer {
  readonly pid: number;
  readonly process: RunningChild["process"];
  /** The next thing that it says: first "held" or "refused". */
  outcome(): Promise<Outcome>;
  /** A fenced write of one line to the session file. */
  write(): Promise<Outcome>;
  release(): Promise<Outcome>;
  kill(): Promise<void>;
}

export interface AcquirerOptions {
  readonly timeoutMs?: number;
  readonly maxHoldMs?: number;
  readonly staleMs?: number;
  /** A command to be put before Node's, e.g. one that changes the user or the namespace. */
  readonly prefix?: readonly string[];
  /** See unprivileged.ts. */
  readonly entry?: string;
  readonly node?: string;
  /** What its argv[0] says. */
  readonly argv0?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts a process that acquires the lock of `sessionFile` and holds it until it is told to release it. */
export async function startAcquirer(
  sessionFile: string,
  {
    prefix = [],
    entry = join(ROOT, "dist/index.js"),
    node = process.execPath,
    argv0,
    env,
    timeoutMs,
    maxHoldMs,
    staleMs,
  }: AcquirerOptions = {},
): Promise<Acquirer> {
  const module = pathToFileURL(join(dirname(entry), "session-lock/index.js")).href;
  const task = JSON.stringify({ module, options: { sessionFile, timeoutMs, maxHoldMs, staleMs } });
  const own = ["--input-type=module", "--eval", ACQUIRER, task];
  const [file = "", ...args] = [...prefix, node, ...own];
  // Not every user may enter the directory in which the tests run.
  const child = await start(file, args, {
    cwd: "/",
    ...(argv0 === undefined ? {} : { argv0 }),
    ...(env === undefined ? {} : { env }),
  });
  const outcome = async (): Promise<Outcome> => JSON.parse(await child.line()) as Outcome;
  return {
    pid: child.pid,
    process: child.process,
    outcome,
    write() {
      child.say("write");
      return outcome();
    },
    release() {
      child.say("release");
      return outcome();
    },
    kill: () => child.kill("SIGKILL"),
  };
}

/** Starts one that must get the lock. */
export async function startHolding(
  sessionFile: string,
  options: AcquirerOptions = {},
): Promise<Acquirer> {
  const acquirer = await startAcquirer(sessionFile, options);
  const outcome = await acquirer.outcome();
  if (outcome.kind !== "held") throw new Error(`not held: ${JSON.stringify(outcome)}`);
  return acquirer;
}

/** What one says that tries briefly; if it gets the lock it has released it again. */
export async function tryElsewhere(
  sessionFile: string,
  options: AcquirerOptions = {},
): Promise<Outcome> {
  const acquirer = await startAcquirer(sessionFile, { timeoutMs: 300, ...options });
  const outcome = await acquirer.outcome();
  return outcome.kind === "held" ? await acquirer.release() : outcome;
}
