/** Milliseconds as they are told to callers; null: not known. */
export function wholeMs(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms);
}
