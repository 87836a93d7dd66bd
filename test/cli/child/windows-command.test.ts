import { describe, expect, test } from "vitest";

import { windowsCommand } from "../../../lib/cli/child/windows-command.js";

const ENV = {
  ComSpec: "C:\\Windows\\system32\\cmd.exe",
  PATH: 'C:\\first;"C:\\Program Files\\nodejs";C:\\last',
  PATHEXT: ".COM;.EXE;.BAT;.CMD;.VBS;.JS",
};

/** What would be started where exactly these files exist. */
function commandWith(
  files: readonly string[],
  [file = "", ...args]: readonly string[],
  env: Readonly<Record<string, string | undefined>> = ENV,
): { readonly file: string; readonly line: string } {
  const isFile = (path: string): boolean => files.includes(path);
  const command = windowsCommand(file, args, { env, isFile });
  const { windowsVerbatimArguments: isLine } = command;
  return { file: command.file, line: isLine ? (command.args.at(-1) ?? "") : "" };
}

describe("which file a command is", () => {
  const CMD = ENV.ComSpec;
  const NPX = "C:\\Program Files\\nodejs\\npx.cmd";

  test.each([
    ["npx", [NPX], CMD, `""${NPX}""`],
    ["npx.cmd", [NPX], CMD, `""${NPX}""`],
    // The script for POSIX shells beside it is none.
    ["npx", ["C:\\first\\npx", NPX], CMD, `""${NPX}""`],
    ["npx", ["C:\\first\\npx.exe", NPX], "npx", ""],
    ["npx", [NPX, "C:\\last\\npx.exe"], CMD, `""${NPX}""`],
    ["npx", ["C:\\Program Files\\nodejs\\npx.exe", NPX], "npx", ""],
    ["npx", [".\\npx.bat", NPX], CMD, '"".\\npx.bat""'],
    ["bin\\build", ["bin\\build.cmd"], CMD, '""bin\\build.cmd""'],
    ["./build.CMD", ["./build.CMD"], CMD, '""./build.CMD""'],
    ["a.b", ["C:\\last\\a.b.cmd"], CMD, '""C:\\last\\a.b.cmd""'],
    ["script", ["C:\\first\\script.js"], "script", ""],
    ["nothing", [], "nothing", ""],
    ["", [], "", ""],
  ])("%j with %j", (name, files, file, line) => {
    expect(commandWith(files, [name])).toEqual({ file, line });
  });

  test("not that of the current directory, where the environment says so", () => {
    const env = { ...ENV, NoDefaultCurrentDirectoryInExePath: "1" };
    expect(commandWith([".\\npx.cmd"], ["npx"], env)).toEqual({ file: "npx", line: "" });
  });

  test("without PATHEXT and ComSpec Windows' own are taken", () => {
    const env = { PATH: "C:\\first" };
    const command = commandWith(["C:\\first\\npx.cmd"], ["npx"], env);
    expect(command).toEqual({ file: "cmd.exe", line: '""C:\\first\\npx.cmd""' });
  });
});

test.each([
  ["plain-1.2:3\\4", "plain-1.2:3\\4"],
  ["", '""'],
  ["a b", '"a b"'],
  ['say "hi"', '"say ""hi"""'],
  ['a\\"b', '"a\\\\""b"'],
  ["C:\\a b\\", '"C:\\a b\\\\"'],
  ["C:\\", '"C:\\\\"'],
  ["x&calc|more>f^", '"x&calc|more>f^"'],
  ["%PATH%", '"%%cd:~,%PATH%%cd:~,%"'],
  ["ü", '"ü"'],
  ["a,b;c=d", '"a,b;c=d"'],
])("%j reaches a batch file's program whole", (arg, word) => {
  expect(commandWith([".\\b.cmd"], ["b", arg]).line).toBe(`"".\\b.cmd" ${word}"`);
});

test("an argument that would end the line is refused", () => {
  expect(() => commandWith([".\\b.cmd"], ["b", "a\nb"])).toThrow("with a line break");
});
