// One line of JSON for each thing that was looked at; the machine's console has no other way out.
import { isDeepStrictEqual } from "node:util";

/** `expected`: an object is compared by the keys that it has. */
export function check(title, actual, expected) {
  const compared =
    isRecord(expected) && isRecord(actual)
      ? Object.fromEntries(Object.keys(expected).map((key) => [key, actual[key]]))
      : actual;
  const ok = isDeepStrictEqual(compared, expected);
  console.log(JSON.stringify({ check: title, ok, ...(ok ? {} : { actual, expected }) }));
}

const isRecord = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
