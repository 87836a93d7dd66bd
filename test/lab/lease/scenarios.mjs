// What goes wrong: each scenario is one kind of fault, done again and again while contenders hand keys over.
import { setTimeout as delay } from "node:timers/promises";

const between = (least, most) => least + Math.random() * (most - least);

/**
 * `fault(world)` does it once, and has undone it when it resolves; `world` is adversity.mjs's. `longShare`: of holds
 * that last longer than a ttl. `isOneKey`: all fight for one. `isBehindProxy`: which processes.
 */
export const SCENARIOS = [
  {
    name: "contenders",
    what: "64 contenders for one key",
    isOneKey: true,
    contendersEach: 16,
    longShare: 0.002,
    // Nothing but each other.
    fault: () => delay(200),
  },
  {
    name: "killed",
    what: "holder SIGKILLed",
    async fault({ holder, respawn }) {
      const process = await holder();
      process.kill("SIGKILL");
      await respawn(process);
    },
  },
  {
    name: "stopped",
    what: "holder SIGSTOPped beyond its ttl, and continued",
    async fault({ holder, ttlMs }) {
      const process = await holder();
      process.kill("SIGSTOP");
      await delay(between(1.2, 2.5) * ttlMs);
      process.kill("SIGCONT");
    },
  },
  {
    name: "blocked",
    what: "event loop blocked for longer than the ttl",
    async fault({ holder, ttlMs, isLong, faults }) {
      const process = await holder();
      // Once as long as the issue of a minute-long computation.
      const ms = isLong && faults === 0 ? 60_000 : between(1.2, 2.5) * ttlMs;
      await process.block(Math.round(ms));
    },
  },
  {
    name: "wall-clock",
    what: "wall clock of half of them steps by an hour, both ways (faketime)",
    needs: "faketime",
    hasFakeClocks: true,
    async fault({ stepClocks, ttlMs }) {
      for (const seconds of [3600, -3600, 0]) {
        stepClocks(seconds);
        await delay(between(0.3, 0.8) * ttlMs);
      }
    },
  },
  {
    name: "engine-killed",
    what: "engine SIGKILLed and started again on its data",
    longShare: 0.05,
    async fault({ engine, ttlMs }) {
      await engine.kill();
      await delay(between(0, 1.5) * ttlMs);
      await engine.restart();
      await delay(between(0.2, 0.6) * ttlMs);
    },
  },
  {
    name: "engine-stopped",
    what: "engine stopped for longer than the ttl, and continued",
    longShare: 0.05,
    async fault({ engine, ttlMs }) {
      engine.pause();
      await delay(between(1.2, 2) * ttlMs);
      engine.resume();
      await delay(between(0.2, 0.6) * ttlMs);
    },
  },
  {
    name: "partition",
    what: "network of half of them silent for longer than the ttl; what was sent arrives later, or never",
    isBehindProxy: (index) => index % 2 === 0,
    longShare: 0.05,
    async fault({ proxy, ttlMs, faults }) {
      proxy.partition();
      await delay(between(0.5, 2) * ttlMs);
      proxy.heal(faults % 2 === 0);
      await delay(between(0.2, 0.6) * ttlMs);
    },
  },
  {
    name: "cut",
    what: "connections of half of them reset and refused",
    isBehindProxy: (index) => index % 2 === 0,
    longShare: 0.05,
    async fault({ proxy, ttlMs }) {
      proxy.cut();
      await delay(between(0.2, 1.5) * ttlMs);
      proxy.heal();
      await delay(between(0.2, 0.6) * ttlMs);
    },
  },
  {
    name: "late-answers",
    what: "answers delayed, some beyond the deadline",
    isBehindProxy: () => true,
    longShare: 0.1,
    async fault({ proxy, ttlMs }) {
      proxy.delay({ down: () => (Math.random() < 0.1 ? between(0.2, 2) * ttlMs : 0) });
      await delay(2 * ttlMs);
      proxy.delay({});
    },
  },
  {
    name: "reordered",
    what: "requests delayed, so that renewals overtake each other",
    isBehindProxy: () => true,
    longShare: 0.2,
    async fault({ proxy, ttlMs }) {
      proxy.delay({ up: () => (Math.random() < 0.3 ? between(0.2, 1.2) * ttlMs : 0) });
      await delay(2 * ttlMs);
      proxy.delay({});
    },
  },
];
