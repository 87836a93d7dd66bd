/** Which backend answers, when it is loaded, and what is said when it cannot be. */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { nativeStatus } from "../../lib/index.js";
import { environmentFor } from "../support/backends.js";
import { runNode } from "../support/child.js";
import { ROOT } from "../support/programs.js";
import { requireLinux, requireNative } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

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

function prebuild(root: string, file: string, content: Buffer | string): string {
  const folder = join(root, "prebuilds", `${process.platform}-${process.arch}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, file), content);
  return join(folder, file);
}

test("with the addon: native, and where it lies", (context) => {
  requireNative(context);
  const status = nativeStatus();
  expect(status.backend).toBe("native");
  expect(status.path).toMatch(/\.node$/u);
  expect(status.error).toBeUndefined();
  expect(nativeStatus()).toBe(status);
});

test("the environment switches the addon off", async (context) => {
  requireLinux(context);
  const status = await statusOf(ROOT, { PIDENTITY_NO_NATIVE: "1" });
  expect(status).toEqual({
    backend: "procfs",
    answers: "same",
    error: "the native addon is switched off by the environment: PIDENTITY_NO_NATIVE=1",
  });
});

test("importing loads nothing native; the first question does", async (context) => {
  requireLinux(context);
  requireNative(context);
  const mapped = await runNode(
    `import { readFileSync } from "node:fs";
     const mapped = () => /\\S*\\.node$/mu.exec(readFileSync("/proc/self/maps", "utf8"))?.[0] ?? null;
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
  test("missing: the loader's words are kept", async (context) => {
    requireLinux(context);
    const status = await statusOf(packageCopy());
    expect(status).toMatchObject({ backend: "procfs", answers: "same" });
    expect(status.error).toMatch(/^no native addon: No native build was found for platform=linux/u);
    expect(status.cause).toContain("No native build was found");
  });

  test("corrupt: dlopen's words and the file's path are kept", async (context) => {
    requireLinux(context);
    const root = packageCopy();
    const path = prebuild(root, "pidentity.node", "this is no shared object");
    const status = await statusOf(root);
    expect(status).toMatchObject({ backend: "procfs", answers: "same" });
    expect(status.error).toMatch(/^cannot load the native addon \(.+\): /u);
    expect(status.error?.endsWith(path)).toBe(true);
    expect(status.cause).toContain(path);
  });

  test("cut short: likewise", async (context) => {
    requireLinux(context);
    requireNative(context);
    const root = packageCopy();
    prebuild(root, "pidentity.node", readFileSync(nativeStatus().path ?? "").subarray(0, 60));
    expect(await statusOf(root)).toMatchObject({ backend: "procfs", answers: "same" });
  });

  test("of another package: the missing function is named", async (context) => {
    requireLinux(context);
    const root = packageCopy();
    const loader = join(root, "node_modules/node-gyp-build");
    // A loader that finds some module which does load: an addon of an older version is just that.
    for (const file of readdirSync(loader)) if (file.endsWith(".js")) rmSync(join(loader, file));
    const module = join(root, "older.cjs");
    writeFileSync(module, "module.exports = { isAlive() {} };");
    writeFileSync(join(loader, "index.js"), `exports.path = () => ${JSON.stringify(module)};`);
    const status = await statusOf(root);
    expect(status).toMatchObject({ backend: "procfs", answers: "same" });
    expect(status.error).toBe(`the native addon lacks the function startTime: ${module}`);
  });

  test.for([
    ["glibc", "musl"],
    ["musl", "glibc"],
  ] as const)(
    "of the wrong libc (%s): the sibling for %s is tried",
    async ([wrong, right], context) => {
      requireLinux(context);
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

  test("of the wrong libc without a sibling: the first failure is reported", async (context) => {
    requireLinux(context);
    const root = packageCopy();
    const path = prebuild(root, "pidentity.glibc.node", "not for this libc");
    const status = await statusOf(root, { LIBC: "glibc" });
    expect(status.backend).toBe("procfs");
    expect(status.error?.endsWith(path)).toBe(true);
  });
});

test("a copied package with a good prebuild uses it", async (context) => {
  requireNative(context);
  const root = packageCopy();
  const path = prebuild(root, "pidentity.node", readFileSync(nativeStatus().path ?? ""));
  expect(await statusOf(root)).toEqual({ backend: "native", path, answers: "same" });
});
