/** Colour, where the stream wants it. */
// Named imports of what an old Node lacks would end the program before it can say so.
import util from "node:util";

import type { CliStream } from "./io.js";

export type Color = "green" | "yellow" | "red" | "dim" | "bold";

/** `text` in a colour, or as it is for a stream without any. */
export function paint(stream: Pick<CliStream, "hasColor">, color: Color, text: string): string {
  // The decision is the stream's: left alone, newer versions of Node look at process.stdout instead.
  return stream.hasColor ? util.styleText(color, text, { validateStream: false }) : text;
}
