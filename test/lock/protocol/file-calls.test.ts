/** The calls on files that locks make most: by the addon or by node:fs, a caller cannot tell which. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { describe, expect, test } from "vitest";

import { loadNative } from "../../../lib/native/load.js";
import { importCompiled } from "../../support/locks/lock-holder.js";
import { runNode } from "../../support/processes/child.js";
import { ROOT } from "../../support/processes/programs.js";
import { requireNative, requirePosix } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

/** What came of one call: what it gave, or everything that its error shows. */
interface Outcome {
  readonly gave?: unknown;
  readonly error?: Readonly<Record<string, unknown>>;
}

interface Report {
  readonly hasAddon: boolean;
  /** Whether calls were made that only root may make. */
  readonly isOrdinary: boolean;
  readonly outcomes: Readonly<Record<string, Outcome>>;
  /** How often node:fs was called for each of them. */
  readonly byNode: Readonly<Record<string, number>>;
}

/** Makes every call in every way that it can go, in the folder that FOLDER names; prints the report. */
const EVERY_CALL = `
import { execFileSync } from "node:child_process";
import nodeFs from "node:fs";
import { isMainThread } from "node:worker_threads";
${importCompiled("realLockFs as fs", "lock/protocol/lock-fs.js")}
const { openSync, closeSync, writeFileSync } = nodeFs;
const folder = process.env.FOLDER;
const at = (name) => folder + "/" + name;

let count = 0;
for (const name of ["openSync", "readSync", "writeFileSync", "closeSync", "unlinkSync"]) {
  const call = nodeFs[name];
  nodeFs[name] = (...args) => { count++; return call(...args); };
}
const outcomes = {};
const byNode = {};
const note = (title, call) => {
  if (title in outcomes) throw new Error("noted already: " + title);
  count = 0;
  try {
    outcomes[title] = { gave: call() ?? null };
  } catch (error) {
    const { constructor, message, stack, ...rest } = error;
    const [firstLine] = stack.split("\\n    at ");
    const keys = Object.keys(error);
    outcomes[title] = { error: { type: constructor.name, message, firstLine, keys, ...rest } };
  }
  byNode[title] = count;
};
// A descriptor's number says nothing, and it is closed at once.
const OPENING = ["openForReading", "createExclusive", "openGuard", "openForWriting"];
const open = (what, path) => {
  for (const name of OPENING) {
    note(name + ", " + what, () => (fs.close(fs[name](path)), "opened"));
  }
};

writeFileSync(at("file"), "text");
writeFileSync(at("forbidden"), "", { mode: 0 });
nodeFs.mkdirSync(at("directory"));
nodeFs.mkdirSync(at("closed"));
writeFileSync(at("closed/file"), "");
nodeFs.chmodSync(at("closed"), 0);
for (const [name, target] of [["link", "file"], ["dangling", "nowhere"], ["circle", "circle"]]) {
  nodeFs.symlinkSync(target, at(name));
}
execFileSync("mkfifo", [at("fifo")]);

const paths = Object.entries({
  "a file": at("file"),
  "a directory": at("directory"),
  "a link": at("link"),
  "a dangling link": at("dangling"),
  "a FIFO": at("fifo"),
  "below a file": at("file/x"),
  "below nothing": at("nothing/x"),
  "below a circle of links": at("circle/x"),
  "a long name": at("x".repeat(256)),
  "a long path": at("").padEnd(4095, "/"),
  "a path too long": at("").padEnd(4096, "/"),
  "a path much too long": at("x".repeat(100_000)),
  "an empty path": "",
  "a lone surrogate": at("\\ud800/x"),
  "quotes and line breaks": at("'\\n\\u001b[1m/x"),
  "a NUL inside": at("fi\\0le"),
  "a NUL at the end": at("file\\0"),
});
for (const [what, path] of paths) open(what, path);
for (const name of OPENING) {
  note(name + ", nothing", () => (fs.close(fs[name](at(name))), "opened"));
}
note("createUnnamed", () => (fs.close(fs.createUnnamed(folder)), "opened"));
note("createUnnamed, in nothing", () => fs.createUnnamed(at("nothing")));
note("createUnnamed, in a file", () => fs.createUnnamed(at("file")));

const buffer = Buffer.alloc(10, ".");
const reader = fs.openForReading(at("file"));
const writer = fs.openForWriting(at("file"));
const directory = fs.openForReading(at("directory"));
note("read, all", () => fs.read(reader, buffer, 0, 10));
note("read, a part", () => fs.read(reader, buffer, 2, 2));
note("read, at the end", () => fs.read(reader, buffer, 4, 6));
note("read, nothing", () => fs.read(reader, buffer, 4, 0));
note("read, where it came to", () => buffer.toString());
note("read, a writer", () => fs.read(writer, buffer, 0, 1));
note("read, a directory", () => fs.read(directory, buffer, 0, 1));
note("write, a reader", () => fs.writeText(reader, "x"));
note("write, a directory", () => fs.writeText(directory, "x"));
note("write, all kinds of characters", () => fs.writeText(writer, "t\\u20ac\\ud83d\\udd12\\ud800\\0"));
note("write, nothing", () => fs.writeText(writer, ""));
note("write, much", () => fs.writeText(writer, "\\u00e9".repeat(40_000)));
outcomes.written = { gave: nodeFs.readFileSync(at("file"), "base64") };
for (const [what, fd] of Object.entries({ reader, writer, directory })) {
  note("close, a " + what, () => fs.close(fd));
}
note("close, again", () => fs.close(directory));
note("close, never open", () => fs.close(2 ** 31 - 1));
note("read, closed", () => fs.read(reader, buffer, 0, 1));
note("write, closed", () => fs.writeText(writer, "x"));
if (nodeFs.existsSync("/dev/full")) {
  const full = fs.openForWriting("/dev/full");
  note("write, no room", () => fs.writeText(full, "x"));
  fs.close(full);
}

const all = [];
try {
  for (;;) all.push(openSync("/dev/null", "r"));
} catch {}
open("no descriptor left", at("file"));
for (const fd of all) closeSync(fd);

// Root may do anything. A thread cannot give that up.
const euid = process.geteuid();
function becomesOrdinary() {
  if (euid !== 0) return true;
  if (!isMainThread) return false;
  try {
    process.seteuid(65534);
    return true;
  } catch {
    // In a user namespace that has no such user.
    return false;
  }
}
const isOrdinary = becomesOrdinary();
if (isOrdinary) {
  for (const name of ["closed/file", "forbidden"]) {
    open(name, at(name));
    note("unlink, " + name, () => fs.unlink(at(name)));
  }
  if (euid === 0) process.seteuid(0);
}
nodeFs.chmodSync(at("closed"), 0o700);

for (const [what, path] of paths) note("unlink, " + what, () => fs.unlink(path));
note("unlink, again", () => fs.unlink(at("file")));
console.log(JSON.stringify({ hasAddon: fs.canLock(), isOrdinary, outcomes, byNode }));
`;

