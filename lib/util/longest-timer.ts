/** The longest delay in milliseconds that a timer can count, rounded down to a second. */
export const LONGEST_TIMER_MS = 2_147_000_000;
