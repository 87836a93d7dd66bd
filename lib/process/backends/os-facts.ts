/** Facts from node:os that Deno refuses with an error. */
import { hostname, uptime } from "node:os";

/**
 * The machine's name; `""`, which is "unknown", where it may not be asked: Deno throws without
 * `--allow-sys=hostname`.
 */
export function hostName(): string {
  try {
    return hostname();
  } catch {
    return "";
  }
}

/** The time since boot, sleep included; null where it may not be asked: Deno throws without `--allow-sys`. */
export function secondsSinceBoot(): number | null {
  try {
    return uptime();
  } catch {
    return null;
  }
}
