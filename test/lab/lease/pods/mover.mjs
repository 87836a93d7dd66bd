// Moves the sessions of one shared directory from pod to pod, and says what became of them.
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { judgeTranscript, readLogs } from "./transcripts.mjs";
import { startPod } from "./world.mjs";

const between = (least, most) => least + Math.random() * (most - least);

/**
 * How a pod ends. `end(pod, ttlMs)` begins it and resolves when the pod must end by itself, or has; `isMeasured`:
 * whether others wait for the lease's time.
 */
export const WAYS = [
  { name: "killed", share: 0.5, end: async (pod) => pod.kill() },
  { name: "stopped", share: 0.2, end: async (pod) => pod.stop() },
  {
    name: "frozen",
    share: 0.2,
    async end(pod, ttlMs) {
      pod.freeze();
      await delay(between(1.2, 2.5) * ttlMs);
      pod.thaw();
    },
  },
  { name: "cut off", share: 0.1, end: async (pod) => pod.cutOff() },
];

const SESSIONS = ["one.jsonl", "two.jsonl", "three.jsonl"];
/** What a pod's start, or its end without its engine, takes on a busy machine, milliseconds. */
const START_MS = 120_000;
/** And what an answer to a signal takes. */
const STATE_MS = 5000;

export class Mover {
  complaints = [];
  /** Of each session at each move: `{ way, ms }` from the old pod's fault, or from the new one's start if that is later. */
  returns = [];
  moves = 0;
  /** Pods that lost a session without a fault of the mover's, on a machine that is too busy. */
  restarts = 0;
  #place;
  #folder;
  #logs;
  #directory;
  #generation = 0;
  #endings = new Set();

  /**
   * @param place `{ engine, port, world, folder, ttlMs, limitMs, witness, arm }`; `witness`: of the engine;
   *   `limitMs`: the longest by its clock that a session may be away, and a pod that has lost it may run on;
   *   `arm`: for a control, what its pods do without
   */
  constructor(place) {
    this.#place = { arm: "lease", ...place };
    this.#folder = place.folder;
    this.#logs = join(place.folder, "logs");
    this.#directory = join(place.folder, "volume");
    for (const name of ["shared", "logs", "volume"]) {
      mkdirSync(join(place.folder, name), { recursive: true });
    }
  }

