/**
 * Finds and loads the addon: once per thread, on first use, never at import.
 *
 * node-gyp-build decides which file: `build/Release`, `build/Debug`, then the best match in
 * `prebuilds/<platform>-<arch>`. In a bundle there is no package any more, and perhaps no node-gyp-build: there the
 * files are loaded that the bundler has taken along (see {@link publishedFiles}). A file that does not load is no
 * error for the caller: the reason is kept and another backend answers. The environment decides:
 *
 * - `PIDENTITY_NATIVE_PATH=<file>` names the file itself, for programs whose bundler or packager left
 *   the addon elsewhere (one-file bundles, Electron, single executables). Nothing else is tried.
 * - `PIDENTITY_NO_NATIVE=1` loads nothing.
 * - `PREBUILDS_ONLY=1` is node-gyp-build's: only `prebuilds/`.
 */
import { environmentVariable } from "../util/environment.js";
import { errorCode } from "../util/error-code.js";
import {
  basename,
  dirname,
  fileURLToPath,
  fs,
  join,
  nodeModule,
  resolve,
  sep,
} from "../util/node-modules.js";
import { oneLine } from "../util/printable.js";
import type { NativeBinding } from "./binding.js";

const { existsSync, readFileSync } = fs;

/** The loaded addon and its file, or why there is none (`cause`: the loader's own error). */
export type NativeLoad =
  | {
      readonly binding: NativeBinding;
      readonly path: string;
      readonly error?: undefined;
      readonly isSwitchedOff?: undefined;
    }
  | {
      readonly error: Error;
      /** The environment says so, and nothing was looked for. */
      readonly isSwitchedOff?: true;
      readonly binding?: undefined;
      readonly path?: undefined;
    };

type NodeGypBuild = { readonly path: (directory: string) => string };

/** A record, so that the compiler insists on every function of the interface. */
const EXPORTS: Readonly<Record<keyof NativeBinding, true>> = {
  isAlive: true,
  startTime: true,
  args: true,
  inspect: true,
  inspectMany: true,
  identity: true,
  reasonByExactId: true,
  host: true,
  reference: true,
  referenceByExactId: true,
  list: true,
  tellCloses: true,
  tieChildren: true,
  loosenChildren: true,
  lockTryExclusive: true,
  lockProbe: true,
  lockDrop: true,
  ownershipTry: true,
  ownershipProbe: true,
  linkOpenFile: true,
  fileStamp: true,
  fileStampAt: true,
  keepFile: true,
  dropFile: true,
  fileId: true,
  fileSystemType: true,
  isNamed: true,
  pathKind: true,
  isWithoutLinks: true,
  openFile: true,
  readAt: true,
  writeFile: true,
  closeFile: true,
  unlinkFile: true,
  monotonicMs: true,
  sinceBootMs: true,
};

/**
 * The published files of a platform, each by an expression that bundlers and tracers follow: `new URL` of a literal
 * beside `import.meta.url`. webpack copies what it names and puts its new place here, `@vercel/nft` lists it (but not
 * from within an arrow function). They are two levels above this file, and above the one in dist/ that it is bundled
 * into.
 *
 * @throws TypeError where a bundler has left no import.meta.url
 */
function publishedFiles(target: string): readonly URL[] {
  switch (target) {
    case "darwin-arm64":
      return [new URL("../../prebuilds/darwin-arm64/pidentity.node", import.meta.url)];
    case "darwin-x64":
      return [new URL("../../prebuilds/darwin-x64/pidentity.node", import.meta.url)];
    case "linux-arm64":
      return [
        new URL("../../prebuilds/linux-arm64/pidentity.glibc.node", import.meta.url),
        new URL("../../prebuilds/linux-arm64/pidentity.musl.node", import.meta.url),
      ];
    case "linux-x64":
      return [
        new URL("../../prebuilds/linux-x64/pidentity.glibc.node", import.meta.url),
        new URL("../../prebuilds/linux-x64/pidentity.musl.node", import.meta.url),
      ];
    case "win32-arm64":
      return [new URL("../../prebuilds/win32-arm64/pidentity.node", import.meta.url)];
    case "win32-x64":
      return [new URL("../../prebuilds/win32-x64/pidentity.node", import.meta.url)];
    default:
      return [];
  }
}

let memo: NativeLoad | undefined;
let loader: NodeGypBuild | undefined;

/** Loads the addon on the first call, or finds out why it cannot be loaded. Never throws. */
export function loadNative(): NativeLoad {
  memo ??= load();
  return memo;
}

/** The first half of {@link loadNative}'s work, for callers that do the other one in another turn. Never throws. */
export function findLoader(): void {
  if (memo !== undefined || environmentVariable("PIDENTITY_NO_NATIVE") === "1") return;
  try {
    nodeGypBuild();
  } catch {
    // loadNative says so, if it matters.
  }
}

function load(): NativeLoad {
  if (environmentVariable("PIDENTITY_NO_NATIVE") === "1") {
    return {
      error: new Error(
        "the native addon is switched off by the environment: PIDENTITY_NO_NATIVE=1",
      ),
      isSwitchedOff: true,
    };
  }
  const named = environmentVariable("PIDENTITY_NATIVE_PATH");
  // A file that was named is the only one tried: another version of the addon must not be loaded in its place.
  if (named !== undefined && named !== "") return loadFile(resolve(named));

  try {
    const root = packageRoot();
    const found = root === null ? null : findFile(root);
    if (found?.path !== undefined) return loadFound(found.path);
    // It knows the platform that its own variables may name, or what it may not do: that is the answer.
    if (found?.isLoaderMissing === false) return { error: found.error };
    return loadExpected() ?? { error: found?.error ?? notBeside() };
  } catch (cause) {
    return {
      error: new Error(`cannot look for the native addon: ${lookFailure(cause)}`, { cause }),
    };
  }
}

