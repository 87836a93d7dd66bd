/** `npm run bench` measures in several places: every figure must say in which one, and on which file system. */
import { mkdirSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { describe, expect, it } from "vitest";

import { ROOT } from "../support/processes/programs.js";
import { requireLinux } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

interface Place {
  readonly directory: string;
  readonly fileSystem: string;
  readonly fileSystemType: string;
}

async function importOfBench(file: string): Promise<unknown> {
  return await import(pathToFileURL(join(ROOT, "test/lab/bench", file)).href);
}

const { showSuite, showTargets, showTargetTable } = (await importOfBench("report.mjs")) as {
  showSuite: (result: object, format: { markdown: boolean }) => string;
  showTargets: (results: readonly object[]) => string;
  showTargetTable: (results: readonly object[]) => string;
};
const { defaultDirectories, describePlace } = (await importOfBench("measure/places.mjs")) as {
  describePlace: (directory: string) => Place;
  defaultDirectories: (
    temporary?: string,
    memory?: string,
  ) => { readonly directories: readonly string[]; readonly left: string | null };
};

const EXT4: Place = { directory: "/tmp", fileSystem: "ext4", fileSystemType: "0xef53" };
const TMPFS: Place = { directory: "/dev/shm", fileSystem: "tmpfs", fileSystemType: "0x1021994" };

function resultAt(place: Place | null, value: number, suite = "lock"): object {
  const machine = {
    version: "1.0.0 (0a1b2c3)",
    cpu: "CPU",
    cores: 2,
    kernel: "linux 6",
    node: "v20.19.0",
    load: 0,
    ...place,
  };
  const target = { what: "times plain", value, limit: 2, bound: "at most", unit: "×" };
  const measurement = {
    name: "free",
    unit: "µs",
    sides: [{ name: "pidentity", median: 30, p99: 40, worst: 40, samples: 9, timesFirst: 1 }],
    targets: [{ ...target, met: value <= 2 }],
    remarks: [],
  };
  return { suite, title: "Locks", machine, notes: [], measurements: [measurement] };
}

describe("the benchmark report", () => {
  it("a suite that makes files names the version, the directory and its file system, by name and number", () => {
    const plain = showSuite(resultAt(TMPFS, 1.5), { markdown: false });
    expect(plain).toMatch(/^Locks, on tmpfs \(\/dev\/shm\)\n/);
    expect(plain).toContain("\npidentity 1.0.0 (0a1b2c3); CPU, 2 cores");
    expect(plain).toContain("/dev/shm on tmpfs (0x1021994)");
    expect(showSuite(resultAt(EXT4, 1.5), { markdown: true })).toMatch(
      /^### Locks, on ext4 \(\/tmp\)\n/,
    );
  });

  it("a suite that makes no files names no directory", () => {
    const plain = showSuite(resultAt(null, 1.5), { markdown: false });
    expect(plain).toMatch(/^Locks\n/);
    expect(plain).not.toContain("undefined");
  });

  it("a missed target is told with the place where it was missed, a met one of another place is not", () => {
    const shown = showTargets([resultAt(EXT4, 3), resultAt(TMPFS, 1.5), resultAt(null, 5)]);
    expect(shown.split("\n")).toEqual([
      "1 of 3 targets met",
      "- lock on ext4 (/tmp): free: times plain: 3× (target ≤ 2×: missed)",
      "- lock: free: times plain: 5× (target ≤ 2×: missed)",
    ]);
  });

  it("the table of targets has a row for each target and a column for each place", () => {
    const results = [
      resultAt(null, 1, "process"),
      resultAt(EXT4, 3),
      resultAt(TMPFS, 1.5),
      resultAt(EXT4, 2, "sweep"),
    ];
    expect(showTargetTable(results).split("\n")).toEqual([
      "|  | target | ext4 (/tmp) | tmpfs (/dev/shm) |",
      "| --- | ---: | ---: | ---: |",
      "| lock: free: times plain | ≤ 2× | 3×, missed | 1.5× |",
      "| sweep: free: times plain | ≤ 2× | 2× | not measured |",
    ]);
    expect(showTargetTable([resultAt(null, 1)])).toBe("");
  });
});

describe("the places of the benchmarks", () => {
  it("a directory is described by its file system's number", (context) => {
    requireLinux(context, "statfs numbers are its own");
    const { type } = statfsSync(tmpdir());
    const { directory, fileSystemType } = describePlace(tmpdir());
    expect([directory, Number(fileSystemType)]).toEqual([tmpdir(), type]);
    expect(describePlace("/proc").fileSystem).toBe("0x9fa0");
  });

  it("a directory that is none is refused before anything is measured", () => {
    expect(() => describePlace(join(temporaryFolder(), "absent"))).toThrow(/ENOENT/);
  });

  it("memory is left out with its reason where it is missing or the temporary folder's own file system", () => {
    const folder = temporaryFolder();
    const other = join(folder, "other");
    expect(defaultDirectories(folder, other)).toEqual({
      directories: [folder],
      left: `${other} is not there`,
    });
    mkdirSync(other);
    expect(defaultDirectories(folder, other)).toEqual({
      directories: [folder],
      left: `${other} is the file system of ${folder}`,
    });
  });

  it("memory is left out where it cannot be written to or is too small", (context) => {
    requireLinux(context, "/proc and /sys are file systems of their own");
    // No file can be made in either by an ordinary user, and nothing is free there for root.
    const { directories, left } = defaultDirectories(tmpdir(), "/sys");
    expect(directories).toEqual([tmpdir()]);
    expect(left).toMatch(/^\/sys (?:cannot be written to|has less than 2 GB left)$/);
  });
});
