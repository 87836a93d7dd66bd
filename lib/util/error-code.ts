/** The code of a thrown value, e.g. `ENOENT`; undefined when it has none. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

// ERROR_ACCESS_DENIED, which a pending delete gives as well, and ERROR_SHARING_VIOLATION, as libuv
// names them.
const TRANSIENT_ON_WINDOWS: ReadonlySet<unknown> = new Set(["EPERM", "EACCES", "EBUSY"]);

/**
 * Whether Windows may say otherwise in a moment: a virus scanner or indexer has the file open, or somebody
 * has deleted it and another process still has it open. A real refusal looks the same.
 */
export function isTransientOnWindows(error: unknown): boolean {
  return TRANSIENT_ON_WINDOWS.has(errorCode(error));
}
