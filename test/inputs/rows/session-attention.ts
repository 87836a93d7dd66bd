/** `pidentity/session-attention`: also the handles of a monitor. */
import * as attention from "../../../lib/session-attention/index.js";
import { NO_CHOICE, WRONG } from "../hostile-values.js";
import type { Call, Fields, Row, Rows } from "./rows.js";

const ACTIVITY: Fields["fields"] = {
  activeWorkKind: NO_CHOICE,
  hasActiveEmbeddedRun: WRONG.boolean,
  activeToolAgeMs: WRONG.number,
  lastProgressAgeMs: WRONG.number,
  lastProgressReason: WRONG.text,
};

export function sessionAttentionRows(): Rows {
  const monitor = attention.createSessionAttentionMonitor();
  const session = monitor.register({ sessionKey: "held" });
  const input = { queueDepth: 0, staleMs: 1, activity: {} };
  const { classifySessionAttention } = attention;
  const method = (name: string, place: string, call: Call, wrong: Row["wrong"]): Row => ({
    of: `MonitoredSession.${name}`,
    place,
    call,
    wrong,
  });
  const event = (name: string, call: Fields["call"]): Fields => ({
    of: `MonitoredSession.${name}`,
    place: "options",
    call,
    base: {},
    fields: { runId: WRONG.name },
    wrong: WRONG.options,
    kind: "options",
  });
  return {
    rows: [
      method("update", "state", (wrong) => session.update(wrong), [...NO_CHOICE, undefined]),
      method("startWork", "kind", (wrong) => session.startWork(wrong), [...NO_CHOICE, undefined]),
      method("progress", "reason", (wrong) => session.progress(wrong), WRONG.text),
      method("enqueue", "count", (wrong) => session.enqueue(wrong), WRONG.positive),
      method("dequeue", "count", (wrong) => session.dequeue(wrong), WRONG.positive),
      method("setQueueDepth", "depth", (wrong) => session.setQueueDepth(wrong), [
        ...WRONG.count,
        undefined,
      ]),
    ],
    fields: [
      {
        of: "createSessionAttentionMonitor",
        place: "options",
        call: attention.createSessionAttentionMonitor,
        base: {},
        fields: {
          recover: WRONG.callback,
          onAttention: WRONG.callback,
          warnMs: WRONG.timeout,
          abortMs: WRONG.timeout,
          toolAbortMs: WRONG.timeout,
          heartbeatMs: WRONG.interval,
          log: WRONG.log,
          clock: WRONG.callback,
          startTimer: WRONG.callback,
        },
        wrong: WRONG.options,
        kind: "options",
      },
      {
        of: "SessionAttentionMonitor.register",
        place: "options",
        call: (given) => monitor.register(given),
        base: { sessionKey: "a" },
        fields: {
          // The last one is registered already.
          sessionKey: [...WRONG.name, undefined, "held"],
          state: NO_CHOICE,
          queueDepth: WRONG.count,
          hasActiveEmbeddedRun: WRONG.callback,
        },
        wrong: [...WRONG.options, undefined],
        kind: "options",
      },
      event("update", (given) => session.update("idle", given)),
      event("startWork", (given) => session.startWork("tool_call", given)),
      event("progress", (given) => session.progress("p", given)),
      {
        of: "classifySessionAttention",
        place: "input",
        call: classifySessionAttention,
        base: input,
        fields: {
          state: NO_CHOICE,
          queueDepth: [...WRONG.number, undefined],
          staleMs: [...WRONG.number, undefined],
          stuckSessionAbortMs: WRONG.number,
          activity: WRONG.facts,
        },
        wrong: WRONG.facts,
        kind: "facts",
      },
      {
        of: "classifySessionAttention",
        place: "input.activity",
        call: (activity) => classifySessionAttention({ ...input, activity }),
        base: {},
        fields: ACTIVITY,
        wrong: WRONG.facts,
        kind: "facts",
      },
    ],
    close: () => {
      session[Symbol.dispose]();
      monitor.stop();
    },
  };
}
