// The addon under AddressSanitizer, UndefinedBehaviorSanitizer and LeakSanitizer, inside an ordinary Node.
//
//   node test/lab/sanitizers/run.mjs            builds it; calls every function, with errors and in threads that end
//                                     and that are terminated, and looks for leaks at the end
//   node test/lab/sanitizers/run.mjs --suite [-- vitest's arguments]
//                                     and runs the test suite with it, all of it without arguments
//
// There are no suppressions: neither Node nor the addon leaks in what is called here. The suite runs without
// the leak detector: its children are killed and exit in the middle of their work.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { run } from "../../../.ci/command.mjs";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const { values: options, positionals: vitestArguments } = parseArgs({
  allowPositionals: true,
  options: { suite: { type: "boolean", default: false } },
});

/** Where the compiler keeps a library that Node has to be started with. */
function library(name) {
  const path = run("gcc", [`-print-file-name=${name}`]).trim();
  if (path === name) throw new Error(`gcc has no such library: ${name}`);
  return path;
}

function runSanitized(args, sanitizer) {
  const { status, signal, error } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: "inherit",
    env: {
      ...process.env,
      // The sanitizers' checks of C++ exceptions need the library that throws them.
      LD_PRELOAD: `${library("libasan.so")} ${library("libstdc++.so")}`,
      ASAN_OPTIONS: sanitizer,
      UBSAN_OPTIONS: "print_stacktrace=1",
      PIDENTITY_NATIVE_PATH: join(root, "build/sanitize/build/Release/pidentity.node"),
      PIDENTITY_REQUIRE_NATIVE: "1",
    },
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`ended with ${status ?? signal}: ${args.join(" ")}`);
}

run(process.execPath, [join(root, ".ci/addon/build-addon.mjs"), "--sanitize"]);
runSanitized(
  ["--expose-gc", "test/native/leaks.mjs", "--exercise", "--calls", "5000"],
  "detect_leaks=1",
);
if (options.suite) {
  runSanitized(
    ["node_modules/vitest/vitest.mjs", "run", ...leftOut(), ...vitestArguments],
    "detect_leaks=0",
  );
}

/**
 * Tests that measure memory, that are about which file is loaded, and that preload libfaketime: together
 * with the sanitizer's library any program hangs before its main().
 */
function leftOut() {
  return [
    "test/native/leaks.test.ts",
    "test/process/backends/select-backend.test.ts",
    "test/trust/clocks.test.ts",
  ].flatMap((file) => ["--exclude", file]);
}
