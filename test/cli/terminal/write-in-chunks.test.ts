import { expect, test } from "vitest";

import { writeInChunks } from "../../../lib/cli/terminal/io.js";
import { recordingStream } from "../../support/command-line.js";

test("long output is written in a few chunks, complete and in order", () => {
  const written: string[] = [];
  const stream = { ...recordingStream(false), write: (text: string) => void written.push(text) };
  const lines = Array.from({ length: 50_000 }, (_, index) => `${String(index)}\n`);
  writeInChunks(stream, lines);
  expect(written.join("")).toBe(lines.join(""));
  expect(written.length).toBeLessThan(10);
});
