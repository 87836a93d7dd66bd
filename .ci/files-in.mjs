import { readdirSync } from "node:fs";
import { join, relative } from "node:path";

/** Path of a file relative to `folder`, `/` between folders. */
export function nameIn(folder, path) {
  return relative(folder, path).replaceAll("\\", "/");
}

/** Every file under a folder, by its path in it, `/` between folders. */
export function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => nameIn(folder, join(entry.parentPath, entry.name)));
}
