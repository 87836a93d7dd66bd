/** How long a wait that asks again and again pauses before each question. */

const FIRST_PAUSE_MS = 1;
export const LONGEST_PAUSE_MS = 50;

/** Milliseconds, for ever; each of about twice the length. With jitter: many waiters must not wake in step. */
export function* backOffPauses(): Generator<number, never> {
  for (let ms = FIRST_PAUSE_MS; ; ms = Math.min(ms * 2, LONGEST_PAUSE_MS)) {
    yield ms * (0.5 + Math.random() / 2);
  }
}
