/** Facts from node:os that Deno refuses with an error. */
import { os } from "../../util/node-modules.js";

/**
 * The machine's name; `""`, which is "unknown", where it may not be asked: Deno throws without
 * `--allow-sys=hostname`.
 */
export function hostName(): string {
  try {
    return os().hostname();
  } catch {
    return "";
  }
}

/** The time since boot, sleep included; null where it may not be asked: Deno throws without `--allow-sys`. */
export function secondsSinceBoot(): number | null {
  try {
    return os().uptime();
  } catch {
    return null;
  }
}
