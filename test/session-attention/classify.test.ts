import { isDeepStrictEqual } from "node:util";

import { describe, expect, test } from "vitest";

import {
  classifySessionAttention,
  type SessionAttentionInput,
} from "../../lib/session-attention/classify.js";

const STALE_MS = 120_000;
const ABORT_MS = 300_000;

/** One input with every field spelled out. */
interface Row {
  readonly state: "idle" | "processing" | "waiting" | undefined;
  readonly queueDepth: number;
  readonly kind: "model_call" | "tool_call" | "embedded_run" | undefined;
  readonly owned: boolean | undefined;
  readonly toolAgeMs: number | undefined;
  readonly progressAgeMs: number | undefined;
  readonly abortMs: number | undefined;
  readonly reason: string | undefined;
}

function classify(row: Row): Record<string, unknown> {
  return {
    ...classifySessionAttention({
      state: row.state,
      queueDepth: row.queueDepth,
      staleMs: STALE_MS,
      stuckSessionAbortMs: row.abortMs,
      activity: {
        activeWorkKind: row.kind,
        hasActiveEmbeddedRun: row.owned,
        activeToolAgeMs: row.toolAgeMs,
        lastProgressAgeMs: row.progressAgeMs,
        lastProgressReason: row.reason,
      },
    }),
  };
}

const TERMINAL = [
  "run:completed",
  "embedded_run:ended",
  "response.completed",
  "codex:rawResponseItem/completed",
  "x raw_response_item.completed y",
  "response.output_item.done",
];
const ORDINARY = [undefined, "", "run:started", "tool_call:ended", "run:completed later"];

const isProgressStale = ({ progressAgeMs }: Row): boolean => (progressAgeMs ?? 0) > STALE_MS;
const isToolStale = ({ toolAgeMs }: Row): boolean => (toolAgeMs ?? 0) > STALE_MS;
const isTerminal = ({ reason }: Row): boolean => TERMINAL.includes(reason ?? "");
const isPastAbort = ({ abortMs, progressAgeMs }: Row): boolean =>
  abortMs !== undefined && (progressAgeMs ?? 0) >= abortMs;

const ROWS = ["1", "2", "3", "4", "5", "6", "7", "7a", "8"] as const;

/** The contract's table: the first row that matches. */
const TABLE: readonly {
  readonly when: (row: Row) => boolean;
  /** eventType, reason, classification, recoveryEligible, and whether the work kind is told. */
  readonly answer: (row: Row) => readonly [string, string, string, boolean, boolean];
}[] = [
  {
    when: (row) =>
      row.kind !== undefined &&
      row.state === "idle" &&
      row.queueDepth > 0 &&
      row.owned !== true &&
      isProgressStale(row),
    answer: () => ["stuck", "queued_work_without_active_run", "stale_session_state", true, false],
  },
  {
    when: (row) => row.kind === "tool_call" && isToolStale(row) && isProgressStale(row),
    answer: () => ["stalled", "blocked_tool_call", "blocked_tool_call", false, true],
  },
  {
    when: (row) => row.queueDepth > 0 && row.kind === "embedded_run" && isTerminal(row),
    answer: () => [
      "stalled",
      "queued_behind_terminal_active_work",
      "stalled_agent_run",
      false,
      true,
    ],
  },
  {
    when: (row) =>
      row.kind === "model_call" && row.owned === true && isProgressStale(row) && isPastAbort(row),
    answer: () => ["stalled", "active_work_without_progress", "stalled_agent_run", false, true],
  },
  {
    when: (row) => row.kind === "model_call" && row.owned === true && isProgressStale(row),
    answer: () => [
      "long_running",
      "active_model_call_without_progress",
      "long_running",
      false,
      true,
    ],
  },
  {
    when: (row) => row.kind !== undefined && isProgressStale(row),
    answer: () => ["stalled", "active_work_without_progress", "stalled_agent_run", false, true],
  },
  {
    when: (row) => row.kind !== undefined,
    answer: ({ queueDepth }) => {
      const reason = queueDepth > 0 ? "queued_behind_active_work" : "active_work";
      return ["long_running", reason, "long_running", false, true];
    },
  },
  {
    when: (row) => row.progressAgeMs !== undefined && !isProgressStale(row),
    answer: () => ["long_running", "active_work", "long_running", false, false],
  },
  {
    when: (row) => row.kind === undefined,
    answer: ({ queueDepth }) => {
      const reason = queueDepth > 0 ? "queued_work_without_active_run" : "stale_session_state";
      return ["stuck", reason, "stale_session_state", true, false];
    },
  },
];

