#!/usr/bin/env node
/** The program `pidentity`: this process's arguments, streams and exit code. */
import { whyUnsupported } from "../util/node-version.js";
import { printable, printableStack } from "../util/printable.js";
import { EXIT } from "./command.js";
import { processIo } from "./terminal/io.js";
import { run } from "./run.js";

for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    // The reader, such as `| head`, has ended. The work goes on, and the exit code tells its result.
    if (error.code === "EPIPE") return;
    if (stream === process.stdout) {
      process.stderr.write(`pidentity: cannot write the output: ${error.message}\n`);
    }
    process.exit(EXIT.failure);
  });
}

const obstacle = whyUnsupported();
if (obstacle !== null) {
  process.stderr.write(`${obstacle}\n`);
  process.exit(EXIT.failure);
}

run(process.argv.slice(2), processIo()).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    // Node's own exit code for this, 1, would read as "gone".
    const text = error instanceof Error ? printableStack(error) : printable(String(error));
    process.stderr.write(`pidentity: ${text}\n`);
    process.exitCode = EXIT.failure;
  },
);
