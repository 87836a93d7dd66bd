import type { FoundFile } from "../../../lib/cli/locks/forms/form.js";

/** A regular file of that path and content; or what is said otherwise. */
export function foundFile(
  path: string,
  content: string | Buffer | null = null,
  rest: Partial<FoundFile> = {},
): FoundFile {
  return {
    path,
    name: path.slice(path.lastIndexOf("/") + 1),
    type: "file",
    bytes: content === null ? null : Buffer.from(content),
    isWhole: true,
    hasOwnMark: false,
    target: null,
    isEmptyDirectory: null,
    platform: "linux",
    ...rest,
  };
}
