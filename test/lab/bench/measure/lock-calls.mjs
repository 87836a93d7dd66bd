/**
 * From lines of strace to what was asked of the OS about lock files, call by call, such that two programs can be
 * compared. Pure.
 *
 * What differs without being another call is levelled: the numbers of descriptors, nonces, the name of the call where
 * there are several for one thing (stat, lstat, statx; read, pread64), flags about which nothing depends here.
 */

/** The kinds of names that the protocol uses beside a lock `L`, as they are shown. */
const NAMES = [
  [/^\.[0-9a-f]{32}\.tmp$/, "L.tmp"],
  [/^\.[0-9a-f]{32}\.gone$/, "L.gone"],
  [/^\.guard$/, "L.guard"],
  [/^\.reclaim$/, "L.reclaim"],
  [/^$/, "L"],
];

const OPEN_FLAGS = ["O_RDONLY", "O_WRONLY", "O_RDWR", "O_CREAT", "O_EXCL", "O_TRUNC"];

/**
 * The calls about each lock, in order, as `unlink L`; those about nothing of them are counted by name.
 *
 * @param {readonly string[]} lines of strace
 * @param {readonly string[]} locks absolute paths
 * @returns {{ calls: Map<string, string[]>, others: Map<string, number> }}
 */
export function lockCallsIn(lines, locks) {
  const calls = new Map(locks.map((lock) => [lock, []]));
  const others = new Map();
  /** Which lock's file a descriptor has open. @type {Map<string, string>} */
  const opened = new Map();
  for (const line of lines) {
    const call = parseCall(line);
    if (call === null) continue;
    const about = lockOf(call, locks, opened);
    if (about === null) {
      others.set(call.name, (others.get(call.name) ?? 0) + 1);
      continue;
    }
    calls.get(about)?.push(describe(call, about));
    if (OPENING.has(call.name) && /^\d+$/.test(call.result)) opened.set(call.result, about);
    if (call.name === "fcntl" && call.args.includes("F_DUPFD") && /^\d+$/.test(call.result)) {
      opened.set(call.result, about);
    }
    if (call.name === "close") opened.delete(call.descriptor ?? "");
  }
  return { calls, others };
}

const OPENING = new Set(["open", "openat", "openat2"]);
const STATS = new Set(["stat", "lstat", "fstat", "newfstatat", "statx"]);
const LINKS = new Set(["link", "linkat"]);

/**
 * @typedef {object} Call
 * @property {string} name
 * @property {string} args as strace shows them
 * @property {string | null} descriptor the first argument, where that is one
 * @property {readonly string[]} paths
 * @property {string} result first word
 */

/** @returns {Call | null} null for a line that is none */
function parseCall(line) {
  const match = /^(\w+)\((.*)\)\s+= (\S+)/.exec(line);
  if (match === null) return null;
  const [, name = "", args = "", result = ""] = match;
  // What was read and written is no path.
  const hasPaths = !/^(?:p?read|p?write)/.test(name);
  const paths = hasPaths ? [...args.matchAll(/"([^"]*)"/g)].map(([, path = ""]) => path) : [];
  return { name, args, descriptor: /^\d+/.exec(args)?.[0] ?? null, paths, result };
}

/** null: about none of the locks. */
function lockOf({ name, args, descriptor, paths }, locks, opened) {
  if (descriptor !== null && opened.has(descriptor)) return opened.get(descriptor) ?? null;
  const [, of] = /^\/proc\/self\/fd\/(\d+)$/.exec(paths[0] ?? "") ?? [];
  if (of !== undefined && opened.has(of)) return opened.get(of) ?? null;
  const [only] = locks;
  // An unnamed file in the directory: there is nothing else that names a lock.
  if (OPENING.has(name) && args.includes("O_TMPFILE") && locks.length === 1) {
    return [directoryOf(only), "."].includes(paths[0]) ? only : null;
  }
  const found = locks.find((lock) => paths.some((path) => nameOf(path, lock) !== null));
  return found ?? null;
}

function directoryOf(path) {
  return path.slice(0, path.lastIndexOf("/"));
}

/** As it is shown: `L.guard`; a relative path is one beside an open directory. null: none of this lock's names. */
function nameOf(path, lock) {
  const full = path.startsWith("/") || path === "" ? path : `${directoryOf(lock)}/${path}`;
  if (!full.startsWith(lock)) return null;
  const rest = full.slice(lock.length);
  return NAMES.find(([pattern]) => pattern.test(rest))?.[1] ?? null;
}

function describe({ name, args, descriptor, paths }, lock) {
  const shown = paths.map((path) => nameOf(path, lock) ?? "").filter((path) => path !== "");
  const [path = "the descriptor"] = shown;
  if (OPENING.has(name)) return openingOf(args, path);
  if (STATS.has(name)) return `stat of ${path}`;
  if (LINKS.has(name)) {
    return shown.length > 1 ? `link ${path} as ${shown[1]}` : `link the descriptor as ${path}`;
  }
  if (name === "read" || name === "pread64") return "read";
  if (name === "write" || name === "pwrite64") return "write";
  if (name === "fcntl") return `fcntl ${/F_\w+/.exec(args)?.[0] ?? ""}`;
  if (name === "flock") return `flock ${args.split(", ")[1] ?? ""}`;
  if (name.startsWith("unlink")) return `unlink ${path}`;
  if (name.startsWith("access") || name.startsWith("faccessat")) return `access ${path}`;
  return descriptor === null ? `${name} ${path}` : name;
}

function openingOf(args, path) {
  if (args.includes("O_TMPFILE")) return "open an unnamed file";
  return `open ${path} ${OPEN_FLAGS.filter((flag) => args.includes(flag)).join("|")}`;
}

/**
 * @param {readonly string[]} ours the package's
 * @param {readonly string[]} floor the C program's
 * @returns {string | null} what is different, over several lines; null: nothing
 */
export function differenceOf(ours, floor) {
  const at = ours.findIndex((call, i) => call !== floor[i]);
  if (at === -1 && ours.length === floor.length) return null;
  const where = at === -1 ? ours.length : at;
  return [
    `call ${where + 1} is ${ours[where] ?? "none"} instead of ${floor[where] ?? "none"}`,
    `  the package:   ${ours.join(", ")}`,
    `  the C program: ${floor.join(", ")}`,
  ].join("\n");
}
