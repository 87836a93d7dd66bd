/** The tables of figures in the guides, made from results. A guide has each between `<!-- figures: NAME -->` and its end. */

/** @type {Record<string, (figures: import("./figures.mjs").Figures) => string>} */
export const TABLES = {
  machine: ({ machine, places }) => {
    const { cpu, cores, kernel, node } = machine("process");
    return `${cores} cores of an ${cpu}, ${kernel}, Node ${node}; files on ${places("lock").join(" and ")}`;
  },

  process: ({ median, target }) => {
    const row = (name, of, what = "times the C loop", suite = "process") => [
      name,
      median({ suite, of }),
      median({ suite, of, side: "C loop" }),
      target({ suite, of, what }),
    ];
    return table(
      ["`npm run bench -- process identity`", "pidentity", "the same system calls in C", "ratio"],
      [
        row("`isPidAlive`", "isPidAlive"),
        row("`getProcessStartTime`", "getProcessStartTime"),
        row(
          "`getProcessArgs`, 5 arguments",
          "getProcessArgs",
          "times the C loop (1.1 + 0.15 µs per argument)",
        ),
        row("`inspectProcess`, everything", "inspectProcess, all fields"),
        row(
          "`identifyProcess`",
          "identifyProcess, another process",
          "times the C loop",
          "identity",
        ),
        row("200 processes, with arguments", "200 processes at once, with arguments"),
        row("200 processes, without", "200 processes at once, without arguments"),
      ],
    );
  },

  packages: ({ median }) => {
    const suite = "process";
    const one = (side) => median({ suite, of: "one process, all fields", side });
    const many = (side) => median({ suite, of: "200 processes at once, with arguments", side });
    return table(
      ["with arguments", "one process", "200 processes"],
      [
        ["pidentity", one("pidentity"), many("pidentity")],
        ["`fs.readFile` on /proc", one("fs.readFile on /proc"), many("fs.readFile on /proc")],
        ["one `ps`", one("ps spawned"), many("one ps for all")],
        ["find-process", one("find-process"), ""],
        ["ps-list", one("ps-list"), ""],
        ["systeminformation", one("systeminformation"), ""],
      ],
    );
  },

  listing: ({ median }) => {
    const suite = "listing";
    const row = (name, of, ...sides) => [
      name,
      ...sides.map((side) => (side === null ? "" : median({ suite, of, side }))),
    ];
    return table(
      [
        "`npm run bench -- listing`",
        "pidentity",
        "the same calls in C",
        "one `ps`",
        "ps-list",
        "pidtree",
      ],
      [
        row(
          "all processes, with arguments",
          "all processes, with arguments",
          "pidentity",
          "C loop",
          "one ps",
          "ps-list",
          null,
        ),
        row(
          "all processes, without",
          "all processes, without arguments",
          "pidentity",
          "C loop",
          "one ps",
          null,
          null,
        ),
        row(
          "the children of one",
          "children of one process",
          "pidentity",
          "C loop",
          null,
          null,
          "pidtree",
        ),
      ],
    );
  },

  sweep: (figures) => {
    const names = {
      "6 directories × 300 locks, all kept": "6 directories of 300 locks, none stale",
      "the same, all removed": "6 directories of 300 locks, all stale",
      "the same, of killed processes": "6 directories of 300 locks of killed processes",
      "10 000 locks, all kept": "10 000 locks, none stale",
      "10 000 locks, all removed": "10 000 locks, all stale",
    };
    const cells = (of, place) => {
      const at = { suite: "sweep", of, place };
      const plain = { ...at, side: "one await per lock" };
      return [figures.median(at), figures.median(plain), figures.ratio(plain)];
    };
    return table(
      [
        "`npm run bench -- sweep`",
        ...figures
          .places("sweep")
          .flatMap((place) => [`${place}: pidentity`, "one await and turn per lock", "ratio"]),
      ],
      Object.entries(names).map(([name, of]) => [
        name,
        ...figures.places("sweep").flatMap((_, place) => cells(of, place)),
      ]),
    );
  },

  startup: (figures) =>
    table(
      ["`npm run bench -- startup`", ...figures.places("startup")],
      ["6 directories of 300 locks", "10 000 locks"].flatMap((size) =>
        ["kept", "removed"].map((fate) => [
          `${size}, all ${fate}: from the process's start`,
          ...figures.places("startup").map((_, place) =>
            figures.median({
              suite: "startup",
              of: `${size}, all ${fate}: from the process's start`,
              place,
            }),
          ),
        ]),
      ),
    ),

  lock: (figures) => {
    const free = "acquire and release, free";
    const rows = {
      "acquire and release a free lock": { of: free },
      "… times plain `wx`, write, unlink": {
        of: free,
        what: "times plain sync wx, write, unlink",
      },
      "the same by the synchronous form": { of: free, side: "pidentity at once" },
      "… times plain": { of: free, what: "times plain sync, by the synchronous form" },
      "its system calls in C": { of: free, side: "inode guard in C" },
      "those of guard files, as elsewhere, in C": { of: free, side: "guard file in C" },
      "plain `wx`, write, unlink: synchronous": { of: free, side: "plain sync" },
      "the same by promises": { of: free, side: "plain promises" },
      "create and unlink in C": { of: free, side: "create and unlink in C" },
      "proper-lockfile": { of: free, side: "proper-lockfile" },
      "times faster than @openclaw/fs-safe (on Node 22)": {
        of: "acquire and release, free, on Node 22",
        what: "times faster than @openclaw/fs-safe",
      },
      "hand-over between 8 processes, median": {
        of: "hand-over between 8 processes",
        what: "median",
      },
      "… p99": { of: "hand-over between 8 processes", what: "p99" },
      "the same by proper-lockfile, median": {
        of: "hand-over between 8 processes",
        side: "proper-lockfile",
      },
      "a killed holder's lock taken over by a waiter": {
        of: "taking over from a killed holder",
        side: "waiting contender",
      },
      "… by a newcomer": { of: "taking over from a killed holder", side: "fresh contender" },
      "2 s of waiting, CPU time": {
        of: "waiting 2 s behind a live owner, CPU time",
        what: "CPU time",
      },
      "files left after 1 000 SIGKILLs": {
        of: "files left beside the locks of killed processes",
        what: "files left",
      },
    };
    const value = (where) =>
      where.what === undefined ? figures.median(where) : figures.target(where);
    return table(
      ["`npm run bench -- lock`", ...figures.places("lock")],
      Object.entries(rows).map(([name, where]) => [
        name,
        ...figures.places("lock").map((_, place) => value({ suite: "lock", place, ...where })),
      ]),
    );
  },

  missed: ({ missed }) =>
    table(
      ["suite", "what", "target", "measured"],
      missed().map(({ suite, what, limit, values }) => [suite, what, limit, values.join(", ")]),
      "---",
    ),

  lease: ({ median, target }) => {
    const engines = { PostgreSQL: "postgres", etcd: "etcd" };
    const suite = "lease";
    const row = (name, value) => [name, ...Object.values(engines).map((engine) => value(engine))];
    const free = (engine) => `${engine}: acquire and release, free`;
    const handed = (engine) => `${engine}: from a release to the waiter's lease, two processes`;
    const killed = (engine) =>
      `${engine}: from the SIGKILL of a holder to the waiter's lease, ttl 10 s`;
    return table(
      ["`npm run bench -- lease`", ...Object.keys(engines)],
      [
        row("acquire and release a free lease", (engine) => median({ suite, of: free(engine) })),
        row("a plain upsert and update by hand", (engine) =>
          engine === "postgres"
            ? median({ suite, of: free(engine), side: "plain upsert and update" })
            : "",
        ),
        row("the same round trips by hand, same client", (engine) =>
          median({ suite, of: free(engine), side: "by hand" }),
        ),
        row("ratio", (engine) =>
          target({ suite, of: free(engine), what: "times the same round trips by hand" }),
        ),
        row("from a release to the waiter's lease, two processes", (engine) =>
          median({ suite, of: handed(engine) }),
        ),
        row("the same by hand", (engine) => median({ suite, of: handed(engine), side: "by hand" })),
        row("from a SIGKILL to the waiter's lease, ttl 10 s", (engine) =>
          median({ suite, of: killed(engine) }),
        ),
      ],
    );
  },
};

/** `align`: all columns but the first, by default numbers'. */
function table(columns, rows, align = "---:") {
  const lines = [columns, columns.map((_, i) => (i === 0 ? "---" : align)), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