function expected(row: Row): { readonly number: string | undefined; readonly answer: object } {
  const index = TABLE.findIndex(({ when }) => when(row));
  const [event, reason, classification, recoveryEligible, tellsKind] =
    TABLE[index]?.answer(row) ?? [];
  const answer = {
    eventType: `session.${String(event)}`,
    reason,
    classification,
    recoveryEligible,
    ...(tellsKind === true ? { activeWorkKind: row.kind } : {}),
  };
  return { number: ROWS[index], answer };
}

function* everyRow(): Generator<Row> {
  for (const state of [undefined, "idle", "processing", "waiting"] as const)
    for (const queueDepth of [0, 1, 7])
      for (const kind of [undefined, "model_call", "tool_call", "embedded_run"] as const)
        for (const owned of [undefined, false, true])
          for (const toolAgeMs of [undefined, STALE_MS, STALE_MS + 1])
            for (const progressAgeMs of [undefined, STALE_MS, STALE_MS + 1, ABORT_MS - 1, ABORT_MS])
              for (const abortMs of [undefined, ABORT_MS, 1000])
                for (const reason of [...ORDINARY, ...TERMINAL])
                  yield {
                    state,
                    queueDepth,
                    kind,
                    owned,
                    toolAgeMs,
                    progressAgeMs,
                    abortMs,
                    reason,
                  };
}

test("every combination is answered as the table says, with no other key", () => {
  const hits = new Set<string | undefined>();
  const wrong: { readonly row: Row; readonly actual: object; readonly answer: object }[] = [];
  for (const row of everyRow()) {
    const { number, answer } = expected(row);
    const actual = classify(row);
    hits.add(number);
    if (!isDeepStrictEqual(actual, answer)) wrong.push({ row, actual, answer });
  }
  expect(wrong.slice(0, 3)).toEqual([]);
  expect(hits).toEqual(new Set(ROWS));
});

/** A session that is processing and whose only peculiarity is what a row says. */
function processing(
  activity: SessionAttentionInput["activity"],
  rest: Partial<SessionAttentionInput> = {},
): object {
  return classifySessionAttention({
    state: "processing",
    queueDepth: 0,
    staleMs: 120_000,
    stuckSessionAbortMs: 300_000,
    activity,
    ...rest,
  });
}

