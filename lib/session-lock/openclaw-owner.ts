/** Recognises an OpenClaw process from its argument vector. Pure. */

const PROGRAM_SUFFIX = /\.(?:exe|cmd|bat)$/;
const PROCESS_TITLE = /(?:^|\/)openclaw-[a-z0-9][a-z0-9_-]*$/;
const SCRIPTS = ["openclaw", "openclaw.mjs"];
const ENTRY_POINTS = [
  "dist/index.js",
  "dist/entry.js",
  "scripts/run-node.mjs",
  "src/entry.ts",
  "src/index.ts",
];
const COMMANDS: ReadonlySet<string> = new Set(["gateway", "agent"]);

/**
 * Whether this command line belongs to a program that writes session locks: the `openclaw` executable
 * or script wherever it is installed, one of its process titles (`openclaw-gateway`), or one of its entry
 * points run with `gateway` or `agent`. Windows paths and launchers are understood.
 *
 * A blank or unreadable command line is an unknown owner, which the caller must never treat as foreign;
 * this function answers false for it.
 */
export function isOpenClawArgv(argv: readonly string[]): boolean {
  const args = argv.map(normalise);
  const program = (args[0] ?? "").replace(PROGRAM_SUFFIX, "");
  if (isNamed(program, "openclaw") || PROCESS_TITLE.test(program)) return true;
  if (args.some((argument) => SCRIPTS.some((script) => isNamed(argument, script)))) return true;
  return (
    args.some((argument) => ENTRY_POINTS.some((entryPoint) => argument.endsWith(entryPoint))) &&
    args.some((argument) => COMMANDS.has(argument))
  );
}

function normalise(argument: string): string {
  return argument.trim().replaceAll("\\", "/").toLowerCase();
}

function isNamed(path: string, name: string): boolean {
  return path === name || path.endsWith(`/${name}`);
}
