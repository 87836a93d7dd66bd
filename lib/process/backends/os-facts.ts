import { hostname } from "node:os";

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
