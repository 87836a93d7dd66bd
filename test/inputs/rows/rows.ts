/** One row of the table: a place of a public function, and what is wrong there. */

/** Takes what no compiler would let pass. */
export type Call = (given: never) => unknown;

export interface Row {
  /** As test/inputs/public-functions.ts calls it: `inspectProcess`, `SessionWriteLock.withFence`. */
  readonly of: string;
  /** The parameter, or a field of it: `options.timeoutMs`. */
  readonly place: string;
  readonly call: Call;
  readonly wrong: readonly unknown[];
  /** The answer is the function's own (`false`, `unknown`, its own error), and is shown as it is. */
  readonly answers?: true;
}

/** An object with named fields, each of which has rows of its own. */
export interface Fields {
  readonly of: string;
  readonly place: string;
  readonly call: Call;
  /** The fields that must be there. */
  readonly base: object;
  /** By name: what is wrong there. */
  readonly fields: Readonly<Record<string, readonly unknown[]>>;
  /** What is wrong in the object's place. */
  readonly wrong: readonly unknown[];
  /** `options`: a key that is not known is refused. `facts`: there may be more in it than is asked for. */
  readonly kind: "options" | "facts";
}

/** What one entry's rows are made with and leave behind. */
export interface Rows {
  readonly rows: readonly Row[];
  readonly fields: readonly Fields[];
  /** Called at the end. */
  readonly close: () => unknown;
}
