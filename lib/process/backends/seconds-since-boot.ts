import { uptime } from "node:os";

/** The time since boot, sleep included; null where it may not be asked: Deno throws without `--allow-sys`. */
export function secondsSinceBoot(): number | null {
  try {
    return uptime();
  } catch {
    return null;
  }
}
