import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { setImmediate as turn } from "node:timers/promises";

import { describe, expect, onTestFinished, test } from "vitest";

import type { SessionRecoveryOutcome } from "../../lib/session-attention/recovery.js";
import type { MonitoredSession } from "../../lib/session-attention/session-handle.js";
import {
  ABORT_MS,
  ABORTED,
  BEAT_MS,
  only,
  picture,
  startRun,
  TOOL_ABORT_MS,
  WARN_MS,
  type Watch,
  watch,
} from "./watch.js";

/** A session whose owner reports a run until the test ends it, and that stalls. */
interface Owned extends Watch {
  readonly session: MonitoredSession;
  readonly owner: { hasRun: boolean; fails: boolean };
}

function ownedRun(
  kind: "embedded_run" | "tool_call" | null,
  { queueDepth = 0, ...options }: Parameters<typeof watch>[0] & { queueDepth?: number } = {},
): Owned {
  const watched = watch(options);
  const owner = { hasRun: true, fails: false };
  const session = watched.register("a", {
    queueDepth,
    hasActiveEmbeddedRun: () => {
      if (owner.fails) throw new Error("no list of runs");
      return owner.hasRun;
    },
  });
  session.update("processing", { runId: "r1" });
  if (kind !== null) session.startWork(kind, { runId: "r1" });
  return { ...watched, session, owner };
}

/** Lets time pass beat by beat, and callbacks settle in between. */
async function pass({ time }: Watch, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += BEAT_MS) {
    time.advance(BEAT_MS);
    await turn();
  }
}

