/** Which backend answers, when it is loaded, and what is said when it cannot be. */
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, relative, sep } from "node:path";

import { describe, expect, test } from "vitest";

import { nativeStatus } from "../../../lib/index.js";
import { environmentFor } from "../../support/processes/backends.js";
import { runNode } from "../../support/processes/child.js";
import { ROOT } from "../../support/processes/programs.js";
import { requireLinux, requireNative } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const STATUS = `
  const { backend, path, error } = p.nativeStatus();
  const answers = p.verifyProcess(p.identifyProcess()).state;
  console.log(JSON.stringify({ backend, path, answers, error: error?.message, cause: error?.cause?.message }));
`;

interface Status {
  readonly backend: string;
  readonly path?: string;
  readonly answers: string;
  readonly error?: string;
  readonly cause?: string;
}

async function statusOf(packageRoot: string, env: NodeJS.ProcessEnv = {}): Promise<Status> {
  const entry = join(packageRoot, "dist/index.js");
  return (await runNode(STATUS, { entry, env: { ...environmentFor("native"), ...env } })) as Status;
}

/** Who answers without the addon. */
const FALLBACK =
  process.platform === "linux"
    ? { backend: "procfs", answers: "same" }
    : { backend: "basic", answers: "unknown" };

/** The package as it would be installed, without any addon. */
function packageCopy(): string {
  const root = join(temporaryFolder(), "pidentity");
  mkdirSync(join(root, "node_modules"), { recursive: true });
  cpSync(join(ROOT, "dist"), join(root, "dist"), { recursive: true });
  cpSync(join(ROOT, "package.json"), join(root, "package.json"));
  const loader = "node_modules/node-gyp-build";
  cpSync(join(ROOT, loader), join(root, loader), { recursive: true });
  return root;
}

/** What is published for this platform, as far as its C library is glibc. */
const OWN_FILE = process.platform === "linux" ? "pidentity.glibc.node" : "pidentity.node";

