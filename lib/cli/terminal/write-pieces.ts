/** Long output without one long string. */
import type { CliStream } from "./io.js";

const CHUNK_LENGTH = 65_536;

/** Writes pieces in the order given; one system call per piece would cost more than all the work before. */
export function writePieces(stream: CliStream, pieces: Iterable<string>): void {
  let chunk = "";
  for (const piece of pieces) {
    chunk += piece;
    if (chunk.length < CHUNK_LENGTH) continue;
    stream.write(chunk);
    chunk = "";
  }
  if (chunk !== "") stream.write(chunk);
}
