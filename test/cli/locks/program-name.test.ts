import { describe, expect, test } from "vitest";

import { programName } from "../../../lib/cli/locks/program-name.js";

describe("the name of a program with the arguments", () => {
  test.each([
    [["/usr/sbin/nginx"], "nginx"],
    [["node", "/opt/gateway/dist/index.js", "gateway"], "node index.js"],
    [["/usr/bin/node", "--enable-source-maps", "/srv/run.mjs"], "node run.mjs"],
    [["node", "--import", "tsx", "-r", "./a.cjs", "b.ts"], "node b.ts"],
    [["node", "-e", "process.stdin.resume()"], "node -e"],
    [["node", "--eval=1"], "node --eval"],
    [["python3", "-m", "http.server"], "python3 http.server"],
    [["node"], "node"],
    [[String.raw`C:\Program Files\nodejs\node.exe`, String.raw`D:\gw\main.mjs`], "node main.mjs"],
    [[String.raw`C:\Program Files\App\App.EXE`], "App"],
    [["/opt/My App/app"], "app"],
    // Titles that programs give themselves, padded up to the room that they had.
    [["openclaw-gateway", "", ""], "openclaw-gateway"],
    [["nginx: worker process"], "nginx: worker process"],
    [["sshd: root@pts/0", "", ""], "sshd: root@pts/0"],
    [["vim", "a b.txt"], "vim"],
    [["-bash"], "-bash"],
    [[""], null],
    [[], null],
    [null, null],
  ])("%j is %j", (args, name) => {
    expect(programName(args)).toBe(name);
  });
});

describe("a program name", () => {
  test.each([
    ["of 255 characters is told whole", "x".repeat(255), "x".repeat(255)],
    ["longer than a file's can be is cut", "x".repeat(256), `${"x".repeat(254)}…`],
    ["is never cut within a character", `${"x".repeat(253)}🙂🙂`, `${"x".repeat(253)}…`],
    ["without a path is none of its separators", "/usr/bin///", "bin"],
    ["of separators only is none", "////", null],
  ])("%s", (_what, argument, name) => {
    expect(programName([argument])).toBe(name);
  });
});
