// Downloads the Bun and the Deno on which tests of test/ run child processes; without them those are skipped.
import { BUN, bunOf, DENO, denoOf } from "./tools.mjs";

console.log([bunOf(BUN), denoOf(DENO)].join("\n"));
