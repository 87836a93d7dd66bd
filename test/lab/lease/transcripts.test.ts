/** The oracle of the moving pods notices each way in which a session's file can be wrong. */
import { expect, test } from "vitest";

interface Verdict {
  readonly complaints: readonly string[];
  readonly lines: number;
  readonly acknowledged: number;
  readonly late: number;
}

interface Oracle {
  readonly judgeTranscript: (text: string, logs: object, about: object) => Verdict;
}

const { judgeTranscript } = (await import(
  new URL("pods/transcripts.mjs", import.meta.url).href
)) as Oracle;

const lineOf = (line: number, epoch: number, count: number, asked = 100 * epoch): string =>
  `{"line":${line},"epoch":"${epoch}","count":${count},"pod":"pod-${epoch}","asked":"${asked}"}`;

/** Three lines of the first pod, two of the second, which began at 200. */
const LINES = [
  lineOf(1, 1, 1),
  lineOf(2, 1, 2),
  lineOf(3, 1, 3),
  lineOf(4, 2, 1),
  lineOf(5, 2, 2),
] as const;
const LATE = lineOf(4, 1, 4, 150);

function judge(lines: readonly string[], isFenceShared: boolean, end = "\n"): Verdict {
  const acknowledged = LINES.map((text) => {
    const { epoch, count, pod } = JSON.parse(text) as Record<string, unknown>;
    return { epoch, count, pod };
  });
  const logs = {
    begun: new Map([
      ["s 1", 100n],
      ["s 2", 200n],
    ]),
    acknowledged: new Map([["s", acknowledged]]),
  };
  return judgeTranscript(lines.join("\n") + end, logs, { session: "s", isFenceShared });
}

test("a transcript in which every line is where it belongs has no complaints", () => {
  expect(judge(LINES, true)).toEqual({ complaints: [], lines: 5, acknowledged: 5, late: 0 });
});

test.each<[string, readonly string[], string]>([
  ["a lost line", LINES.toSpliced(1, 1), "s: lost: pod-1 was told"],
  ["a lost last line", LINES.slice(0, 4), "s: lost: pod-2 was told"],
  ["a torn line", LINES.with(1, LINES[1].slice(0, 20)), "s: torn: line 2"],
  ["two halves in one line", LINES.with(1, LINES[1].slice(0, 20) + LINES[1]), "s: torn: line 2"],
  ["a line that is there twice", LINES.toSpliced(1, 0, LINES[1]), "s: twice: line 3"],
  ["lines in the wrong order", LINES.with(1, LINES[2]).with(2, LINES[1]), "s: out of order"],
  ["a late line", LINES.toSpliced(4, 0, LATE), "s: late: line 5"],
])("%s is complained of", (_what, lines, complaint) => {
  const { complaints } = judge(lines, true);
  expect(complaints.some((one) => one.startsWith(complaint))).toBe(true);
});

test("half a line at the end is complained of", () => {
  expect(judge(LINES, true, '\n{"line":6').complaints).toEqual([
    "s: half a line is left at the end",
  ]);
});

test("where the fence is not shared, a late line is counted if it was asked for before the next holder began", () => {
  expect(judge(LINES.toSpliced(4, 0, LATE), false)).toMatchObject({ complaints: [], late: 1 });
  const written = lineOf(4, 1, 4, 250);
  expect(judge(LINES.toSpliced(4, 0, written), false).complaints).toEqual([
    "s: late: line 5 is of epoch 1, after 2",
  ]);
});