describe("each row of the table, by an example", () => {
  test("1: idle, with messages waiting behind work that has no owner", () => {
    const activity = { activeWorkKind: "model_call", lastProgressAgeMs: 120_001 } as const;
    expect(processing(activity, { state: "idle", queueDepth: 1 })).toStrictEqual({
      eventType: "session.stuck",
      reason: "queued_work_without_active_run",
      classification: "stale_session_state",
      recoveryEligible: true,
    });
  });

  test("2: a tool call that does not come back", () => {
    const activity = {
      activeWorkKind: "tool_call",
      activeToolAgeMs: 120_001,
      lastProgressAgeMs: 120_001,
    } as const;
    expect(processing(activity)).toStrictEqual({
      eventType: "session.stalled",
      reason: "blocked_tool_call",
      classification: "blocked_tool_call",
      recoveryEligible: false,
      activeWorkKind: "tool_call",
    });
  });

  test("3: work waiting behind a run that said it is done, however recently", () => {
    const activity = {
      activeWorkKind: "embedded_run",
      hasActiveEmbeddedRun: true,
      lastProgressAgeMs: 0,
      lastProgressReason: "run:completed",
    } as const;
    expect(processing(activity, { queueDepth: 1 })).toStrictEqual({
      eventType: "session.stalled",
      reason: "queued_behind_terminal_active_work",
      classification: "stalled_agent_run",
      recoveryEligible: false,
      activeWorkKind: "embedded_run",
    });
  });

  const modelCall = { activeWorkKind: "model_call", hasActiveEmbeddedRun: true } as const;

  test("4: an owned model call at the very age at which it may be aborted", () => {
    expect(processing({ ...modelCall, lastProgressAgeMs: 300_000 })).toStrictEqual({
      eventType: "session.stalled",
      reason: "active_work_without_progress",
      classification: "stalled_agent_run",
      recoveryEligible: false,
      activeWorkKind: "model_call",
    });
  });

  test("5: an owned model call one millisecond younger", () => {
    expect(processing({ ...modelCall, lastProgressAgeMs: 299_999 })).toStrictEqual({
      eventType: "session.long_running",
      reason: "active_model_call_without_progress",
      classification: "long_running",
      recoveryEligible: false,
      activeWorkKind: "model_call",
    });
  });

  test("6: a run without progress, whether anything waits or not", () => {
    const answer = {
      eventType: "session.stalled",
      reason: "active_work_without_progress",
      classification: "stalled_agent_run",
      recoveryEligible: false,
      activeWorkKind: "embedded_run",
    };
    const activity = { activeWorkKind: "embedded_run", lastProgressAgeMs: 120_001 } as const;
    expect(processing(activity)).toStrictEqual(answer);
    expect(processing(activity, { queueDepth: 2 })).toStrictEqual(answer);
  });

  test("7: progress at the very limit is not stale yet", () => {
    const activity = { activeWorkKind: "embedded_run", lastProgressAgeMs: 120_000 } as const;
    const answer = {
      eventType: "session.long_running",
      classification: "long_running",
      recoveryEligible: false,
      activeWorkKind: "embedded_run",
    };
    expect(processing(activity)).toStrictEqual({ ...answer, reason: "active_work" });
    expect(processing(activity, { queueDepth: 1 })).toStrictEqual({
      ...answer,
      reason: "queued_behind_active_work",
    });
  });

  test("7a: progress without work that was registered, at the very limit too", () => {
    const answer = {
      eventType: "session.long_running",
      reason: "active_work",
      classification: "long_running",
      recoveryEligible: false,
    };
    for (const queueDepth of [0, 1]) {
      for (const lastProgressAgeMs of [0, 120_000]) {
        expect(processing({ lastProgressAgeMs }, { queueDepth })).toStrictEqual(answer);
      }
      expect(processing({ lastProgressAgeMs: 120_001 }, { queueDepth })).toMatchObject({
        eventType: "session.stuck",
      });
    }
  });

  test("8: nothing is being done at all", () => {
    const answer = {
      eventType: "session.stuck",
      classification: "stale_session_state",
      recoveryEligible: true,
    };
    expect(processing({})).toStrictEqual({ ...answer, reason: "stale_session_state" });
    expect(processing({}, { queueDepth: 1 })).toStrictEqual({
      ...answer,
      reason: "queued_work_without_active_run",
    });
  });
});

test("ages that are no numbers, or come from a clock that went back, make nothing stale", () => {
  for (const age of [Number.NaN, -1, -Infinity]) {
    const activity = {
      activeWorkKind: "tool_call",
      activeToolAgeMs: age,
      lastProgressAgeMs: age,
    } as const;
    expect(processing(activity)).toMatchObject({ reason: "active_work" });
  }
});

test.each<[string, unknown, string]>([
  ["no input", undefined, "input must be an object, got undefined"],
  ["state", { state: "busy" }, "input.state must be one of idle, processing, waiting, got 'busy'"],
  ["queueDepth", { queueDepth: undefined }, "input.queueDepth must be a number, got undefined"],
  ["staleMs", { staleMs: "2m" }, "input.staleMs must be a number, got '2m'"],
  ["activity", { activity: null }, "input.activity must be an object, got null"],
  [
    "activeWorkKind",
    { activity: { activeWorkKind: "thinking" } },
    "input.activity.activeWorkKind must be one of model_call, tool_call, embedded_run, got 'thinking'",
  ],
  [
    "hasActiveEmbeddedRun",
    { activity: { hasActiveEmbeddedRun: 1 } },
    "input.activity.hasActiveEmbeddedRun must be a boolean, got 1",
  ],
])("bad input is refused by name: %s", (_name, wrong, message) => {
  const input =
    wrong === undefined ? wrong : { queueDepth: 0, staleMs: 1, activity: {}, ...(wrong as object) };
  expect(() => classifySessionAttention(input as SessionAttentionInput)).toThrow(message);
});