async function reportOf(env: object, thread: "main" | "worker"): Promise<Report> {
  // Of one length, which decides what is a long path.
  const folder = join(temporaryFolder(), "calls");
  mkdirSync(folder);
  let script = EVERY_CALL;
  if (thread === "worker") {
    const file = join(folder, "../every-call.mjs");
    writeFileSync(file, EVERY_CALL);
    script = `import { Worker } from "node:worker_threads";
      new Worker(new URL(${JSON.stringify(pathToFileURL(file).href)}), { execArgv: [] });`;
  }
  const report = (await runNode(script, {
    // It uses all descriptors up.
    prefix: ["sh", "-c", 'ulimit -n 200 && exec "$@"', "sh"],
    env: { ...process.env, ...env, FOLDER: folder },
  })) as Report;
  return JSON.parse(JSON.stringify(report).replaceAll(folder, "FOLDER")) as Report;
}

describe.each(["main", "worker"] as const)("in a %s thread", (thread) => {
  test("every call gives and throws the same with the addon and by node:fs", async (context) => {
    requireNative(context);
    requirePosix(context, "on Windows node:fs makes every call");
    const [withAddon, without] = await Promise.all([
      reportOf({}, thread),
      reportOf({ PIDENTITY_NO_NATIVE: "1" }, thread),
    ]);
    expect([withAddon.hasAddon, without.hasAddon]).toEqual([true, false]);
    expect(withAddon.outcomes).toEqual(without.outcomes);

    const codes = Object.values(without.outcomes).map(({ error }) => error?.["code"]);
    expect(codes).toEqual(
      expect.arrayContaining([
        "EBADF",
        "EEXIST",
        "EISDIR",
        "ELOOP",
        "EMFILE",
        "ENAMETOOLONG",
        "ENOENT",
        "ENOTDIR",
        "ENXIO",
        ...(without.isOrdinary ? ["EACCES"] : []),
        ...(existsSync("/dev/full") ? ["ENOSPC"] : []),
        "ERR_INVALID_ARG_VALUE",
        undefined,
      ]),
    );

    // And it was the addon: all but what no system call takes, and what a worker closes that is not its own.
    const byNode = Object.keys(withAddon.byNode).filter((title) => withAddon.byNode[title] !== 0);
    const refused = /, a (?:path (?:much )?too long|NUL (?:inside|at the end))$/u;
    expect(byNode.filter((title) => refused.test(title))).toHaveLength(20);
    expect(byNode.filter((title) => !refused.test(title))).toEqual(
      thread === "worker" ? ["close, again", "close, never open"] : [],
    );
    expect(without.byNode["write, much"]).toBe(1);
  });
});

