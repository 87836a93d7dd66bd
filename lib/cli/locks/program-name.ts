/** What people call a running program, from its argument vector. Pure. */

/** Programs whose name says nothing without that of the script they run. */
const INTERPRETERS =
  /^(?:node|nodejs|bun|deno|python[\d.]*|ruby|perl|php|java|tsx|ts-node|sh|bash|dash|zsh|ksh|powershell|pwsh)$/u;

/** No file's name is longer on common file systems; a title may be megabytes long, and is shown with every lock. */
const LONGEST_NAME = 255;

/**
 * `nginx`, `node gateway.mjs`, `python3 -c`; a title that the program gave itself, as it is. At most 255 characters,
 * with an ellipsis for the rest.
 *
 * @param args - `[]` for a process without any (kernel threads), null when not readable.
 * @returns null when nothing names it
 */
export function programName(args: readonly string[] | null): string | null {
  const name = wholeName(args);
  if (name === null || name.length <= LONGEST_NAME) return name;
  const characters = Array.from(name.slice(0, LONGEST_NAME - 1));
  // The cut may have left half of a character.
  if (/^\p{Cs}$/u.test(characters.at(-1) ?? "")) characters.pop();
  return `${characters.join("")}…`;
}

function wholeName(args: readonly string[] | null): string | null {
  const [command = "", ...rest] = args ?? [];
  // Titles are padded up to the room that the arguments had.
  const isAlone = rest.every((argument) => argument.trim() === "");
  const isTitle = isAlone && /\s/u.test(command.trim()) && !ABSOLUTE_PATH.test(command);
  const name = isTitle ? command.trim() : baseName(command.trim()).replace(/\.exe$/iu, "");
  if (name === "") return null;
  if (!INTERPRETERS.test(name.toLowerCase())) return name;
  const script = scriptOf(rest);
  return script === null ? name : `${name} ${script}`;
}

/** The script's file name, or the option that takes the place of one. */
function scriptOf(args: readonly string[]): string | null {
  let isValue = false;
  for (const argument of args) {
    if (isValue) {
      isValue = false;
    } else if (INLINE_SCRIPT.test(argument)) {
      return argument.replace(/=.*$/su, "");
    } else if (argument.startsWith("-")) {
      isValue = TAKES_VALUE.has(argument);
    } else if (argument !== "") {
      return baseName(argument);
    }
  }
  return null;
}

const ABSOLUTE_PATH = /^(?:\/|[A-Za-z]:[/\\])/u;
const INLINE_SCRIPT = /^(?:-e|-c|-p|-pe|--eval|--print|-Command)(?:=|$)/u;
/** Options of Node, Bun and Deno that come before the script and take the next argument as their value. */
const TAKES_VALUE: ReadonlySet<string> = new Set([
  "-r",
  "-C",
  "--require",
  "--import",
  "--loader",
  "--experimental-loader",
  "--conditions",
  "--preload",
]);

/** Without a pattern: a process may call itself a hundred thousand slashes, which `/+$` looks through for each. */
function baseName(path: string): string {
  let end = path.length;
  while (end > 0 && isSeparator(path[end - 1])) end--;
  let start = end;
  while (start > 0 && !isSeparator(path[start - 1])) start--;
  return path.slice(start, end);
}

function isSeparator(character: string | undefined): boolean {
  return character === "/" || character === "\\";
}
