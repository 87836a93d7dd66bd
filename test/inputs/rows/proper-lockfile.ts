/** `pidentity/proper-lockfile`. */
import { join } from "node:path";

import lockfile, * as named from "../../../lib/proper-lockfile/index.js";
import { REVOKED, WRONG } from "../hostile-values.js";
import type { Call, Fields, Row, Rows } from "./rows.js";

// null is that package's way to say "default".
const orDefault = (wrong: readonly unknown[]): unknown[] => wrong.filter((value) => value !== null);

const FIELDS: Fields["fields"] = {
  fs: ["x", 7, true, {}, { realpathSync: 7 }, REVOKED],
  realpath: orDefault(WRONG.boolean),
  lockfilePath: orDefault(WRONG.path),
  stale: orDefault(WRONG.timeout),
  update: orDefault(WRONG.timeout),
  retries: ["3", 7n, true, -1, 0.5, Number.NaN, 1e9, Symbol.iterator, REVOKED, { retires: 3 }],
  onCompromised: orDefault(WRONG.callback),
};

const RETRIES: Fields["fields"] = {
  retries: [...WRONG.count.filter((value) => value !== Infinity), 1e9],
  forever: WRONG.boolean,
  unref: WRONG.boolean,
  maxRetryTime: WRONG.timeout,
  factor: [...WRONG.slice, 0],
  minTimeout: WRONG.timeout,
  maxTimeout: [...WRONG.timeout, 0],
  randomize: WRONG.boolean,
};

type Form = (file: never, options?: never) => unknown;

export function properLockfileRows(folder: string): Rows {
  const file = join(folder, "p") as never;
  // Under all its names as properties of the default export, too, which are these functions: every-parameter.test.ts.
  const { lock, lockSync, unlock, unlockSync, check, checkSync } = named;
  const functions = {
    lock,
    lockSync,
    unlock,
    unlockSync,
    check,
    checkSync,
    ProperLockfile: lockfile,
  };
  const forms: readonly (readonly [string, Form])[] = Object.entries(functions);
  const fileRow = ([of, call]: readonly [string, Call]): Row => ({
    of,
    place: "file",
    call,
    wrong: [...WRONG.path, undefined],
  });
  const optionFields = ([of, call]: (typeof forms)[number]): Fields => ({
    of,
    place: "options",
    call: (given) => call(file, given),
    base: { realpath: false },
    fields: FIELDS,
    wrong: WRONG.options,
    kind: "options",
  });
  return {
    rows: forms.map(fileRow),
    fields: [
      ...forms.map(optionFields),
      {
        of: "lock",
        place: "options.retries",
        call: (retries) => named.lock(file, { realpath: false, retries }),
        base: {},
        fields: RETRIES,
        wrong: [],
        kind: "options",
      },
    ],
    close: () => {},
  };
}
