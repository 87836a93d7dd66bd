/**
 * Until when a holder may believe in its lease. Pure: readings of one clock that goes on in suspend
 * (`continuousMs` of lib/process/machine-clock.ts) come in as numbers.
 *
 * The engine counts a ttl from when it executes a request, which is after the request was sent, whatever the network
 * does with it or with its answer. So a holder that counts from the sending, and less by a margin, stops before the
 * engine lets another in; the margin covers clocks that run at different speeds, and what the holder still has to stop.
 */

export interface LeaseTerms {
  readonly ttlMs: number;
  /** How much earlier than the engine the holder stops. */
  readonly marginMs: number;
}

/** The deadline that a request gives which was sent at `sentMs` and did succeed. */
export function deadlineAfter(sentMs: number, { ttlMs, marginMs }: LeaseTerms): number {
  return sentMs + ttlMs - marginMs;
}

interface Renewal {
  readonly sentMs: number;
  readonly answeredMs: number;
}

/**
 * The deadline after a renewal that did succeed: the later one, for answers may come in another order than their
 * requests were sent. An answer that comes at the deadline or after it changes nothing: the holder has stopped by then.
 */
export function deadlineExtendedBy(
  deadlineMs: number,
  { sentMs, answeredMs }: Renewal,
  terms: LeaseTerms,
): number {
  if (answeredMs >= deadlineMs) return deadlineMs;
  return Math.max(deadlineMs, deadlineAfter(sentMs, terms));
}

/** Milliseconds that are left; 0 at the deadline and after it. */
export function leftUntil(deadlineMs: number, nowMs: number): number {
  return Math.max(0, deadlineMs - nowMs);
}

/** After how long a renewal follows the one before, from sending to sending: two may fail before the deadline. */
export function renewalIntervalMs({ ttlMs }: LeaseTerms): number {
  return ttlMs / 3;
}

const SHORTEST_RETRY_MS = 20;

/** After how long a renewal is tried again that failed. */
export function renewalRetryMs({ ttlMs }: LeaseTerms): number {
  return Math.max(SHORTEST_RETRY_MS, ttlMs / 20);
}
