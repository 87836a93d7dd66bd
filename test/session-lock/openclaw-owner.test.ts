import { describe, expect, test } from "vitest";

import { isOpenClawArgv, ownerRecogniser } from "../../lib/session-lock/openclaw-owner.js";
import { inspectSessionLock } from "../../lib/session-lock/inspect.js";
import { startReady } from "../support/processes/child.js";
import { writePlainLock } from "../support/locks/lock-holder.js";
import { requireNative, requirePosix } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

describe("recognised", () => {
  test.each<[string, string[]]>([
    ["the program by name", ["openclaw"]],
    ["installed globally", ["/usr/local/bin/openclaw", "gateway"]],
    ["in capitals, as Windows writes it", ["C:\\Program Files\\OpenClaw\\OPENCLAW.EXE"]],
    ["a .cmd launcher", ["C:\\Users\\a\\AppData\\Roaming\\npm\\openclaw.cmd", "agent"]],
    ["a .bat launcher", ["openclaw.bat"]],
    ["with white space around", ["  openclaw \n"]],
    ["a process title", ["openclaw-gateway"]],
    ["a process title with two suffixes", ["openclaw-node-host"]],
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
    ["the former name clawdbot", ["/usr/local/bin/clawdbot", "gateway"]],
    ["the former name moltbot under node", ["node", "/usr/lib/node_modules/.bin/moltbot"]],
    ["a former name's title", ["clawdbot-gateway"]],
    ["a former name's module", ["node", "/app/moltbot.mjs"]],
    ["a fork by its title", ["openclawcn"]],
    ["a fork's title with a suffix", ["openclawcn-gateway"]],
    ["a fork as a Windows launcher", ["C:\\npm\\OpenClawCN.cmd"]],
    ["a longer name", ["/usr/bin/openclawd"]],
    ["a title with a space", ["openclaw gateway"]],
    ["a title with a space, behind a path", ["/usr/bin/openclaw gateway --port 18789"]],
    ["a title with a space and a path in it", ["openclaw agent --dir /srv/sessions"]],
    ["both", ["/usr/bin/openclaw agent --dir /srv/sessions"]],
    ["a Windows command line that was not split", ["C:\\npm\\openclaw.exe gateway --dir C:\\s"]],
    ["a title with a suffix and a space", ["clawdbot-gateway (port 18789)"]],
    ["the bundle", ["node", "/home/sandbox/openclaw.bundle.mjs", "gateway"]],
    ["the bundle by itself", ["/usr/bin/node", "openclaw.bundle.mjs"]],
    ["the script as .js", ["node", "/app/openclaw.js"]],
    ["the entry point that repairs", ["node", "/app/dist/entry.js", "doctor"]],
    ["the entry point with a terminal", ["node", "/app/dist/entry.js", "--profile", "x", "tui"]],
    ["the entry point as a node host", ["node", "/app/dist/index.js", "node", "run"]],
    ["the entry point as a daemon", ["bun", "src/index.ts", "daemon"]],
  ])("a command line of the program is recognised: %s", (_name, argv) => {
    expect(isOpenClawArgv(argv)).toBe(true);
  });
});

describe("not recognised", () => {
  test.each<[string, string[]]>([
    ["nothing", []],
    ["blank", ["", "  "]],
    ["another program", ["sleep", "100"]],
    ["a name that ends alike", ["notopenclaw"]],
    ["a title without its suffix", ["openclaw-"]],
    ["a title that is no first argument", ["vim", "openclaw-gateway"]],
    ["a folder of that name", ["ls", "/opt/openclaw/"]],
    ["the entry point without a command", ["node", "/srv/app/dist/index.js"]],
    ["the same under a container's first process", ["tini", "--", "node", "dist/index.js"]],
    ["a name with a suffix that is none", ["openclaw.data"]],
    ["a longer former name", ["moltbots"]],
    ["a folder of a fork's name", ["/opt/openclawcn/bin/nginx"]],
    ["a bundle of another name", ["node", "clawdbot2.bundle.mjs"]],
    ["the entry point with another command", ["node", "dist/index.js", "serve"]],
    ["the command without an entry point", ["python", "gateway"]],
    ["the command within an argument", ["node", "dist/index.js", "--mode=gateway"]],
    ["a .exe that is no first argument", ["wine", "openclaw.exe"]],
    ["a source map beside the entry point", ["cat", "dist/index.js.map", "agent"]],
  ])("a command line of another program is not recognised: %s", (_name, argv) => {
    expect(isOpenClawArgv(argv)).toBe(false);
  });
});

describe("a further name", () => {
  const recognise = ownerRecogniser(["My-Gateway", "c++"]);

  test.each<[string, string[]]>([
    ["is one itself", ["/usr/bin/my-gateway"]],
    ["has titles", ["my-gateway-agent", "--x"]],
    ["has titles with a space", ["MY-GATEWAY serving"]],
    ["has scripts", ["node", "/srv/my-gateway.mjs"]],
    ["has bundles", ["node", "/srv/my-gateway.bundle.mjs"]],
    ["is taken letter by letter", ["/opt/c++"]],
    ["takes nothing from the others", ["openclaw"]],
  ])("a further name %s", (_what, argv) => {
    expect(recognise(argv)).toBe(true);
  });

  test.each<[string, string[]]>([
    ["no other program", ["nginx"]],
    ["no longer one", ["my-gateways"]],
    ["no pattern", ["ccc"]],
  ])("a further name is %s", (_what, argv) => {
    expect(recognise(argv)).toBe(false);
  });
});

test.for(["openclawcn", "clawdbot", "openclaw gateway --port 1", "moltbot-gateway"])(
  "a running %j keeps its plain lock without start time",
  async (title, context) => {
    requirePosix(context, "a program that is started under another name");
    requireNative(context);
    const owner = await startReady(
      process.execPath,
      ["-e", "console.log(1); process.stdin.resume()"],
      { argv0: title },
    );
    const lockPath = writePlainLock(temporaryFolder(), "s", { pid: owner.pid });
    expect(await inspectSessionLock(lockPath)).toMatchObject({
      pid: owner.pid,
      stale: false,
      removable: false,
    });
  },
);

describe("arguments as long as a process likes", () => {
  const LENGTH = 500_000;

  test.each([
    ["separators", "/"],
    ["other separators", "\\"],
    ["blanks", " "],
    ["suffixes", ".exe"],
    ["beginnings of a title", "/openclaw-"],
    ["titles without an end", "openclaw-a-"],
    ["names in a row", "openclaw"],
    ["spaces behind names", "openclaw "],
  ])("long arguments are looked through once: %s", (_what, part) => {
    const text = `${part.repeat(LENGTH / part.length)}!`;
    const recognise = ownerRecogniser(["my-gateway"]);
    expect(typeof recognise([text, text, "node"])).toBe("boolean");
    expect(typeof isOpenClawArgv(["node", text])).toBe("boolean");
  });

  test("very many arguments are looked through once", () => {
    const many = Array.from({ length: 500_000 }, () => "-");
    expect(isOpenClawArgv(["node", ...many])).toBe(false);
    expect(isOpenClawArgv(["node", ...many, "openclaw.mjs"])).toBe(true);
  });
});
