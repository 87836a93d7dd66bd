/**
 * Recognises the programs that write session locks by their argument vectors. Pure.
 *
 * It decides whether a *plain* lock's live pid belongs to its owner, where nothing else does. Recognising too much
 * keeps a lock; recognising too little takes a running gateway's lock away. Every step is linear in the length of the
 * arguments, which the process itself chooses.
 */
import { checkArgument } from "../util/check-options.js";
import { checkTexts } from "../util/check-values.js";

/** The program, its former names, and forks that are named after it. */
const PROGRAM_NAMES = ["openclaw[a-z0-9_]*", "clawdbot", "moltbot"];

const LAUNCHER_SUFFIX = /\.(?:exe|cmd|bat)$/;
const SCRIPT_SUFFIXES = ["", ".mjs", ".js", ".bundle.mjs"];
const ENTRY_POINTS = [
  "dist/index.js",
  "dist/entry.js",
  "scripts/run-node.mjs",
  "src/entry.ts",
  "src/index.ts",
];

/** The program's commands. */
const COMMANDS: ReadonlySet<string> = new Set(
  (
    "acp agent agents approvals attach auth automations backup browser capability channels " +
    "chat clawbot commitments completion config configure crestodian cron daemon dashboard " +
    "devices directory dns docs doctor exec-approvals exec-policy fleet gateway health " +
    "hooks infer logs mcp memory message migrate models node nodes onboard pairing plugins " +
    "profile promos proxy qa qr reset sandbox secrets security sessions setup skills " +
    "status system tasks terminal tui uninstall update users webhooks worker worktrees"
  ).split(" "),
);

/** Also the name of what runs the entry points of every such program: a command only behind one of them. */
const AMBIGUOUS_COMMAND = "node";

/**
 * Whether this command line belongs to a program that writes session locks. NAME is `openclaw`, a fork named
 * `openclaw<word>`, or one of the former names `clawdbot` and `moltbot`.
 *
 * - the program itself, or a title that it gave itself: `NAME`, `NAME-<word>`, `NAME <anything>`
 * - its script in any argument: `NAME`, `NAME.mjs`, `NAME.js`, `NAME.bundle.mjs`, wherever it is installed
 * - one of its entry points (`dist/index.js`, `dist/entry.js`, `scripts/run-node.mjs`, `src/entry.ts`,
 *   `src/index.ts`) with one of its commands (`gateway`, `agent`, `doctor`, `tui`, …)
 *
 * Case does not matter; Windows paths and launchers (`.exe`, `.cmd`, `.bat`) are understood.
 *
 * A blank or unreadable command line is an unknown owner, which the caller must never treat as foreign;
 * this function answers false for it.
 */
export function isOpenClawArgv(argv: readonly string[]): boolean {
  checkArgument("argv", argv, checkTexts);
  return isOpenClaw(argv);
}

/**
 * {@link isOpenClawArgv} that takes further names for NAME.
 *
 * @param names - Base names without path and suffix; case does not matter.
 */
export function ownerRecogniser(names: readonly string[]): (argv: readonly string[]) => boolean {
  const patterns = [...PROGRAM_NAMES, ...names.map((name) => escapePattern(normalise(name)))];
  const anyName = `(?:${patterns.join("|")})`;
  const title = new RegExp(`^${anyName}(?:-[a-z0-9][a-z0-9_-]*)?(?: |$)`);
  const name = new RegExp(`^${anyName}$`);
  const isScript = (argument: string): boolean => {
    const base = baseName(argument);
    return SCRIPT_SUFFIXES.some(
      (suffix) => base.endsWith(suffix) && name.test(base.slice(0, base.length - suffix.length)),
    );
  };
  return (argv) => {
    const args = argv.map(normalise);
    const program = (args[0] ?? "").replace(LAUNCHER_SUFFIX, "");
    return (
      title.test(program) ||
      title.test(baseName(program)) ||
      // A title behind a path, with a path among what follows.
      title.test(baseName(firstWord(program).replace(LAUNCHER_SUFFIX, ""))) ||
      args.some(isScript) ||
      runsEntryPoint(args)
    );
  };
}

const isOpenClaw = ownerRecogniser([]);

function runsEntryPoint(args: readonly string[]): boolean {
  const entryPoint = args.findIndex((argument) =>
    ENTRY_POINTS.some((entry) => argument.endsWith(entry)),
  );
  if (entryPoint === -1) return false;
  return args.some(
    (argument, index) =>
      COMMANDS.has(argument) && (argument !== AMBIGUOUS_COMMAND || index > entryPoint),
  );
}

function normalise(argument: string): string {
  return argument.trim().replaceAll("\\", "/").toLowerCase();
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function firstWord(text: string): string {
  const end = text.indexOf(" ");
  return end === -1 ? text : text.slice(0, end);
}

function escapePattern(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
}