describe("under Node's permission model", () => {
  const flag = ["--permission", "--experimental-permission"].find((name) =>
    process.allowedNodeEnvironmentFlags.has(name),
  );

  test.for(["main", "worker"] as const)(
    "the addon does not get around it in a %s thread",
    async (thread, context) => {
      requireNative(context);
      const folder = temporaryFolder();
      const [allowed, forbidden] = [join(folder, "allowed"), join(folder, "forbidden")];
      for (const name of [allowed, forbidden]) {
        mkdirSync(name);
        writeFileSync(join(name, "file"), "text");
      }
      const file = join(allowed, "calls.mjs");
      writeFileSync(
        file,
        `${importCompiled("realLockFs as fs", "lock/protocol/lock-fs.js")}
        const codeOf = (call) => { try { call(); return null; } catch (error) { return error.code; } };
        const report = { permission: typeof process.permission, hasAddon: fs.canLock() };
        for (const folder of ${JSON.stringify([allowed, forbidden])}) {
          const opening = (name, file) => codeOf(() => fs.close(fs[name](folder + "/" + file)));
          report[folder] = [
            opening("openForReading", "file"),
            opening("openForWriting", "file"),
            opening("openGuard", "guard"),
            opening("createExclusive", "new"),
            codeOf(() => fs.unlink(folder + "/file")),
          ];
        }
        console.log(JSON.stringify(report));`,
      );
      const url = JSON.stringify(pathToFileURL(file).href);
      const run =
        thread === "main"
          ? `await import(${url});`
          : `import { Worker } from "node:worker_threads";
            new Worker(new URL(${url}), { execArgv: [] });`;
      const readable = [ROOT, allowed].map((name) => `--allow-fs-read=${name}`);
      const rights = ["--allow-addons", "--allow-worker", `--allow-fs-write=${allowed}`];
      const report = await runNode(run, {
        // Looking for it takes more rights (/etc/alpine-release).
        env: {
          ...process.env,
          PIDENTITY_NATIVE_PATH: loadNative().path,
          // Quoted: the folder's name may have a space.
          NODE_OPTIONS: [flag, ...rights, ...readable]
            .map((option) => JSON.stringify(option))
            .join(" "),
        },
      });
      expect(report).toEqual({
        permission: "object",
        hasAddon: true,
        [allowed]: [null, null, null, null, null],
        [forbidden]: Array.from({ length: 5 }, () => "ERR_ACCESS_DENIED"),
      });
      expect(readFileSync(join(forbidden, "file"), "utf8")).toBe("text");
      expect(["guard", "new"].filter((name) => existsSync(join(forbidden, name)))).toEqual([]);
    },
  );
});