/** A bundle that was made without the addon. */
function notBeside(): Error {
  const platform = `${process.platform}-${process.arch}`;
  const [path] = expectedFiles();
  return new Error(
    path === undefined
      ? `there is no native addon for ${platform}`
      : `this bundle of pidentity has no native addon for ${platform} beside it: ${path}`,
  );
}

function lookFailure(cause: unknown): string {
  // CommonJS has no import.meta: some bundlers leave an empty object.
  const isNowhere = (import.meta as { readonly url?: unknown }).url === undefined;
  return isNowhere ? "the bundler has left no import.meta.url" : messageOf(cause);
}

function loadFound(path: string): NativeLoad {
  const first = loadFile(path);
  if (first.error === undefined) return first;
  // node-gyp-build tells musl from glibc by /etc/alpine-release alone, which is wrong for every
  // other musl system (Void, Chimera, postmarketOS) and for a glibc Node inside Alpine.
  const sibling = siblingLibc(path);
  if (sibling === null || !existsSync(sibling)) return first;
  const second = loadFile(sibling);
  return second.error === undefined ? second : first;
}

/** @throws where it is missing: in a bundle, say */
function nodeGypBuild(): NodeGypBuild {
  if (loader === undefined) {
    const require = nodeModule().createRequire(import.meta.url);
    loader = require("node-gyp-build") as NodeGypBuild;
  }
  return loader;
}

type Found =
  | { readonly path: string; readonly error?: undefined }
  | {
      readonly error: Error;
      /** node-gyp-build itself is not there: a tracer has not followed to it. */
      readonly isLoaderMissing: boolean;
      readonly path?: undefined;
    };

function findFile(root: string): Found {
  try {
    return { path: nodeGypBuild().path(root) };
  } catch (cause) {
    const reason = messageOf(cause);
    const message = reason.startsWith("No native build was found")
      ? `this installation has no native addon for ${process.platform}-${process.arch}: ${root}`
      : `cannot look for the native addon: ${reason}`;
    return {
      error: new Error(message, { cause }),
      isLoaderMissing: errorCode(cause) === "MODULE_NOT_FOUND",
    };
  }
}

/**
 * The folder of this package, with a separator at its end; null when this code lies elsewhere by now: in a bundle.
 * Then node-gyp-build must not look two levels above it, where another package's build/Release may be.
 *
 * @throws when that cannot be told
 */
function packageRoot(): string | null {
  // Any of them: prebuilds/<platform>-<arch>/<file>.
  const [file] = publishedFiles("linux-x64").map((url) => fileURLToPath(url));
  if (file === undefined) return null;
  const root = join(dirname(dirname(dirname(file))), sep);
  try {
    const manifest: unknown = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    return (manifest as { readonly name?: unknown } | null)?.name === "pidentity" ? root : null;
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR" || error instanceof SyntaxError) return null;
    throw error;
  }
}

/**
 * The files where this code expects them: in the package, or where a bundler has put what {@link publishedFiles} name.
 * null: none is there.
 */
function loadExpected(): NativeLoad | null {
  let first: NativeLoad | null = null;
  for (const path of expectedFiles().filter((file) => existsSync(file))) {
    const loaded = loadFile(path);
    if (loaded.error === undefined) return loaded;
    first ??= loaded;
  }
  return first;
}

function expectedFiles(): readonly string[] {
  const target = `${process.platform}-${process.arch}`;
  const files = publishedFiles(target).map((url) => fileURLToPath(url));
  const names = process.platform === "linux" ? LINUX_NAMES : ["pidentity.node"];
  // ncc puts a script in place of each file, and the file itself into this folder beside it.
  const besides = files.flatMap((file) =>
    names.map((name) => join(dirname(file), "prebuilds", target, name)),
  );
  return [...files, ...new Set(besides)];
}

const LINUX_NAMES = ["pidentity.glibc.node", "pidentity.musl.node"] as const;

function loadFile(path: string): NativeLoad {
  try {
    const loaded: unknown = nodeModule().createRequire(path)(path);
    const missing = missingExport(loaded);
    if (missing === null) return { binding: loaded as NativeBinding, path };
    return { error: new Error(`the native addon lacks the function ${missing}: ${path}`) };
  } catch (cause) {
    return {
      error: new Error(`cannot load the native addon (${messageOf(cause)}): ${path}`, { cause }),
    };
  }
}

function missingExport(loaded: unknown): string | null {
  const found = (typeof loaded === "object" && loaded !== null ? loaded : {}) as Record<
    string,
    unknown
  >;
  return Object.keys(EXPORTS).find((name) => typeof found[name] !== "function") ?? null;
}

/** `…/prebuilds/linux-x64/pidentity.glibc.node` → `….musl.node` and back; null for any other file. */
function siblingLibc(path: string): string | null {
  if (process.platform !== "linux") return null;
  const parts = basename(path).split(".");
  const tag = parts.findIndex((part) => part === "glibc" || part === "musl");
  if (tag === -1) return null;
  parts[tag] = parts[tag] === "glibc" ? "musl" : "glibc";
  return join(dirname(path), parts.join("."));
}

function messageOf(error: unknown): string {
  return oneLine(error instanceof Error ? error.message : String(error));
}
