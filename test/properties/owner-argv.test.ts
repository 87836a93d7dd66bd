/** Which command lines are an owner's: the documentation's rules as a second recogniser, without a pattern. */
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
const ALPHANUMERIC = "abcdefghijklmnopqrstuvwxyz0123456789";

function normalised(argument: string): string {
  return argument.trim().split("\\").join("/").toLowerCase();
}

function lastSegment(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** How much of the beginning is a NAME: its length, for each that fits. */
function namesAtStart(text: string): number[] {
  const lengths = ["clawdbot", "moltbot"].filter((name) => text.startsWith(name)).map(lengthOf);
  if (!text.startsWith("openclaw")) return lengths;
  let end = "openclaw".length;
  while (end < text.length && `${ALPHANUMERIC}_`.includes(text[end] ?? "")) end++;
  // Any beginning of `openclaw<word>` is one, too.
  for (let length = "openclaw".length; length <= end; length++) lengths.push(length);
  return lengths;
}

const lengthOf = (text: string): number => text.length;

function isName(text: string): boolean {
  return namesAtStart(text).includes(text.length);
}

/** `NAME`, `NAME-<word>`, either with a space and anything behind it. */
function isTitle(text: string): boolean {
  return namesAtStart(text).some((length) => {
    let rest = text.slice(length);
    if (rest.startsWith("-")) {
      let end = 1;
      while (
        end < rest.length &&
        `${ALPHANUMERIC}${end === 1 ? "" : "-_"}`.includes(rest[end] ?? "")
      )
        end++;
      if (end > 1) rest = rest.slice(end);
    }
    return rest === "" || rest.startsWith(" ");
  });
}

function withoutSuffix(program: string): string {
  const suffix = [".exe", ".cmd", ".bat"].find((end) => program.endsWith(end)) ?? "";
  return program.slice(0, program.length - suffix.length);
}

function isScript(arg: string): boolean {
  const base = lastSegment(arg);
  const endings = ["", ".mjs", ".js", ".bundle.mjs"].filter((end) => base.endsWith(end));
  return endings.some((end) => isName(base.slice(0, base.length - end.length)));
}

function expected(argv: readonly string[]): boolean {
  const args = argv.map(normalised);
  const program = withoutSuffix(args[0] ?? "");
  const [firstWord = ""] = program.split(" ");
  const titles = [program, lastSegment(program), lastSegment(withoutSuffix(firstWord))];
  if (titles.some(isTitle) || args.some(isScript)) return true;
  const entry = args.findIndex((arg) => ENTRY_POINTS.some((point) => arg.endsWith(point)));
  if (entry === -1) return false;
  const isCommand = (arg: string): boolean => ["gateway", "agent", "doctor", "tui"].includes(arg);
  return args.some(isCommand) || args.slice(entry + 1).includes("node");
}

/** Command lines made of the very parts that matter, and of noise. */
const parts = fc.constantFrom(
  "openclaw",
  "OpenClaw",
  "openclaw-",
  "openclaw.mjs",
  "clawdbot",
  "moltbot",
  "cn",
  ".js",
  ".bundle.mjs",
  "doctor",
  "tui",
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
  { weight: 5, arbitrary: fc.array(parts, { maxLength: 4 }).map((some) => some.join("")) },
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

test("upper case, slashes and surrounding blanks never matter in a command line", () => {
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

test("a blank command line is no owner's", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom("", " ", "\t\n", "\u00A0")), (argv) => {
      expect(isOpenClawArgv(argv)).toBe(false);
    }),
  );
});
