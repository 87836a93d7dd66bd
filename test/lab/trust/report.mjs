// What the results of a trust run say together: pure functions of them.

/** @typedef {import("./results.mjs").Result} Result */
/** @typedef {Pick<import("./steps.mjs").Step, "name" | "subject">} Wanted */

/**
 * @typedef {object} Report
 * @property {boolean} isWhole every step has passed, and none is outdated
 * @property {string[]} missing steps without a result
 * @property {string[]} outdated steps whose result is of something that has changed since
 * @property {Subject[]} subjects
 * @property {Result[]} steps
 */

/**
 * @typedef {object} Subject
 * @property {string} subject
 * @property {boolean} isWhole all of its steps have passed
 * @property {Record<string, number>} cases of all its steps together
 */

/**
 * @param {readonly Result[]} results
 * @param {readonly Wanted[]} wanted all steps, in the order of the report
 * @param {(result: Result) => boolean} isCurrent whether what it tries, and how, is as it was then
 * @returns {Report}
 */
export function makeReport(results, wanted, isCurrent) {
  const resultOf = ({ name }) => results.find((result) => result.name === name);
  const steps = wanted.map(resultOf).filter((result) => result !== undefined);
  const missing = wanted.filter((step) => resultOf(step) === undefined).map(({ name }) => name);
  const subjects = [...new Set(wanted.map(({ subject }) => subject))].map((subject) => {
    const own = wanted.filter((step) => step.subject === subject);
    const isWhole = own.every((step) => resultOf(step)?.result === "passed");
    const cases = add(
      steps.filter((step) => step.subject === subject).map((result) => result.cases),
    );
    return { subject, isWhole, cases };
  });
  const outdated = steps.filter((result) => !isCurrent(result)).map(({ name }) => name);
  return {
    isWhole: outdated.length === 0 && subjects.every((subject) => subject.isWhole),
    missing,
    outdated,
    subjects,
    steps,
  };
}

function add(all) {
  const total = {};
  for (const cases of all) {
    for (const [name, count] of Object.entries(cases)) total[name] = (total[name] ?? 0) + count;
  }
  return total;
}

/**
 * @param {Report} report
 * @returns {string} Markdown
 */
export function showReport({ isWhole, missing, outdated, subjects, steps }) {
  const minutes = steps.reduce((sum, { seconds }) => sum + seconds, 0) / 60;
  const machines = [...new Set(steps.map(({ machine }) => describe(machine)))];
  const added = subjects.filter(
    ({ subject }) => steps.filter((step) => step.subject === subject).length > 1,
  );
  const parts = [
    "# The trust run",
    "Written by `npm run trust`, which runs the long form of every proof; `npm run trust -- --list` says what each step is.",
    steps.length === 0 ? "" : stateOf(isWhole, steps, outdated),
    missing.length === 0 ? "" : `**Not run: ${missing.join(", ")}.**`,
    steps.length === 0
      ? ""
      : table(
          ["step", "how", "what was tried", "result", "minutes", "code", "date"],
          steps.map((step) => [
            step.name,
            `${step.method}: \`${step.command}\``,
            showCases(step.cases),
            step.result === "skipped" ? `skipped: ${step.reason}` : step.result,
            (step.seconds / 60).toFixed(1),
            `\`${step.code}\`${step.scale === 1 ? "" : `, scale ${step.scale}`}`,
            step.date,
          ]),
        ),
    ...added.map(
      ({ subject, isWhole: hasAll, cases }) =>
        `Together, ${subject}${hasAll ? "" : ", as far as it passed"}: ${showCases(cases)}.`,
    ),
    steps.length === 0
      ? ""
      : `${minutes.toFixed(0)} minutes of steps, up to two of them at a time, on ${machines.join("; ")}.`,
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function stateOf(isWhole, steps, outdated) {
  const commits = [...new Set(steps.map(({ commit }) => `\`${commit}\``))].join(", ");
  if (isWhole) {
    return `All steps have passed, begun at ${commits}; what each of them tries has not changed since.`;
  }
  const failed = steps.filter(({ result }) => result === "failed").map(({ name }) => name);
  const skipped = steps.filter(({ result }) => result === "skipped").map(({ name }) => name);
  return [
    `**This is not a whole run.** ${steps.length - failed.length - skipped.length} steps have passed.`,
    ...(failed.length === 0 ? [] : [`Failed: ${failed.join(", ")}.`]),
    ...(skipped.length === 0 ? [] : [`Skipped: ${skipped.join(", ")}.`]),
    ...(outdated.length === 0
      ? []
      : [`What they try, or what tries it, has changed since: ${outdated.join(", ")}.`]),
  ].join(" ");
}

function describe({ cpu, cores, memoryGiB, kernel, node }) {
  return `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${kernel}, Node ${node}`;
}

function showCases(cases) {
  return Object.entries(cases)
    .map(([name, count]) => `${withSpaces(count)} ${name}`)
    .join(", ");
}

/** A space before every three digits, as the guides have it: 20 000. */
export function withSpaces(count) {
  return String(count).replaceAll(/\B(?=(?:\d{3})+$)/gu, " ");
}

function table(heads, rows) {
  const line = (cells) =>
    `| ${cells.map((cell) => String(cell).replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(heads), line(heads.map(() => "---")), ...rows.map(line)].join("\n");
}