describe("a run that its owner reports although it was aborted", () => {
  test.each([
    ["nothing waits", 0],
    ["work waits", 2],
  ])("is asked for again at ever longer intervals, when %s", async (_name, queueDepth) => {
    const askedAtMs: number[] = [];
    const allowed: unknown[] = [];
    const watched = ownedRun("embedded_run", {
      queueDepth,
      recover: ({ allowActiveAbort }) => {
        allowed.push(allowActiveAbort);
        askedAtMs.push(watched.time.clock() - startedAtMs);
        return ABORTED;
      },
    });
    const startedAtMs = watched.time.clock();
    await pass(watched, 24 * 3_600_000);
    expect(askedAtMs.slice(0, 4)).toEqual([ABORT_MS, 2 * ABORT_MS, 4 * ABORT_MS, 8 * ABORT_MS]);
    expect(allowed).toEqual(Array.from({ length: 8 }, () => true));
  });

  test("with limits of milliseconds is asked for a few times in a second and a half, not 23 times", async () => {
    let asked = 0;
    const watched = ownedRun("embedded_run", {
      queueDepth: 1,
      warnMs: 50,
      abortMs: 50,
      heartbeatMs: 5,
      recover: () => {
        asked++;
        return ABORTED;
      },
    });
    for (let ms = 0; ms < 1500; ms += 5) {
      watched.time.advance(5);
      await turn();
    }
    expect(asked).toBeGreaterThan(2);
    expect(asked).toBeLessThan(8);
  });

  test("is believed to be aborted once, and not a second time", async () => {
    const applied: boolean[] = [];
    const listen = (message: unknown): void => {
      const { type, applied: isApplied } = message as { type: string; applied: boolean };
      if (type === "recovery-settled") applied.push(isApplied);
    };
    subscribe("pidentity:attention", listen);
    onTestFinished(() => void unsubscribe("pidentity:attention", listen));
    const watched = ownedRun("embedded_run", { queueDepth: 2 });
    const { time, recoveries, session } = watched;
    time.advance(ABORT_MS);
    await only(recoveries).answer(ABORTED);
    expect(session.snapshot()).toMatchObject({ state: "idle", queueDepth: 2 });
    time.advance(ABORT_MS);
    expect(recoveries).toHaveLength(2);
    const before = picture(session);
    await recoveries[1]?.answer(ABORTED);
    expect(picture(session)).toEqual(before);
    expect(applied).toEqual([true, false]);
  });

  test.each([0, 2])(
    "is what the reason names, never the lack of a run, with %i waiting",
    async (queueDepth) => {
      const watched = ownedRun("embedded_run", { queueDepth, recover: () => ABORTED });
      await pass(watched, ABORT_MS);
      const before = watched.events.length;
      await pass(watched, 20 * ABORT_MS);
      const after = watched.events.slice(before);
      expect(after.length).toBeGreaterThan(1);
      for (const event of after) {
        expect(event).toMatchObject({
          eventType: "session.stalled",
          reason: "active_work_without_progress",
          activeWorkKind: "embedded_run",
        });
      }
    },
  );

  test("and that was never registered as work is named all the same", async () => {
    const watched = ownedRun(null, { recover: () => ABORTED });
    await pass(watched, WARN_MS + BEAT_MS);
    expect(watched.events.at(-1)).toMatchObject({ reason: "stale_session_state" });
    await pass(watched, 10 * ABORT_MS);
    expect(watched.events.at(-1)).toMatchObject({
      reason: "active_work_without_progress",
      activeWorkKind: "embedded_run",
      session: { state: "idle" },
    });
  });

  test("in a tool is named by the tool", async () => {
    const watched = ownedRun("tool_call", { recover: () => ABORTED });
    await pass(watched, TOOL_ABORT_MS);
    expect(watched.session.snapshot().state).toBe("idle");
    await pass(watched, 2 * TOOL_ABORT_MS);
    expect(watched.events.at(-1)).toMatchObject({
      reason: "blocked_tool_call",
      session: { state: "idle" },
    });
  });

  test("has warnMs to unwind before it is looked at again", async () => {
    const watched = ownedRun("embedded_run", { warnMs: 10 * BEAT_MS, abortMs: 10 * BEAT_MS });
    await pass(watched, 11 * BEAT_MS);
    await only(watched.recoveries).answer(ABORTED);
    const before = watched.events.length;
    await pass(watched, 10 * BEAT_MS);
    expect(watched.events).toHaveLength(before);
  });

  test("is not looked at any more once its owner knows of none", async () => {
    const watched = ownedRun("embedded_run", { recover: () => ABORTED });
    await pass(watched, ABORT_MS);
    watched.owner.hasRun = false;
    const before = watched.events.length;
    await pass(watched, 20 * ABORT_MS);
    expect(watched.events).toHaveLength(before);
    expect(watched.session.snapshot()).toMatchObject({ state: "idle" });
    expect(watched.session.snapshot().activity.activeWorkKind).toBeUndefined();
    // A run of which nothing was told is another one.
    watched.owner.hasRun = true;
    await pass(watched, 20 * ABORT_MS);
    expect(watched.events).toHaveLength(before);
  });

  test("is not aborted again while it tells of progress, late as its events are", async () => {
    const asked: unknown[] = [];
    const watched = ownedRun("embedded_run", {
      recover: (request) => {
        asked.push(request);
        return ABORTED;
      },
    });
    await pass(watched, ABORT_MS);
    expect(asked).toHaveLength(1);
    for (let beat = 0; beat < 100; beat++) {
      watched.session.progress("token", { runId: "r1" });
      await pass(watched, BEAT_MS);
    }
    expect(asked).toHaveLength(1);
    await pass(watched, ABORT_MS);
    expect(asked).toHaveLength(2);
  });

  test("is not asked for again while another run of its session gets on, which begins and ends", async () => {
    const watched = ownedRun("embedded_run");
    const { recoveries, session } = watched;
    await pass(watched, ABORT_MS);
    await only(recoveries).answer(ABORTED);
    for (let beat = 0; beat < 100; beat++) {
      session.startWork("model_call", { runId: `other-${String(beat)}` }).end();
      await pass(watched, BEAT_MS);
    }
    expect(recoveries).toHaveLength(1);
  });

  test("gives way to a new run of its session", async () => {
    const watched = ownedRun("embedded_run");
    const { recoveries, session } = watched;
    await pass(watched, ABORT_MS);
    await only(recoveries).answer(ABORTED);
    startRun(session, "r2");
    await pass(watched, ABORT_MS - BEAT_MS);
    expect(recoveries).toHaveLength(1);
    await pass(watched, BEAT_MS);
    expect(recoveries[1]?.request).toMatchObject({ expectedState: "processing" });
    const { stateGeneration } = session.snapshot();
    await recoveries[1]?.answer(ABORTED);
    // Of this run it is the first time.
    expect(session.snapshot().stateGeneration).toBeGreaterThan(stateGeneration);
  });

  test("and whose owner cannot be asked just then stays observed", async () => {
    const watched = ownedRun("embedded_run");
    const { recoveries, owner, warnings } = watched;
    await pass(watched, ABORT_MS);
    owner.fails = true;
    await only(recoveries).answer(ABORTED);
    expect(warnings.join()).toContain(
      "cannot ask for the run of session a: Error: no list of runs",
    );
    owner.fails = false;
    await pass(watched, ABORT_MS);
    expect(recoveries).toHaveLength(2);
  });

  test("and that cannot be aborted is asked for at those intervals, too", async () => {
    const outcomes: SessionRecoveryOutcome[] = [ABORTED];
    let asked = 0;
    const watched = ownedRun("embedded_run", {
      recover: () => {
        asked++;
        return outcomes.shift() ?? { status: "failed" };
      },
    });
    await pass(watched, 4 * ABORT_MS);
    expect(asked).toBe(3);
  });

  test("and that begins new work while it is asked for again makes a late release void", async () => {
    const watched = ownedRun("embedded_run", { queueDepth: 1 });
    const { recoveries, session } = watched;
    await pass(watched, ABORT_MS);
    await recoveries[0]?.answer(ABORTED);
    await pass(watched, ABORT_MS);
    session.startWork("tool_call", { runId: "r1" });
    const before = picture(session);
    await recoveries[1]?.answer({ status: "released" });
    expect(picture(session)).toEqual(before);
    expect(session.snapshot()).toMatchObject({
      queueDepth: 1,
      activity: { activeWorkKind: "tool_call" },
    });
  });

  test("and that is then released is idle, and is not asked for again", async () => {
    const watched = ownedRun("embedded_run", { queueDepth: 1 });
    const { recoveries, session } = watched;
    await pass(watched, ABORT_MS);
    await recoveries[0]?.answer(ABORTED);
    await pass(watched, ABORT_MS);
    await recoveries[1]?.answer({ status: "released" });
    expect(session.snapshot()).toMatchObject({ state: "idle", queueDepth: 0 });
    await pass(watched, 10 * ABORT_MS);
    expect(recoveries).toHaveLength(2);
  });
});
