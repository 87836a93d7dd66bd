/** Which command lines are an owner's: the documentation's words as a second recogniser, without a pattern. */
import fc from "fast-check";
import { expect, test } from "vitest";

import { isOpenClawArgv } from "../../lib/session-lock/openclaw-owner.js";
import { runs } from "./runs.js";

const ENTRY_POINTS = [
  "dist/index.js",
  "dist/entry.js",
  "scripts/run-node.mjs",
  "src/entry.ts",
  "src/index.ts",
];
const WORD = "abcdefghijklmnopqrstuvwxyz0123456789";

function normalised(argument: string): string {
  return argument.trim().split("\\").join("/").toLowerCase();
}

function lastSegment(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** `openclaw-<word>`: letters, digits, and dashes or underscores but at the start. */
function isTitle(name: string): boolean {
  if (!name.startsWith("openclaw-")) return false;
  const word = Array.from(name.slice("openclaw-".length));
  const [first = ""] = word;
  return first !== "" && WORD.includes(first) && word.every((c) => `${WORD}-_`.includes(c));
}

function expected(argv: readonly string[]): boolean {
  const args = argv.map(normalised);
  let program = args[0] ?? "";
  for (const suffix of [".exe", ".cmd", ".bat"]) {
    if (program.endsWith(suffix)) {
      program = program.slice(0, -suffix.length);
      break;
    }
  }
  const name = lastSegment(program);
  if (name === "openclaw" || isTitle(name)) return true;
  if (args.some((arg) => ["openclaw", "openclaw.mjs"].includes(lastSegment(arg)))) return true;
  const runsEntry = args.some((arg) => ENTRY_POINTS.some((entry) => arg.endsWith(entry)));
  return runsEntry && (args.includes("gateway") || args.includes("agent"));
}

/** Command lines made of the very pieces that matter, and of noise. */
const pieces = fc.constantFrom(
  "openclaw",
  "OpenClaw",
  "openclaw-",
  "openclaw.mjs",
  "gateway",
  "agent",
  "Agent",
  ".exe",
  ".CMD",
  ".bat",
  ".exe.exe",
  "-",
  "_",
  "/",
  "\\",
  " ",
  "\t",
  "\u00A0",
  "node",
  "dist",
  "index.js",
  "..",
  "7",
  "\u0130",
  ...ENTRY_POINTS,
);
const args = fc.oneof(
  { weight: 5, arbitrary: fc.array(pieces, { maxLength: 4 }).map((some) => some.join("")) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 8 }) },
);
const commandLines = fc.array(args, { maxLength: 5 });

test("every command line is recognised as the documentation says", () => {
  fc.assert(
    fc.property(commandLines, (argv) => {
      expect(isOpenClawArgv(argv)).toBe(expected(argv));
    }),
    runs(20_000),
  );
});

test("case, slashes and surrounding blanks never matter", () => {
  fc.assert(
    fc.property(commandLines, fc.constantFrom("", " ", "\t", "\n"), (argv, blank) => {
      const dressed = argv.map((arg) => blank + arg.toUpperCase().replaceAll("/", "\\") + blank);
      // Letters whose capitals are other letters (ß, ı) are none that any name here has.
      fc.pre(argv.every((arg) => arg.toUpperCase().toLowerCase() === arg.toLowerCase()));
      expect(isOpenClawArgv(dressed)).toBe(isOpenClawArgv(argv));
    }),
    runs(2000),
  );
});

test("a blank command line is nobody's", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom("", " ", "\t\n", "\u00A0")), (argv) => {
      expect(isOpenClawArgv(argv)).toBe(false);
    }),
  );
});
