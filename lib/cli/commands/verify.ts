/** `pidentity verify`: do the processes that some tokens name still run? */
import { verifyProcess } from "../../process/identity.js";
import type { ProcessVerdict } from "../../process/judge-token.js";
import { printable } from "../../util/printable.js";
import { parseArguments, requireSome } from "../arguments.js";
import { type Command, EXIT, type ExitCode } from "../command.js";
import { jsonDocumentParts } from "../json-document.js";
import { writeInChunks } from "../terminal/io.js";
import { type Cell, type Column, tableLines } from "../terminal/table.js";

type VerifiedToken = ProcessVerdict & { readonly token: string };

export const verify: Command = {
  name: "verify",
  usage: "<token…> [--json]",
  summary: "is the process that a token names still running?",
  help: `Tells for each token of pidentity identify whether that very process still
runs: "same" (it runs), "gone" (proven), or "unknown" (not proven either way),
each with its reason.

Options:
  --json   one JSON document instead of the table: {"schemaVersion", "tokens"}

Exit code: 0 when all are the same, 1 when at least one is gone, 3 when none is
gone but at least one is unknown (what is not a token is unknown, malformed),
2 on wrong usage. So 1 is always proof.

Examples:
  pidentity verify "$(cat server.pidentity)" || echo "not known to run"
  pidentity verify --json "$(cat server.pidentity)" | jq '.tokens[0].state'
`,
  run: (args, io) => {
    const { values, positionals } = parseArguments(args, { json: { type: "boolean" } });
    requireSome("token", positionals);
    const tokens = positionals.map((token): VerifiedToken => ({ token, ...verifyProcess(token) }));
    writeInChunks(
      io.stdout,
      values.json
        ? jsonDocumentParts({}, "tokens", tokens)
        : tableLines(COLUMNS, tokens.map(toRow), io.stdout),
    );
    return exitCodeOf(tokens);
  },
};

const COLUMNS: readonly Column[] = [
  { title: "STATE" },
  { title: "REASON" },
  { title: "TOKEN", shrinkTo: 8 },
];
const COLORS = { same: "green", gone: "red", unknown: "yellow" } as const;

function toRow({ token, state, reason }: VerifiedToken): Cell[] {
  return [{ text: state, color: COLORS[state] }, { text: reason }, { text: printable(token) }];
}

function exitCodeOf(tokens: readonly VerifiedToken[]): ExitCode {
  if (tokens.some(({ state }) => state === "gone")) return EXIT.no;
  return tokens.every(({ state }) => state === "same") ? EXIT.ok : EXIT.unknown;
}
