/** Paths that mean the same after the process has changed its directory. */
import { fileURLToPath, isAbsolute, normalize, parse, resolve, sep } from "./node-modules.js";

const IS_WINDOWS = process.platform === "win32";

/**
 * An absolute path for `path`, which is returned as it is when it is one already. A URL must be a `file:` URL.
 *
 * A path with `..` in it is not shortened: behind a symbolic link `..` leads elsewhere than to the name before it,
 * and only the kernel follows the link. (Windows shortens it by name itself.)
 *
 * @throws Error ENOENT when it is relative and the current directory does not exist any more
 */
export function absolutePath(path: string | URL): string {
  return typeof path === "string" ? absolute(path) : fileURLToPath(path);
}

function absolute(path: string): string {
  // `\\dir` and `C:dir` depend on the current drive and on its directory.
  if (IS_WINDOWS) return isAbsolute(path) && parse(path).root.length > 1 ? path : resolve(path);
  if (isAbsolute(path)) return path;
  return leadsUp(path) ? `${process.cwd()}/${path}` : resolve(path);
}

/** The same path without needless parts; one with `..` in it only loses separators at its end. */
export function tidyPath(path: string): string {
  if (!leadsUp(path)) return resolve(path);
  let end = path.length;
  while (end > 1 && path[end - 1] === "/") end--;
  return path.slice(0, end);
}

/** What stands before a name in that directory; see {@link absolutePath} for `..`. */
export function pathPrefix(directory: string): string {
  const tidy = leadsUp(directory) ? directory : normalize(directory);
  return tidy.endsWith(sep) ? tidy : tidy + sep;
}

/** Whether it has `..` in it, which only the kernel follows; on Windows never. */
export function leadsUp(path: string): boolean {
  return !IS_WINDOWS && path.split("/").includes("..");
}
