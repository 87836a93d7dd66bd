/** Nonces: 128 random bits that say which lock, or which file of the protocol, one is. */
import { crypto } from "../../util/node-modules.js";

const NONCE_BYTES = 16;
// Asking for random bytes costs as much as a system call, for 16 as for 2048.
const pool = Buffer.alloc(NONCE_BYTES * 128);
let used = pool.length;

/** 32 hexadecimal digits that were never given before. */
export function newNonce(): string {
  if (used === pool.length) {
    crypto().randomFillSync(pool);
    used = 0;
  }
  const start = used;
  used += NONCE_BYTES;
  return pool.toString("hex", start, used);
}
