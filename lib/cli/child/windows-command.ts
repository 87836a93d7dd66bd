/**
 * Windows starts programs (`.exe`, `.com`) by itself and nothing else: what npm installs as a command is a batch file, which
 * cmd.exe has to run. Pure, but for the look whether a file is there.
 */
import { win32 } from "node:path";

/** What `spawn` is to be given. */
export interface SpawnedCommand {
  readonly file: string;
  readonly args: readonly string[];
  /** The arguments are written as cmd.exe reads them, and must not be quoted again. */
  readonly windowsVerbatimArguments: boolean;
}

export interface CommandPlace {
  /** Of Windows: names are given in the case that is used here. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly isFile: (path: string) => boolean;
}

/** Those of PATHEXT that can be run without the program that Windows keeps for them. */
const RUNNABLE: ReadonlySet<string> = new Set([".com", ".exe", ".bat", ".cmd"]);

/**
 * The command as cmd.exe would find it. One that is not found, or that is a program, stays as it is.
 *
 * @throws Error where an argument cannot be given to a batch file
 */
export function windowsCommand(
  file: string,
  args: readonly string[],
  place: CommandPlace,
): SpawnedCommand {
  const found = findCommand(file, place);
  if (found === null || !/\.(?:bat|cmd)$/iu.test(found)) {
    return { file, args, windowsVerbatimArguments: false };
  }
  const words = [quoted(found, true), ...args.map((arg) => quoted(arg, false))];
  // /d: no AutoRun of the registry; /v:OFF: "!" means nothing; /s: only the outermost quotes are taken off.
  const line = ["/d", "/e:ON", "/v:OFF", "/s", "/c", `"${words.join(" ")}"`];
  return { file: place.env["ComSpec"] ?? "cmd.exe", args: line, windowsVerbatimArguments: true };
}

/** In the current directory, then in those of PATH: in each of them with every extension of PATHEXT, in its order. */
function findCommand(file: string, { env, isFile }: CommandPlace): string | null {
  if (file === "") return null;
  const extensions = (env["PATHEXT"] ?? ".COM;.EXE;.BAT;.CMD")
    .toLowerCase()
    .split(";")
    .filter((extension) => RUNNABLE.has(extension));
  const isWhole = RUNNABLE.has(win32.extname(file).toLowerCase());
  const names = [...(isWhole ? [file] : []), ...extensions.map((extension) => file + extension)];
  for (const folder of foldersFor(file, env)) {
    // The name first: else the order of PATH would count for less than that of PATHEXT.
    const path = names.map((name) => join(folder, name)).find(isFile);
    if (path !== undefined) return path;
  }
  return null;
}

function foldersFor(file: string, env: CommandPlace["env"]): readonly string[] {
  // `C:name` is relative to that drive's directory.
  if (/[\\/:]/u.test(file)) return [""];
  const folders = (env["PATH"] ?? "")
    .split(";")
    .map((folder) => folder.replaceAll('"', ""))
    .filter((folder) => folder !== "");
  return env["NoDefaultCurrentDirectoryInExePath"] === undefined ? [".", ...folders] : folders;
}

function join(folder: string, name: string): string {
  // Not `.\name` shortened to `name`: cmd.exe would look for that in PATH, too.
  if (folder === "") return name;
  return folder === "." ? `.\\${name}` : win32.join(folder, name);
}

/**
 * One word of cmd.exe's line, which the batch file hands on to a program: quotes are doubled, so that both take them for
 * text, and cmd.exe finds `&`, `|`, `^` and the like inside of quotes only. There it still replaces `%NAME%`; an empty piece
 * of a variable behind each `%` keeps it from finding a name (as Rust's standard library does it, CVE-2024-24576).
 */
function quoted(word: string, always: boolean): string {
  if (/[\0\r\n]/u.test(word)) {
    throw new Error("a batch file cannot be given an argument with a line break");
  }
  const isPlain = /^[\w#$*+\-./:?@\\]+$/u.test(word) && !word.endsWith("\\");
  if (isPlain && !always) return word;
  const text = word
    // Backslashes before a quote, or at the end, where the closing one follows.
    .replaceAll(/(\\*)("|$)/gu, (_, slashes: string, quote: string) => {
      return slashes + slashes + (quote === "" ? "" : '""');
    })
    .replaceAll("%", "%%cd:~,%");
  return `"${text}"`;
}