function prebuild(root: string, file: string, content: Buffer | string): string {
  const folder = join(root, "prebuilds", `${process.platform}-${process.arch}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, file), content);
  return join(folder, file);
}

test("with the addon the backend is native, and the status names its file", (context) => {
  requireNative(context);
  const status = nativeStatus();
  expect(status.backend).toBe("native");
  expect(status.path).toMatch(/\.node$/u);
  expect(status.error).toBeUndefined();
  expect(nativeStatus()).toBe(status);
});

test("the environment switches the addon off", async () => {
  const status = await statusOf(ROOT, { PIDENTITY_NO_NATIVE: "1" });
  expect(status).toEqual({
    ...FALLBACK,
    error: "the native addon is switched off by the environment: PIDENTITY_NO_NATIVE=1",
  });
});

test("importing loads nothing native; the first question does", async (context) => {
  requireLinux(context, "/proc/self/maps");
  requireNative(context);
  const mapped = await runNode(
    `import { readFileSync } from "node:fs";
     const mapped = () => /(?<=\\s)\\/.*\\.node$/mu.exec(readFileSync("/proc/self/maps", "utf8"))?.[0] ?? null;
     const before = mapped();
     p.isPidAlive(1);
     console.log(JSON.stringify([before, mapped()]));`,
    { env: environmentFor("native") },
  );
  expect(mapped).toEqual([null, nativeStatus().path]);
});

test("importing keeps no handle: a script that only imports ends by itself", async () => {
  expect(await runNode("console.log(Object.keys(p).length)")).toBeGreaterThan(0);
});

describe("a package whose addon cannot be used", () => {
  test("because it is missing says so in one sentence, with the loader's message as the cause", async () => {
    const root = packageCopy();
    const status = await statusOf(root);
    expect(status).toMatchObject(FALLBACK);
    const platform = `${process.platform}-${process.arch}`;
    expect(status.error).toBe(
      `this installation has no native addon for ${platform}: ${root}${sep}`,
    );
    expect(status.cause).toContain("No native build was found for platform=");
  });

  test("because its loader is missing, too, says so", async () => {
    const root = packageCopy();
    rmSync(join(root, "node_modules"), { recursive: true });
    const status = await statusOf(root);
    expect(status).toMatchObject(FALLBACK);
    expect(status.error).toMatch(
      /^cannot look for the native addon: Cannot find module 'node-gyp-build'/u,
    );
  });

  test("because it is corrupt gives dlopen's message and the file's path", async () => {
    const root = packageCopy();
    const path = prebuild(root, "pidentity.node", "this is no shared object");
    const status = await statusOf(root);
    expect(status).toMatchObject(FALLBACK);
    expect(status.error).toMatch(/^cannot load the native addon \(.+\): /u);
    expect(status.error?.endsWith(path)).toBe(true);
    expect(status.cause).toContain(path);
  });

  test("because it is cut short falls back to another backend", async (context) => {
    requireNative(context);
    const root = packageCopy();
    prebuild(root, "pidentity.node", readFileSync(nativeStatus().path ?? "").subarray(0, 60));
    expect(await statusOf(root)).toMatchObject(FALLBACK);
  });

  test("because it is of an older version names the missing function", async () => {
    const root = packageCopy();
    const loader = join(root, "node_modules/node-gyp-build");
    // A loader that finds some module which does load: an addon of an older version is just that.
    for (const file of readdirSync(loader)) if (file.endsWith(".js")) rmSync(join(loader, file));
    const module = join(root, "older.cjs");
    writeFileSync(module, "module.exports = { isAlive() {} };");
    writeFileSync(join(loader, "index.js"), `exports.path = () => ${JSON.stringify(module)};`);
    const status = await statusOf(root);
    expect(status).toMatchObject(FALLBACK);
    expect(status.error).toBe(`the native addon lacks the function startTime: ${module}`);
  });

  test.for([
    ["glibc", "musl"],
    ["musl", "glibc"],
  ] as const)(
    "because it is for %s is replaced by the file for %s beside it",
    async ([wrong, right], context) => {
      requireLinux(context, "two C libraries");
      requireNative(context);
      const root = packageCopy();
      prebuild(root, `pidentity.${wrong}.node`, "not for this libc");
      const path = prebuild(
        root,
        `pidentity.${right}.node`,
        readFileSync(nativeStatus().path ?? ""),
      );
      expect(await statusOf(root, { LIBC: wrong })).toEqual({
        backend: "native",
        path,
        answers: "same",
      });
    },
  );

  test("because it is for another libc, with none beside it, reports the first failure", async (context) => {
    requireLinux(context, "two C libraries");
    const root = packageCopy();
    const path = prebuild(root, "pidentity.glibc.node", "not for this libc");
    const status = await statusOf(root, { LIBC: "glibc" });
    expect(status.backend).toBe("procfs");
    expect(status.error?.endsWith(path)).toBe(true);
  });
});

describe("a file named by the environment", () => {
  test("is loaded where nothing else would be found", async (context) => {
    requireNative(context);
    const root = packageCopy();
    // A bundle has neither prebuilds nor the loader that looks for them.
    rmSync(join(root, "node_modules"), { recursive: true });
    const path = join(root, "elsewhere.node");
    copyFileSync(nativeStatus().path ?? "", path);
    const expected = { backend: "native", path, answers: "same" };
    expect(await statusOf(root, { PIDENTITY_NATIVE_PATH: path })).toEqual(expected);
    const relativePath = relative(process.cwd(), path);
    expect(await statusOf(root, { PIDENTITY_NATIVE_PATH: relativePath })).toEqual(expected);
  });

  test("is the only one tried", async (context) => {
    requireNative(context);
    const root = packageCopy();
    prebuild(root, "pidentity.node", readFileSync(nativeStatus().path ?? ""));
    const path = join(root, "no-such-file.node");
    const status = await statusOf(root, { PIDENTITY_NATIVE_PATH: path });
    expect(status).toMatchObject(FALLBACK);
    expect(status.error).toMatch(/^cannot load the native addon \(Cannot find module /u);
    expect(status.error?.endsWith(path)).toBe(true);
  });

  test("is not loaded when the addon is switched off", async (context) => {
    requireNative(context);
    const status = await statusOf(ROOT, {
      PIDENTITY_NATIVE_PATH: nativeStatus().path,
      PIDENTITY_NO_NATIVE: "1",
    });
    expect(status.error).toMatch(/PIDENTITY_NO_NATIVE=1$/u);
  });

  test("is none when it is empty", async (context) => {
    requireNative(context);
    const status = await statusOf(ROOT, { PIDENTITY_NATIVE_PATH: "" });
    expect(status).toMatchObject({ backend: "native", answers: "same" });
  });
});

describe("code that has been moved", () => {
  test("where node-gyp-build was left behind the file that lies where it belongs is loaded", async (context) => {
    requireNative(context);
    const root = packageCopy();
    rmSync(join(root, "node_modules"), { recursive: true });
    const path = prebuild(root, OWN_FILE, readFileSync(nativeStatus().path ?? ""));
    expect(await statusOf(root)).toEqual({ backend: "native", path, answers: "same" });
  });

  test.for(["another package", "no package"])(
    "in a bundle, two levels below %s, the addon of that folder's own build is not taken for ours",
    async (what) => {
      const root = packageCopy();
      if (what === "no package") rmSync(join(root, "package.json"));
      else
        writeFileSync(
          join(root, "package.json"),
          JSON.stringify({ name: "gateway", type: "module" }),
        );
      // The bundle itself is a module whatever lies above it.
      writeFileSync(join(root, "dist/package.json"), JSON.stringify({ type: "module" }));
      mkdirSync(join(root, "build/Release"), { recursive: true });
      writeFileSync(join(root, "build/Release/gateway.node"), "this is no shared object");
      const status = await statusOf(root);
      expect(status).toMatchObject(FALLBACK);
      const platform = `${process.platform}-${process.arch}`;
      const expected = join(root, "prebuilds", platform, OWN_FILE);
      expect(status.error).toBe(
        `this bundle of pidentity has no native addon for ${platform} beside it: ${expected}`,
      );
    },
  );

  test("in a bundle the file for the other C library is tried as well", async (context) => {
    requireLinux(context, "two C libraries");
    requireNative(context);
    const root = packageCopy();
    writeFileSync(join(root, "package.json"), JSON.stringify({ name: "gateway", type: "module" }));
    prebuild(root, "pidentity.glibc.node", "not for this libc");
    const path = prebuild(root, "pidentity.musl.node", readFileSync(nativeStatus().path ?? ""));
    expect(await statusOf(root)).toEqual({ backend: "native", path, answers: "same" });
  });

  test("a build/Release of the package's own that does not load is told, and nothing else tried", async (context) => {
    requireNative(context);
    const root = packageCopy();
    mkdirSync(join(root, "build/Release"), { recursive: true });
    const path = join(root, "build/Release/pidentity.node");
    writeFileSync(path, "this is no shared object");
    prebuild(root, OWN_FILE, readFileSync(nativeStatus().path ?? ""));
    const status = await statusOf(root);
    expect(status).toMatchObject(FALLBACK);
    expect(status.error?.endsWith(path)).toBe(true);
    expect(await statusOf(root, { PREBUILDS_ONLY: "1" })).toMatchObject({ backend: "native" });
  });
});

test("a copied package with a good prebuild uses it", async (context) => {
  requireNative(context);
  const root = packageCopy();
  const path = prebuild(root, "pidentity.node", readFileSync(nativeStatus().path ?? ""));
  expect(await statusOf(root)).toEqual({ backend: "native", path, answers: "same" });
});
