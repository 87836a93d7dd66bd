/** Loading is asked for by the environment, once, and never throws; each obstacle is named. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { NativeBinding } from "../../lib/native/binding.js";
import type { loadNative } from "../../lib/native/load.js";
import type { nativeStatus } from "../../lib/process/backends/select-backend.js";
import { temporaryFolder } from "../support/temporary-folder.js";

beforeEach(() => {
  // Each test loads for the first time.
  vi.resetModules();
});
afterEach(() => {
  vi.unstubAllEnvs();
});

async function load(): ReturnTypeOf<typeof loadNative> {
  return (await import("../../lib/native/load.js")).loadNative();
}

async function status(): ReturnTypeOf<typeof nativeStatus> {
  return (await import("../../lib/process/backends/select-backend.js")).nativeStatus();
}

type ReturnTypeOf<F extends () => unknown> = Promise<ReturnType<F>>;

/** A module that the environment names as the addon. */
function named(source: string): string {
  const file = join(temporaryFolder(), "addon.cjs");
  writeFileSync(file, source);
  vi.stubEnv("PIDENTITY_NATIVE_PATH", file);
  return file;
}

test("an addon that is switched off is not loaded, whatever else is named", async () => {
  named("throw new Error('must not be loaded')");
  vi.stubEnv("PIDENTITY_NO_NATIVE", "1");
  const { binding, error } = await load();
  expect(binding).toBeUndefined();
  expect(error?.message).toBe(
    "the native addon is switched off by the environment: PIDENTITY_NO_NATIVE=1",
  );
  const { backend, path } = await status();
  expect(backend).toBe(process.platform === "linux" ? "procfs" : "basic");
  expect(path).toBeUndefined();
});

test("a named file that throws is reported with its message on one line, and with its path", async () => {
  vi.stubEnv("PIDENTITY_NO_NATIVE", "");
  const file = named("throw new Error('first\\n   second')");
  const { error } = await load();
  expect(error?.message).toBe(`cannot load the native addon (first; second): ${file}`);
  expect(error?.cause).toMatchObject({ message: "first\n   second" });
});

test("a named file that throws no error at all is reported with its path, too", async () => {
  const file = named("throw 'text'");
  expect((await load()).error?.message).toBe(`cannot load the native addon (text): ${file}`);
});

test.each([
  ["nothing", "module.exports = undefined"],
  ["null", "module.exports = null"],
  ["a function", "module.exports = () => 1"],
  ["another module's functions", "module.exports = { isAlive: 1 }"],
])("a named file that exports %s is no addon", async (_, source) => {
  const file = named(source);
  expect((await load()).error?.message).toBe(
    `the native addon lacks the function isAlive: ${file}`,
  );
});

const FUNCTIONS: readonly (keyof NativeBinding)[] = [
  "isAlive",
  "startTime",
  "args",
  "inspect",
  "inspectMany",
  "identity",
  "reasonByExactId",
  "host",
  "reference",
  "referenceByExactId",
  "list",
  "tellCloses",
  "tieChildren",
  "loosenChildren",
  "lockTryExclusive",
  "lockProbe",
  "lockDrop",
  "ownershipTry",
  "ownershipProbe",
  "linkOpenFile",
  "fileStamp",
  "fileStampAt",
  "keepFile",
  "dropFile",
  "fileId",
  "fileSystemType",
  "isNamed",
  "pathKind",
  "isWithoutLinks",
  "openFile",
  "readAt",
  "writeFile",
  "closeFile",
  "unlinkFile",
  "monotonicMs",
  "sinceBootMs",
];

function addonWith(names: readonly string[]): string {
  return named(`for (const name of ${JSON.stringify(names)}) exports[name] = () => name;`);
}

test.each(FUNCTIONS)("an addon of another version, which lacks %s, is told by it", async (name) => {
  const file = addonWith(FUNCTIONS.filter((other) => other !== name));
  expect((await load()).error?.message).toBe(
    `the native addon lacks the function ${name}: ${file}`,
  );
});

test("a named file that is complete is the addon, and is loaded once", async () => {
  const file = addonWith(FUNCTIONS);
  const { loadNative: ask } = await import("../../lib/native/load.js");
  const first = ask();
  expect(first).toMatchObject({ path: file });
  vi.stubEnv("PIDENTITY_NO_NATIVE", "1");
  expect(ask()).toBe(first);
  expect(await status()).toEqual({ backend: "native", path: file });
});
