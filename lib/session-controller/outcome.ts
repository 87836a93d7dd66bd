/** How something ended, as a value: for steps that must follow whatever happened before. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: unknown };

export async function capture<T>(run: () => T | Promise<T>): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await run() };
  } catch (error) {
    return { ok: false, error };
  }
}

export type Failure = Extract<Outcome<unknown>, { ok: false }>;

export function firstFailure(outcomes: readonly Outcome<unknown>[]): Failure | undefined {
  return outcomes.find((outcome) => !outcome.ok);
}

/** @throws the first error among them */
export function throwFirst(outcomes: readonly Outcome<unknown>[]): void {
  const failure = firstFailure(outcomes);
  if (failure !== undefined) throw failure.error;
}

/** @throws its error when it failed */
export function valueOf<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw outcome.error;
}
