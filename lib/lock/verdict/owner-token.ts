/** The token in a payload: names the process that wrote the lock. Pure. */
import { parseToken, type ProcessToken } from "../../process/token.js";
import type { LockPayload } from "../protocol/payload.js";

/** A payload's token, when it has one that can be read and that speaks of the payload's pid. */
export function tokenOf(
  payload: LockPayload,
): ProcessToken | "absent" | "malformed" | "pid-mismatch" {
  if (payload.owner === null) return "absent";
  const token = parseOnce(payload.owner);
  if (token === null) return "malformed";
  return token.pid === payload.pid ? token : "pid-mismatch";
}

let lastText: string | null = null;
let lastToken: ProcessToken | null = null;

/** Every lock's token is asked for several times in a row, and one gateway's locks all have the same. */
function parseOnce(text: string): ProcessToken | null {
  if (text !== lastText) {
    lastToken = parseToken(text);
    lastText = text;
  }
  return lastToken;
}

/** True for locks of other programs, which have none of the keys that name one exactly. */
export function isPlain({ nonce, owner }: LockPayload): boolean {
  return nonce === null && owner === null;
}
