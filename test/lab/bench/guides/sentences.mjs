/** Sentences of the guides with measured figures: what each must say. Line breaks and spaces do not matter. */

/** @type {readonly { file: string, says: (figures: import("./figures.mjs").Figures) => string }[]} */
export const SENTENCES = [
  {
    file: "README.md",
    says: ({ about }) =>
      `pidentity needs about ${about({ suite: "process", of: "inspectProcess, all fields" })} per process and judges 1 800 locks in ${about({ suite: "sweep", of: "6 directories of 300 locks, none stale" })}`,
  },
];

/** Numbers with such units in guides that no benchmark measures: limits, rules, the kernel's and the clock's own. */
export const NOT_MEASURED = [
  "3 × `warnMs`",
  "2 × last",
  // The run's option.
  "4 × 20 s",
];