  /** @param nextMove called before each move; false: no more */
  async run(nextMove, ways = WAYS) {
    let current = await this.#start();
    try {
      await this.#untilBack(current, { name: "first" }, this.#now());
      while (this.complaints.length < 10 && nextMove()) {
        current = await this.#move(current, pick(ways));
      }
      current.pod.stop();
      const why = await this.#ended(current);
      if (why === null) this.complaints.push(`${current.pod.name} does not stop`);
    } catch (error) {
      this.complaints.push(String(error.stack));
    } finally {
      current.pod.kill();
      await Promise.all(this.#endings);
    }
  }

  verdict() {
    const { isFenceShared } = this.#place.world;
    const logs = readLogs(this.#logs);
    const complaints = [...this.complaints];
    const sums = { lines: 0, acknowledged: 0, late: 0 };
    const shared = join(this.#folder, "shared");
    for (const session of SESSIONS) {
      if (!existsSync(join(shared, session))) {
        complaints.push(`${session}: no pod has made it`);
        continue;
      }
      const text = readFileSync(join(shared, session), "utf8");
      const verdict = judgeTranscript(text, logs, { session, isFenceShared });
      complaints.push(...verdict.complaints);
      for (const key of Object.keys(sums)) sums[key] += verdict[key];
    }
    for (const name of readdirSync(shared)) {
      if (!SESSIONS.includes(name)) complaints.push(`left behind: ${name}`);
    }
    return { ...sums, halfLines: logs.halfLines, complaints };
  }

  async #move(old, way) {
    const { ttlMs, arm } = this.#place;
    await delay(between(0.1, 0.8) * ttlMs);
    // Half of them find their successor waiting, half are started anew. A control leaves nothing to chance.
    let next = arm !== "lease" || Math.random() < 0.5 ? await this.#start() : null;
    // One that waits for nothing has begun before its predecessor's fault, however slow the machine is.
    if (arm === "no-lock") next = await this.#untilBack(next, way, this.#now());
    const from = this.#now();
    const ending = this.#end(old, way);
    if (next === null && way.name === "killed") await ending;
    next ??= await this.#start();
    next = await this.#untilBack(next, way, from);
    await ending;
    this.moves++;
    return next;
  }

  async #end(old, way) {
    try {
      await way.end(old.pod, this.#place.ttlMs);
    } catch (error) {
      this.complaints.push(String(error.stack));
    }
    if ((await this.#ended(old)) !== null) return;
    this.complaints.push(`${old.pod.name}, ${way.name}, does not end`);
    old.pod.kill();
  }

  /** What it wrote on its standard error when it has ended; null: it has not within the limit. */
  async #ended({ pod }) {
    const { witness, limitMs } = this.#place;
    const deadline = witness.answeredMs() + limitMs;
    while (!pod.hasEnded()) {
      witness.insist();
      if (witness.answeredMs() > deadline) return null;
      await delay(10);
    }
    return await pod.ended;
  }

  /** By this machine's clock, and by the witness's. */
  #now() {
    return { at: performance.now(), answered: this.#place.witness.answeredMs() };
  }

  async #start() {
    const { engine, port, world, ttlMs, arm } = this.#place;
    const generation = ++this.#generation;
    const { machines } = world;
    const machine = arm === "lease" ? Math.floor(Math.random() * machines) : generation % machines;
    const entry = {
      pod: null,
      ready: null,
      begun: new Map(),
      said: "",
      state: null,
    };
    const task = {
      engine,
      port,
      directory: this.#directory,
      sessions: SESSIONS,
      ttlMs,
      arm,
      generation,
      logs: this.#logs,
    };
    entry.pod = await startPod({
      world,
      machine: machines === 0 ? null : machine,
      folder: this.#folder,
      task,
      hear: (line) => this.#hear(entry, line),
    });
    this.#endings.add(entry.pod.ended);
    entry.pod.ended.then(() => this.#endings.delete(entry.pod.ended));
    const deadline = performance.now() + START_MS;
    while (entry.ready === null && !entry.pod.hasEnded()) {
      if (performance.now() > deadline) throw new Error(`${entry.pod.name} does not start`);
      await delay(10);
    }
    return entry;
  }

  #hear(entry, line) {
    const [kind, session] = line.split(" ", 2);
    if (kind === "ready") entry.ready = this.#now();
    else if (kind === "begin") entry.begun.set(session, performance.now());
    else if (kind === "lost") entry.said ||= line;
    else if (kind === "state") entry.state = line;
    else this.complaints.push(`${entry.pod.name} says: ${line}`);
  }

  /** What it is doing, in its own words if it has any, and in its kernel's. */
  async #stateOf(entry) {
    entry.state = null;
    entry.pod.ask();
    const deadline = performance.now() + STATE_MS;
    while (entry.state === null && !entry.pod.hasEnded() && performance.now() < deadline) {
      await delay(10);
    }
    const files = readdirSync(join(this.#folder, "shared")).join(" ");
    return `${entry.state ?? "it does not answer"}; ${entry.pod.processes()}; files: ${files}`;
  }

  /** Resolves to the pod that has all sessions: it, or the next one if it lost them. */
  async #untilBack(entry, way, from) {
    const { witness, limitMs } = this.#place;
    const since = entry.ready !== null && entry.ready.at > from.at ? entry.ready : from;
    while (entry.begun.size < SESSIONS.length) {
      if (entry.pod.hasEnded()) {
        const why = await entry.pod.ended;
        if (!entry.said.includes("the lease above it is lost")) {
          this.complaints.push(`${entry.pod.name} ended: ${entry.said} ${why}`);
        }
        this.restarts++;
        if (this.complaints.length > 10) return entry;
        return await this.#untilBack(await this.#start(), way, from);
      }
      witness.insist();
      if (witness.answeredMs() - since.answered > limitMs) {
        const missing = SESSIONS.filter((session) => !entry.begun.has(session));
        const state = await this.#stateOf(entry);
        const what = `not back after ${limitMs} ms (${way.name}): ${missing.join(", ")}`;
        this.complaints.push(`${what}; ${state}`);
        return entry;
      }
      await delay(10);
    }
    for (const at of entry.begun.values()) {
      if (way.share !== undefined)
        this.returns.push({ way: way.name, ms: Math.max(0, at - since.at) });
    }
    return entry;
  }
}

function pick(ways) {
  let left = Math.random() * ways.reduce((sum, { share }) => sum + share, 0);
  return ways.find(({ share }) => (left -= share) < 0) ?? ways[0];
}
