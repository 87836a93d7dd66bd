// What is bundled into dist/, for rolldown: the code of every entry, and the declarations of those that can be imported.
// Run by build-dist.mjs.
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { dts } from "rolldown-plugin-dts";

import { ENTRIES, SHARED, TYPED_ENTRIES } from "./dist-files.mjs";
import { nameIn } from "./files-in.mjs";

/** @param {string} modules the folder with one file for each module of lib/ */
function common(modules, entries, extension) {
  const input = entries.map((name) => [name, join(modules, `${name}${extension}`)]);
  const chunks = `[name]${extension}`;
  return {
    input: Object.fromEntries(input),
    // All that is not ours stays an import: Node's own modules, and node-gyp-build, which require() loads.
    external: /^node:/u,
    platform: "node",
    // Files are named in the code, relative to this.
    cwd: modules,
    // A warning of how long plugins took is one of the machine's load.
    checks: { bundlerTimings: false },
    onLog: (level, { message }) => {
      if (level === "warn") throw new Error(`rolldown: ${message}`);
    },
    output: {
      entryFileNames: chunks,
      chunkFileNames: chunks,
      // People read it, in stack traces, with a debugger and in an editor.
      minify: false,
      minifyInternalExports: false,
      codeSplitting: {
        groups: SHARED.map(({ name, modules: wanted }, index) => ({
          name,
          test: (path) => wanted.test(nameIn(modules, path)),
          minShareCount: 2,
          priority: SHARED.length - index,
        })),
      },
    },
  };
}

/** The code: one file for each entry, and those that entries share. */
export function codeIn(modules) {
  return common(modules, ENTRIES, ".js");
}

/** The declarations of what the entries export, in files that lie and share as those of the code do. */
export function declarationsIn(modules) {
  const options = common(modules, TYPED_ENTRIES, ".d.ts");
  return {
    ...options,
    // They are the compiler's; nothing is left to generate.
    plugins: [dts({ dtsInput: true, sourcemap: false, tsconfig: false })],
    output: { ...options.output, banner: descriptionOf },
  };
}

/** What an entry's file says about all of it (`@packageDocumentation`), which belongs to no declaration. */
function descriptionOf({ isEntry, facadeModuleId }) {
  if (!isEntry) return "";
  const text = readFileSync(facadeModuleId, "utf8");
  const [description] = /^\/\*\*(?:[^*]|\*(?!\/))*\*\/\n/u.exec(text) ?? [];
  if (description?.includes("@packageDocumentation")) return description;
  throw new Error(`the entry does not begin with its @packageDocumentation: ${facadeModuleId}`);
}
