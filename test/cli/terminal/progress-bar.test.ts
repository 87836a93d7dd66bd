import { expect, test } from "vitest";

import { ProgressBar } from "../../../lib/cli/terminal/progress-bar.js";
import { recordingStream } from "../../support/command-line.js";

/** A bar on a clock that the test moves. */
function barOn(stream: ReturnType<typeof recordingStream>, env = {}) {
  const clock = { ms: 1000 };
  const bar = new ProgressBar({ stderr: stream, env, now: () => clock.ms });
  return { bar, clock };
}

test("short work shows no bar, and clearing it writes nothing", () => {
  const stream = recordingStream(true, 80);
  const { bar, clock } = barOn(stream);
  clock.ms += 299;
  bar.update(1, 10);
  bar.clear();
  expect(stream.text()).toBe("");
});

test("long work shows how far it is, at most ten times a second, and gives the line back", () => {
  const stream = recordingStream(true, 80);
  const { bar, clock } = barOn(stream);
  clock.ms += 300;
  bar.update(500, 1000);
  clock.ms += 99;
  bar.update(600, 1000);
  expect(stream.text()).toBe(`\r\u001B[K[${"#".repeat(15)}${"-".repeat(15)}] 50% of 1000 locks`);
  clock.ms += 1;
  bar.update(1000, 1000);
  expect(stream.text()).toContain("100% of 1000 locks");
  bar.clear();
  bar.clear();
  expect(stream.text().endsWith("locks\r\u001B[K")).toBe(true);
});

test.each([10, 25, 40])("a terminal of %i columns is never filled to its last cell", (columns) => {
  const stream = recordingStream(true, columns);
  const { bar, clock } = barOn(stream);
  clock.ms += 300;
  bar.update(1, 3);
  clock.ms += 5000;
  bar.update(2, 3);
  const shown = stream.text().split("\r\u001B[K");
  // The figures alone are 17 cells wide; below that there is no bar to be seen.
  for (const line of shown) expect(line.length).toBeLessThan(Math.max(columns, 18));
});

test("the forecast continues what was done, and is not made in the first second", () => {
  const stream = recordingStream(true, 80);
  const { bar, clock } = barOn(stream);
  const shownAfter = (ms: number, done: number, total = 1000): string => {
    clock.ms += ms;
    bar.update(done, total);
    return stream.text().split("\r\u001B[K").at(-1) ?? "";
  };
  // Listing and sorting the names took long, and says nothing of the rest.
  expect(shownAfter(10_000, 0)).toMatch(/0% of 1000 locks$/u);
  expect(shownAfter(900, 100)).toMatch(/10% of 1000 locks$/u);
  expect(shownAfter(1100, 200)).toMatch(/20% of 1000 locks, 8s left$/u);
  expect(shownAfter(1000, 201)).toMatch(/20% of 1000 locks, 12s left$/u);
  expect(shownAfter(100, 1000)).toMatch(/100% of 1000 locks$/u);
  // The next directory starts anew, and one lock of many says nothing.
  expect(shownAfter(100, 0, 300_000)).toMatch(/0% of 300000 locks$/u);
  expect(shownAfter(2000, 1, 300_000)).toMatch(/0% of 300000 locks$/u);
  expect(shownAfter(8000, 100_000, 300_000)).toMatch(/33% of 300000 locks, 20s left$/u);
});

test("no terminal, or one without cursor control, gets no bar", () => {
  for (const [isTTY, env] of [
    [false, {}],
    [true, { TERM: "dumb" }],
  ] as const) {
    const stream = recordingStream(isTTY, 80);
    const { bar, clock } = barOn(stream, env);
    clock.ms += 10_000;
    bar.update(1, 10);
    bar.clear();
    expect(stream.text()).toBe("");
  }
});

test("work without any step is shown as done", () => {
  const stream = recordingStream(true, 80);
  const { bar, clock } = barOn(stream);
  clock.ms += 300;
  bar.update(0, 0);
  expect(stream.text()).toContain("100% of 0 locks");
});
