/** `pidentity`: what is asked about pids never throws for one; what acts on tokens acts on nothing else. */
import * as pidentity from "../../../lib/index.js";
import { absent, NO_PIDS, noTokens, WRONG } from "../hostile-values.js";
import type { Fields, Row, Rows } from "./rows.js";

export function processRows(): Rows {
  const token = pidentity.identifyProcess() ?? "";
  const NO_TOKENS = [...noTokens(token), ...NO_PIDS.filter((value) => typeof value !== "string")];
  const NO_STRINGS = [...NO_PIDS.filter((value) => typeof value !== "string"), undefined];
  const pid = (of: string, call: Row["call"]): Row => ({
    of,
    place: "pid",
    call,
    wrong: [...NO_PIDS, [7], ...(of === "identifyProcess" ? [] : absent)],
    answers: true,
  });
  const args = WRONG.boolean;
  const many = { args, signal: WRONG.signal, sliceMs: WRONG.slice };
  const options = (of: string, call: Fields["call"], fields: Fields["fields"]): Fields => ({
    of,
    place: "options",
    call,
    base: {},
    fields,
    wrong: WRONG.options,
    kind: "options",
  });
  const waiting = { timeoutMs: WRONG.timeout, signal: WRONG.signal };
  return {
    rows: [
      pid("isPidAlive", pidentity.isPidAlive),
      pid("isPidDefinitelyDead", pidentity.isPidDefinitelyDead),
      pid("getProcessStartTime", pidentity.getProcessStartTime),
      pid("getFileLockProcessStartTime", pidentity.getFileLockProcessStartTime),
      pid("getProcessArgs", pidentity.getProcessArgs),
      pid("identifyProcess", pidentity.identifyProcess),
      pid("inspectProcess", pidentity.inspectProcess),
      pid("getProcessAncestors", pidentity.getProcessAncestors),
      pid("getProcessChildren", pidentity.getProcessChildren),
      {
        of: "inspectProcesses",
        place: "pids",
        call: (wrong) => pidentity.inspectProcesses(wrong),
        wrong: [...NO_PIDS, undefined],
      },
      {
        of: "inspectProcesses",
        place: "pids[0]",
        call: async (wrong) => Array.from((await pidentity.inspectProcesses([wrong])).values())[0],
        wrong: NO_PIDS,
        answers: true,
      },
      {
        of: "verifyProcess",
        place: "token",
        call: pidentity.verifyProcess,
        wrong: NO_TOKENS,
        answers: true,
      },
      {
        of: "waitForProcessExit",
        place: "token",
        call: (wrong) => pidentity.waitForProcessExit(wrong),
        wrong: [...NO_TOKENS, undefined],
        answers: true,
      },
      {
        of: "waitForProcessExit",
        place: "tokens",
        call: (wrong) => pidentity.waitForProcessExit([wrong]),
        wrong: [...NO_TOKENS, undefined],
        answers: true,
      },
      {
        of: "endProcess",
        place: "token",
        call: (wrong) => pidentity.endProcess(wrong),
        wrong: NO_STRINGS,
      },
      {
        of: "endProcess",
        place: "token",
        call: (wrong) => pidentity.endProcess(wrong, { tree: true, graceMs: 0 }),
        wrong: noTokens(token),
        answers: true,
      },
      {
        of: "signalProcess",
        place: "token",
        call: (wrong) => pidentity.signalProcess(wrong),
        wrong: NO_STRINGS,
      },
      {
        of: "signalProcess",
        place: "token",
        call: (wrong) => pidentity.signalProcess(wrong, "SIGKILL"),
        wrong: noTokens(token),
        answers: true,
      },
      {
        of: "signalProcess",
        place: "signal",
        call: (wrong) => pidentity.signalProcess(token, wrong),
        wrong: [
          "",
          "SIGNONE",
          "sigterm",
          "15",
          "toString",
          "__proto__",
          9,
          -1,
          0.5,
          Number.NaN,
          ...NO_STRINGS.slice(0, 1),
          null,
          true,
          {},
          [0],
        ],
      },
    ],
    fields: [
      options("inspectProcess", (given) => pidentity.inspectProcess(1, given), { args }),
      options("inspectProcesses", (given) => pidentity.inspectProcesses([], given), many),
      options("listProcesses", (given) => pidentity.listProcesses(given), many),
      options("getProcessAncestors", (given) => pidentity.getProcessAncestors(1, given), { args }),
      options("getProcessChildren", (given) => pidentity.getProcessChildren(1, given), {
        args,
        recursive: WRONG.boolean,
      }),
      options("waitForProcessExit", (given) => pidentity.waitForProcessExit(token, given), waiting),
      options("endProcess", (given) => pidentity.endProcess(token, given), {
        graceMs: WRONG.timeout,
        tree: WRONG.boolean,
        signal: WRONG.signal,
      }),
    ],
    close: () => {},
  };
}
