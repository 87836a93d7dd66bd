// The processes of one scenario: started, heard, hit where a key is held; what they believed is in their logs.
import { fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { beliefsIn, judge } from "./oracle.mjs";

const HOLDER = fileURLToPath(new URL("holder.mjs", import.meta.url));
/** Whole seconds: etcd counts no others. */
const TTL_MS = 1000;
/** How long a hand-over or a holder's word is waited for: a minute of blocking, and a busy machine. */
const LONGEST_SILENCE_MS = 180_000;
const PROCESSES = 4;
const KEYS = 4;

export class Holders {
  /** Acquisitions that were told of. */
  count = 0;
  lost = 0;
  refused = 0;
  oldWrites = 0;
  complaints = [];
  #place;
  #scenario;
  #isDeaf;
  #isLong;
  #folder;
  #logs = [];
  #children = [];
  #isEnding = false;
  /** The newest epoch that the guarded table is known to have taken, of each key. */
  #written = new Map();
  #pending = new Set();

  constructor(place, scenario, { isDeaf, isLong }) {
    this.#place = place;
    this.#scenario = scenario;
    this.#isDeaf = isDeaf;
    this.#isLong = isLong;
    this.#folder = join(place.folder, `of-${scenario.name}`);
    mkdirSync(this.#folder);
  }

  start() {
    this.#stepClocks(0);
    for (let index = 0; index < PROCESSES; index++) this.#spawn(index);
  }

  world(faults) {
    const { engine, proxy } = this.#place;
    return {
      faults,
      ttlMs: TTL_MS,
      isLong: this.#isLong,
      engine,
      proxy,
      holder: () => this.#someHolder(),
      respawn: (child) => this.#respawn(child),
      stepClocks: (seconds) => this.#stepClocks(seconds),
    };
  }

  /** Until so many have been told of. */
  async handOvers(count) {
    const deadline = performance.now() + LONGEST_SILENCE_MS;
    while (this.count < count) {
      if (performance.now() > deadline) {
        throw new Error(
          `waited ${LONGEST_SILENCE_MS} ms in vain for hand-over ${count}, after ${this.count}`,
        );
      }
      await delay(10);
    }
  }

  async end() {
    this.#isEnding = true;
    for (const { process } of this.#children) process.kill("SIGKILL");
    await Promise.all(this.#children.map(({ ended }) => ended));
    await Promise.allSettled(this.#pending);
  }

  verdict() {
    const beliefs = this.#logs.flatMap((log) => beliefsIn(log, log.split("/").at(-1)));
    return { ...judge(beliefs), handOvers: beliefs.length };
  }

  #spawn(index) {
    const { isOneKey = false, contendersEach = KEYS, longShare = 0.03 } = this.#scenario;
    const { isBehindProxy = () => false, hasFakeClocks = false, name } = this.#scenario;
    const { engine, proxy } = this.#place;
    const log = join(this.#folder, `holder-${this.#logs.length}`);
    writeFileSync(log, "");
    this.#logs.push(log);
    const task = {
      engine: this.#place.name,
      port: isBehindProxy(index) ? proxy.port : engine.port,
      contenders: Array.from(
        { length: contendersEach },
        (_, which) => `${name}-${isOneKey ? 0 : which % KEYS}`,
      ),
      ttlMs: TTL_MS,
      longShare,
      isDeaf: this.#isDeaf,
      log,
    };
    const isFaked = hasFakeClocks && index % 2 === 0;
    const child = fork(HOLDER, [JSON.stringify(task)], {
      env: isFaked ? { ...process.env, ...this.#fakeClock() } : process.env,
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text) => (errors += text));
    const entry = { index, process: child, ended: once(child, "close"), isExpected: false };
    this.#children[index] = entry;
    child.on("message", (message) => this.#hear(message));
    child.on("close", (code, signal) => {
      if (this.#isEnding || entry.isExpected) return;
      this.complaints.push(`a holder ended by ${code ?? signal}: ${errors.slice(-2000)}`);
    });
  }

  async #respawn({ entry }) {
    await entry.ended;
    this.#spawn(entry.index);
  }

  /** A process that has begun to hold a key for several ttls, some time ago. */
  async #someHolder() {
    const entry = this.#children[Math.floor(Math.random() * this.#children.length)];
    const begins = heard(entry, (message) => message.isAsked === true);
    entry.process.send({ holdMs: 4 * TTL_MS });
    await begins;
    await delay(Math.random() * 0.7 * TTL_MS);
    return {
      entry,
      kill(signal) {
        entry.isExpected ||= signal === "SIGKILL";
        entry.process.kill(signal);
      },
      async block(blockMs) {
        const begun = heard(entry, (message) => message.blocked === blockMs);
        entry.process.send({ blockMs });
        await begun;
        await heard(entry, () => true);
      },
    };
  }

  #hear(message) {
    if (message.begun !== undefined) this.count++;
    if (message.lost !== undefined) this.lost++;
    if (message.failed !== undefined) this.complaints.push(`a holder failed: ${message.failed}`);
    if (message.wrote !== undefined && message.accepted) {
      this.#writeOld(message.wrote, BigInt(message.epoch));
    }
  }

  /** Tries to write with the epoch before the newest that the table is known to have taken: must be refused. */
  #writeOld(key, epoch) {
    const newest = this.#written.get(key) ?? 0n;
    if (epoch <= newest) return;
    this.#written.set(key, epoch);
    if (newest === 0n) return;
    const writing = this.#place.opened.guardedWrite(key, newest).then(
      (accepted) => {
        this.oldWrites++;
        if (accepted) this.complaints.push(`a write of epoch ${newest} was taken after ${epoch}`);
        else this.refused++;
      },
      // The engine is away: nothing was written.
      () => {},
    );
    this.#pending.add(writing);
    writing.finally(() => this.#pending.delete(writing));
  }

  #clockFile() {
    return join(this.#folder, "clock");
  }

  /** libfaketime reads how far the wall clock is off at every call; the monotonic one stays. */
  #fakeClock() {
    return {
      LD_PRELOAD: fakeTimeLibrary(),
      FAKETIME_TIMESTAMP_FILE: this.#clockFile(),
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      DONT_FAKE_MONOTONIC: "1",
    };
  }

  #stepClocks(seconds) {
    writeFileSync(this.#clockFile(), `${seconds >= 0 ? "+" : ""}${seconds}s\n`);
  }
}

/** What the program faketime preloads. */
function fakeTimeLibrary() {
  const { stdout } = spawnSync("faketime", ["-f", "+0", "printenv", "LD_PRELOAD"], {
    encoding: "utf8",
  });
  return stdout.trim();
}

/** Resolves with the next message of a process for which `isIt` is true. */
function heard(entry, isIt) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      entry.process.off("message", listen);
    };
    const listen = (message) => {
      if (!isIt(message)) return;
      stop();
      resolve(message);
    };
    const timer = setTimeout(() => {
      stop();
      reject(new Error(`waited ${LONGEST_SILENCE_MS} ms in vain for a holder's word`));
    }, LONGEST_SILENCE_MS);
    entry.process.on("message", listen);
  });
}
