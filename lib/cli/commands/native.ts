/** `pidentity native`: which backend answers on this machine, and why. */
import { inspect } from "node:util";

import { nativeStatus, type NativeStatus } from "../../process/backends/select-backend.js";
import { oneLine, printable, quote } from "../../util/printable.js";
import { parseArguments } from "../arguments.js";
import { type Command, EXIT, UsageError } from "../command.js";
import { jsonDocument } from "../json-document.js";

export const native: Command = {
  name: "native",
  usage: "[--json]",
  summary: "which backend answers here, and why not the native addon",
  help: `Tells whether the native addon is loaded, from which file, and if not, why not
and what works without it.

Options:
  --json   one JSON document:
           {"schemaVersion", "backend", "path", "error", "causes"};
           path or error is null

Environment:
  PIDENTITY_NATIVE_PATH   file of the addon, where a packager has left it
  PIDENTITY_NO_NATIVE=1   do without the addon

Exit code: 0 with the addon, 1 without it (nothing is broken then, less is
known), 2 on wrong usage.

Examples:
  pidentity native
  PIDENTITY_NO_NATIVE=1 pidentity native
`,
  run: (args, io) => {
    const { values, positionals } = parseArguments(args, { json: { type: "boolean" } });
    const [extra] = positionals;
    if (extra !== undefined) throw new UsageError(`native takes no arguments: ${quote(extra)}`);
    const status = nativeStatus();
    io.stdout.write(values.json ? toJson(status) : toText(status));
    return status.backend === "native" ? EXIT.ok : EXIT.no;
  },
};

/** What a person needs to know about each backend. */
const MEANING: Readonly<Record<NativeStatus["backend"], string>> = {
  native: "The OS answers every question directly, through the addon.",
  procfs:
    "Nothing is broken: without the addon processes are read from /proc, which is slower and knows no " +
    "exact ids; stale locks are reported but not removed, because that takes kernel locks.",
  basic:
    "Nothing is broken: without the addon only whether a pid exists is known here; everything else is " +
    "unknown, and unknown never removes a lock.",
};

function toText({ backend, path, error }: NativeStatus): string {
  const lines = [`backend: ${backend}`];
  if (path !== undefined) lines.push(`path: ${printable(path)}`);
  if (error !== undefined) {
    lines.push(`error: ${printable(oneLine(error.message))}`);
    for (const cause of causesOf(error)) lines.push(`cause: ${printable(oneLine(cause))}`);
  }
  return `${lines.join("\n")}\n${MEANING[backend]}\n`;
}

function toJson({ backend, path, error }: NativeStatus): string {
  return jsonDocument({
    backend,
    path: path ?? null,
    error: error?.message ?? null,
    causes: error === undefined ? [] : causesOf(error),
  });
}

function causesOf(error: Error): string[] {
  const causes = new Set<unknown>();
  for (let { cause } = error; cause !== undefined && !causes.has(cause);) {
    causes.add(cause);
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return Array.from(causes, (cause) => (cause instanceof Error ? cause.message : inspect(cause)));
}
