/** Durations and points in time as text for people. Pure but for the time zone. */

const UNITS = [
  ["d", 86_400],
  ["h", 3_600],
  ["m", 60],
  ["s", 1],
] as const;

/**
 * The two largest units, rounded down: `45s`, `2m3s`, `5m`, `1h2m`, `3d4h`.
 *
 * @param ms - Not negative; null is `unknown`.
 */
export function formatDuration(ms: number | null): string {
  if (ms === null) return "unknown";
  let seconds = Math.floor(ms / 1000);
  const first = UNITS.findIndex(([, size]) => seconds >= size);
  if (first === -1) return "0s";
  let text = "";
  for (const [name, size] of UNITS.slice(first, first + 2)) {
    const count = Math.floor(seconds / size);
    if (count > 0) text += `${String(count)}${name}`;
    seconds -= count * size;
  }
  return text;
}

/** `2026-11-21 08:09:10` in this process's time zone; null is `-`. */
export function formatLocalTime(epochMs: number | null): string {
  if (epochMs === null) return "-";
  const time = new Date(epochMs);
  if (Number.isNaN(time.getTime())) return "-";
  const date = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join("-");
  return `${date} ${[time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(":")}`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
