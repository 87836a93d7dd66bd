/** `test/lab/bench/chart.mjs` draws the README's chart: a picture that misleads is worse than none. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { ROOT } from "../support/processes/programs.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const MACHINE = {
  cpu: "Some <CPU> & Co",
  kernel: "linux 6.1",
  node: "v20.19.0",
  fileSystem: "ext4",
};

function sideOf(name: string, median: number): object {
  return { name, median, p99: median, worst: median, samples: 1, timesFirst: 1 };
}

function sweepOf(sides: readonly object[], name = "10 000 locks, none stale"): object {
  const measurement = { name, unit: "ms", sides, targets: [], remarks: [] };
  return { suite: "sweep", machine: MACHINE, measurements: [measurement] };
}

function draw(results: unknown): { svg: string | null; status: number | null; stderr: string } {
  const folder = temporaryFolder();
  const [from, to] = [join(folder, "results.json"), join(folder, "chart.svg")];
  writeFileSync(from, JSON.stringify(results));
  const program = join(ROOT, "test/lab/bench/chart.mjs");
  const { status, stderr } = spawnSync(process.execPath, [program, from, to], { encoding: "utf8" });
  return { svg: existsSync(to) ? readFileSync(to, "utf8") : null, status, stderr };
}

/** Width of each bar, by class. */
function barsIn(svg: string | null): { kind: string; width: number }[] {
  const bars = (svg ?? "").matchAll(/<rect class="(\w+)"[^>]* width="(\d+)"/g);
  return [...bars].map(([, kind = "", width]) => ({ kind, width: Number(width) }));
}

describe("the benchmark chart", () => {
  it("the chart draws bars as long as the figures say, the package's in the accent colour", () => {
    const { svg } = draw([
      sweepOf([
        sideOf("pidentity", 50),
        sideOf("bare loop", 25),
        sideOf("one await per lock", 100),
      ]),
    ]);
    const [own, bare, slowest] = barsIn(svg);
    expect([own?.kind, bare?.kind, slowest?.kind]).toEqual(["ours", "other", "other"]);
    expect((own?.width ?? 0) / (slowest?.width ?? 0)).toBeCloseTo(0.5, 2);
    expect((bare?.width ?? 0) / (slowest?.width ?? 0)).toBeCloseTo(0.25, 2);
    expect(svg).toContain(">50 ms<");
  });

  it("the chart shows a bar that is too short to be seen", () => {
    const { svg } = draw([sweepOf([sideOf("pidentity", 1), sideOf("bare loop", 100_000)])]);
    expect(barsIn(svg)[0]?.width).toBe(2);
  });

  it("the chart leaves out what was not measured, and a group with nothing to compare", () => {
    const { svg } = draw([
      sweepOf([sideOf("pidentity", 5), sideOf("bare loop", 4)]),
      { suite: "lock", machine: MACHINE, measurements: [] },
    ]);
    expect(svg?.match(/class="title"/g)).toHaveLength(1);
    expect(draw([sweepOf([sideOf("pidentity", 5)])]).svg).toBeNull();
  });

  it("the chart draws a suite once for each place where it was measured, named by its file system", () => {
    const sides = [sideOf("pidentity", 5), sideOf("bare loop", 4)];
    const inMemory = { ...sweepOf(sides), machine: { ...MACHINE, fileSystem: "tmpfs" } };
    const process = { suite: "process", machine: { ...MACHINE, fileSystem: undefined } };
    const { svg } = draw([{ ...process, measurements: [] }, sweepOf(sides), inMemory]);
    const titles = [...(svg ?? "").matchAll(/class="title"[^>]*>([^<]*)</g)];
    expect(titles.map(([, title]) => title)).toEqual([
      "Sweep of 10 000 lock files, none stale, on ext4",
      "Sweep of 10 000 lock files, none stale, on tmpfs",
    ]);
    expect(svg).toContain("; sweep on ext4 and tmpfs<");
    expect(draw([sweepOf(sides)]).svg).toContain(">Sweep of 10 000 lock files, none stale<");
  });

  it("an empty chart is refused", () => {
    const { svg, status, stderr } = draw([]);
    expect([svg, status]).toEqual([null, 1]);
    expect(stderr).toContain("nothing of what the chart shows was measured");
  });

  it("the chart escapes what the machine says of itself, tells its text to screen readers and knows dark themes", () => {
    const { svg } = draw([sweepOf([sideOf("pidentity", 5), sideOf("bare loop", 4)])]);
    expect(svg).toContain("Some &lt;CPU&gt; &amp; Co");
    expect(svg).toMatch(/<title id="chart-title">[^<]*pidentity 5 ms, bare loop 4 ms<\/title>/);
    expect(svg).toContain("prefers-color-scheme: dark");
  });
});
