/** `test/lab/bench/guides/`: a figure in a guide that was not measured last must be found. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { describe, expect, it } from "vitest";

import { ROOT } from "../support/processes/programs.js";

type Figures = object;
type Tables = Record<string, (figures: Figures) => string>;

async function importOfGuides(file: string): Promise<unknown> {
  return await import(pathToFileURL(join(ROOT, "test/lab/bench/guides", file)).href);
}

const { figuresIn } = (await importOfGuides("figures.mjs")) as {
  figuresIn: (results: readonly object[]) => Figures & {
    median: (where: object) => string;
    target: (where: object) => string;
    places: (suite: string) => readonly string[];
  };
};
const { complaintsAbout, withTables } = (await importOfGuides("guide.mjs")) as {
  complaintsAbout: (text: string, figures: Figures, known: object) => string[];
  withTables: (text: string, figures: Figures, tables: Tables) => string;
};

function resultOf(median: number, directory = "/tmp"): object {
  const target = { what: "times plain", value: 2.5, limit: 2, bound: "at most", unit: "×" };
  return {
    suite: "lock",
    machine: { directory, fileSystem: "ext4" },
    measurements: [
      {
        name: "free",
        unit: "µs",
        sides: [{ name: "pidentity", median, p99: 40, timesFirst: 1 }],
        targets: [target],
      },
    ],
  };
}

const FREE = { suite: "lock", of: "free" };
const figures = figuresIn([resultOf(31.25), resultOf(1500, "/dev/shm")]);
const tables: Tables = {
  free: () => `| a | b |\n| --- | ---: |\n| free | ${figures.median(FREE)} |`,
};
const known = { tables, sentences: [], notMeasured: ["3 × the limit"] };

describe("figures of the results", () => {
  it("are looked up by suite, measurement, side and place, and rounded to three digits", () => {
    expect(figures.median(FREE)).toBe("31.3 µs");
    expect(figures.median({ ...FREE, place: 1 })).toBe("1.5 ms");
    expect(figures.target({ ...FREE, what: "times plain" })).toBe("2.5×");
    expect(figures.places("lock")).toEqual(["ext4 (/tmp)", "ext4 (/dev/shm)"]);
  });

  it.each([
    [{ suite: "sweep", of: "free" }],
    [{ suite: "lock", of: "busy" }],
    [{ suite: "lock", of: "free", side: "lockfile" }],
    [{ suite: "lock", of: "free", place: 2 }],
  ])("that are missing are an error: %j", (where) => {
    expect(() => figures.median(where)).toThrow(/no (?:results|such)/u);
  });
});

describe("a guide", () => {
  const stale =
    "Text\n\n<!-- figures: free -->\n\n| a    |       b |\n| ---- | ------: |\n| free | 30.0 µs |\n\n<!-- /figures -->\n";

  it("whose table is not that of the results is found, and is right once the table is put there", () => {
    expect(complaintsAbout(stale, figures, known)).toEqual(["the table free is stale"]);
    const written = withTables(stale, figures, tables);
    expect(written).toContain("| free | 31.3 µs |");
    expect(complaintsAbout(written, figures, known)).toEqual([]);
  });

  it("may align its table's columns", () => {
    const aligned = stale.replace("30.0 µs", "31.3 µs").replaceAll("| free", "| free  ");
    expect(complaintsAbout(aligned, figures, known)).toEqual([]);
  });

  it("must say each sentence with its figures, wherever its lines break", () => {
    const sentences = [{ says: () => `A free lock takes ${figures.median(FREE)} here` }];
    const check = (text: string): string[] =>
      complaintsAbout(text, figures, { ...known, sentences });
    expect(check("A free lock takes\n31.3 µs here.")).toEqual([]);
    expect(check("A free lock takes 30 µs here.")).toEqual([
      "does not say: A free lock takes 31.3 µs here",
      expect.stringContaining("no results answer for"),
    ]);
  });

  it.each(["takes 12 µs", "is 3.5× plain", "is 40 times as fast"])(
    "may not have a figure that nothing measured: %s",
    (text) => {
      expect(complaintsAbout(text, figures, known)).toHaveLength(1);
    },
  );

  it("may have numbers that are no figures", () => {
    expect(complaintsAbout("3 × the limit, 5 ms, three times", figures, known)).toEqual([]);
  });

  it("that names a table which does not exist is an error", () => {
    const text = stale.replace("figures: free", "figures: busy");
    expect(() => complaintsAbout(text, figures, known)).toThrow("no such table of figures: busy");
  });
});
