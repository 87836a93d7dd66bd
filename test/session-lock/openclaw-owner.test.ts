import { describe, expect, test } from "vitest";

import { isOpenClawArgv } from "../../lib/session-lock/openclaw-owner.js";

describe("recognised", () => {
  test.each<[string, string[]]>([
    ["the program by name", ["openclaw"]],
    ["installed globally", ["/usr/local/bin/openclaw", "gateway"]],
    ["in capitals, as Windows writes it", ["C:\\Program Files\\OpenClaw\\OPENCLAW.EXE"]],
    ["a .cmd launcher", ["C:\\Users\\a\\AppData\\Roaming\\npm\\openclaw.cmd", "agent"]],
    ["a .bat launcher", ["openclaw.bat"]],
    ["with white space around", ["  openclaw \n"]],
    ["a process title", ["openclaw-gateway"]],
    ["a process title of two words", ["openclaw-node-host"]],
    ["a process title behind a path", ["/opt/openclaw-agent"]],
    ["an executable named like a title", ["D:\\bin\\openclaw-gateway.exe"]],
    ["the script under node", ["node", "/usr/lib/node_modules/.bin/openclaw"]],
    ["the module under node", ["/usr/bin/node", "/app/openclaw.mjs", "gateway"]],
    ["the bare module", ["node", "openclaw.mjs"]],
    ["a Windows path to the module", ["node.exe", "C:\\app\\openclaw.mjs"]],
    ["the built entry point", ["node", "/srv/app/dist/index.js", "gateway"]],
    ["the entry module", ["node", "dist/entry.js", "agent", "--local"]],
    ["the development runner", ["node", "scripts/run-node.mjs", "gateway"]],
    ["TypeScript sources", ["bun", "src/entry.ts", "agent"]],
    ["TypeScript index, command first", ["tsx", "gateway", "src/index.ts"]],
    ["Windows path to the built entry", ["node", "C:\\app\\dist\\index.js", "GATEWAY"]],
  ])("%s", (_name, argv) => {
    expect(isOpenClawArgv(argv)).toBe(true);
  });
});

describe("not recognised", () => {
  test.each<[string, string[]]>([
    ["nothing", []],
    ["blank", ["", "  "]],
    ["another program", ["sleep", "100"]],
    ["a longer name", ["/usr/bin/openclawd"]],
    ["a name that ends alike", ["notopenclaw"]],
    ["a title without its word", ["openclaw-"]],
    ["a title that is no first argument", ["vim", "openclaw-gateway"]],
    ["a folder of that name", ["ls", "/opt/openclaw/"]],
    ["the entry point without a command", ["node", "/srv/app/dist/index.js"]],
    ["the entry point with another command", ["node", "dist/index.js", "serve"]],
    ["the command without an entry point", ["python", "gateway"]],
    ["the command within an argument", ["node", "dist/index.js", "--mode=gateway"]],
    ["a .exe that is no first argument", ["wine", "openclaw.exe"]],
    ["a source map beside the entry point", ["cat", "dist/index.js.map", "agent"]],
  ])("%s", (_name, argv) => {
    expect(isOpenClawArgv(argv)).toBe(false);
  });
});
