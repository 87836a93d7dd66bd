/** Picks the command and runs it; prints help, the version and usage errors. */
import { readFileSync } from "node:fs";

import { quote } from "../util/printable.js";
import { asksForHelp, parseArguments } from "./arguments.js";
import { type Command, EXIT, type ExitCode, UsageError } from "./command.js";
import { breakCommand } from "./commands/break.js";
import { identify } from "./commands/identify.js";
import { kill } from "./commands/kill.js";
import type { CliIo } from "./terminal/io.js";
import { locks } from "./commands/locks.js";
import { native } from "./commands/native.js";
import { ps } from "./commands/ps.js";
import { runUnderLock } from "./commands/run.js";
import { tree } from "./commands/tree.js";
import { verify } from "./commands/verify.js";
import { wait } from "./commands/wait.js";

const COMMANDS: readonly Command[] = [
  ps,
  tree,
  identify,
  verify,
  wait,
  kill,
  locks,
  breakCommand,
  runUnderLock,
  native,
];

/**
 * Runs `pidentity <args>`.
 *
 * @param args - The arguments behind the program's name.
 * @returns the exit code. Wrong usage is answered on `io.stderr`; anything else that goes wrong is thrown.
 */
export async function run(args: readonly string[], io: CliIo): Promise<number> {
  const [name, ...rest] = args;
  const command = COMMANDS.find((candidate) => candidate.name === name);
  try {
    if (command !== undefined) {
      if (!asksForHelp(rest)) return await command.run(rest, io);
      io.stdout.write(`Usage: pidentity ${command.name} ${command.usage}\n\n${command.help}`);
      return EXIT.ok;
    }
    return runWithoutCommand(args, io);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const help = command === undefined ? "pidentity --help" : `pidentity ${command.name} --help`;
    io.stderr.write(`pidentity: ${error.message}\nSee ${help}\n`);
    return EXIT.failure;
  }
}

function runWithoutCommand(args: readonly string[], io: CliIo): ExitCode {
  const { values, positionals } = parseArguments(args, {
    help: { type: "boolean", short: "h" },
    version: { type: "boolean", short: "v" },
  });
  const [name] = positionals;
  if (name !== undefined) {
    const known = COMMANDS.map((command) => command.name).join(", ");
    throw new UsageError(`unknown command, expected one of ${known}: ${quote(name)}`);
  }
  if (values.version) {
    io.stdout.write(`${packageVersion()}\n`);
    return EXIT.ok;
  }
  const output = values.help ? io.stdout : io.stderr;
  output.write(generalHelp());
  return values.help ? EXIT.ok : EXIT.failure;
}

function generalHelp(): string {
  const usages = COMMANDS.map(({ name, usage }) => `  pidentity ${name} ${usage}`);
  const widest = Math.max(...COMMANDS.map(({ name }) => name.length));
  const summaries = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(widest)}  ${summary}`);
  return `Which process is this pid, is it still the same one, and whose are these locks?

Usage:
${usages.join("\n")}

Commands:
${summaries.join("\n")}

Options:
  -h, --help     this text; pidentity <command> --help says more
  -v, --version  the version

Examples:
  pidentity locks ~/.openclaw/agents/main/sessions
  pidentity ps 1
  pidentity verify "$(cat server.pidentity)"
`;
}

/** This file and dist/cli/main.js, which it is bundled into, are both two levels below the package root. */
function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}
