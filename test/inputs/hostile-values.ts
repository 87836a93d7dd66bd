/** Values that are wrong in a place, by what the place takes; and how a table shows them. */
import { inspect } from "node:util";

const SHOWN_AS = new Map<unknown, string>();

function named<T>(text: string, value: T): T {
  SHOWN_AS.set(value, text);
  return value;
}

function fail(): never {
  throw new Error("asked");
}

/** A trap for what looks into it. */
export const REVOKED = named("a revoked Proxy", revokedProxy());

function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

const SYMBOL = named("a symbol", Symbol("s"));

/** Cannot be made a text or a number. */
const NO_TEXT = named("an object without a text", {
  toString: fail,
  valueOf: fail,
  [Symbol.toPrimitive]: fail,
  [inspect.custom]: fail,
});

const READ_PROTECTED = named(
  "a Proxy that throws at every look",
  new Proxy({}, { get: fail, has: fail, ownKeys: fail, getPrototypeOf: fail }),
);

const NULL_PROTOTYPE = named("an object without a prototype", Object.create(null) as object);

const FUNCTION = named("a function", () => {});

/** An object whose property throws when it is read. */
export function unreadableAt(key: string, others: object = {}): object {
  const given = Object.defineProperties({}, Object.getOwnPropertyDescriptors(others));
  return named(
    `{ get ${key}() throws }`,
    Object.defineProperty(given, key, { get: fail, enumerable: true, configurable: true }),
  );
}

const NO_OBJECTS = ["x", 7, 7n, true, SYMBOL];
const NO_NUMBERS = ["7", "", null, true, 7n, {}, [], SYMBOL, NO_TEXT, REVOKED, READ_PROTECTED];
const NO_TEXTS = [7, 7n, null, true, {}, ["a"], SYMBOL, NO_TEXT, REVOKED, READ_PROTECTED];
const TOO_SMALL = [Number.NaN, -Infinity, -1];

const NO_PATHS = [
  named("an http: URL", new URL("http://example.org/a")),
  named("a file: URL with %2F in it", new URL("file:///a%2fb")),
  named("a file: URL with %00 in it", new URL("file:///C:/a%00b")),
];

export const URLS: ReadonlySet<unknown> = new Set(NO_PATHS);

/** By what a place takes. Absent (`undefined`) is wrong only in places that are not optional: see {@link absent}. */
export const WRONG = {
  options: [...NO_OBJECTS, null, [], ["timeoutMs"], FUNCTION, REVOKED, READ_PROTECTED],
  facts: [...NO_OBJECTS, null, undefined, FUNCTION, REVOKED, READ_PROTECTED],
  boolean: ["true", "", 0, 1, null, {}, SYMBOL, NO_TEXT, REVOKED, READ_PROTECTED],
  callback: ["x", 7, null, true, {}, [], SYMBOL, NO_TEXT, REVOKED, READ_PROTECTED],
  signal: ["x", 7, null, true, {}, { aborted: false }, FUNCTION, SYMBOL, REVOKED, READ_PROTECTED],
  text: NO_TEXTS,
  name: ["", ...NO_TEXTS],
  label: [...NO_TEXTS, named("600 × é", "é".repeat(600))],
  environment: [...NO_OBJECTS, null, FUNCTION, REVOKED, READ_PROTECTED],
  /** The host's own: lenient, but for what cannot be read. */
  configuration: [
    REVOKED,
    READ_PROTECTED,
    unreadableAt("session"),
    named("{ session: a revoked Proxy }", { session: REVOKED }),
  ],
  log: ["x", 7, null, true, SYMBOL, { warn: 1 }, { warn: null }, REVOKED, unreadableAt("warn")],
  path: ["", "a\0b", ...NO_TEXTS, Buffer.from("a"), FUNCTION, ...NO_PATHS],
  paths: ["a", 7, null, {}, [""], ["a", "b\0"], [7], [null], SYMBOL, REVOKED, READ_PROTECTED],
  texts: ["a", 7, null, {}, [7], ["a", null], [SYMBOL], REVOKED, READ_PROTECTED],
  textOrBytes: [7, 7n, null, true, {}, [1, 2], new Uint16Array(2), SYMBOL, NO_TEXT, REVOKED],
  /** Milliseconds to wait: 0 and Infinity are right. */
  timeout: [...NO_NUMBERS, ...TOO_SMALL, 0.5],
  /** Milliseconds that something lasts. */
  duration: [...NO_NUMBERS, ...TOO_SMALL, 0, 0.5, Infinity, 2 ** 53],
  durationOrInfinity: [...NO_NUMBERS, ...TOO_SMALL, 0, 0.5],
  slice: [...NO_NUMBERS, ...TOO_SMALL],
  time: [...NO_NUMBERS, new Date(0), Number.NaN, Infinity, -Infinity],
  interval: [...NO_NUMBERS, ...TOO_SMALL, 0, Infinity, 2 ** 31],
  count: [...NO_NUMBERS, ...TOO_SMALL, 0.5, Infinity, 2 ** 53],
  positive: [...NO_NUMBERS, ...TOO_SMALL, 0, 0.5, Infinity, 2 ** 53],
  /** Measured, and therefore anything. */
  number: NO_NUMBERS,
  bigint: ["7", 7, Number.NaN, null, true, {}, SYMBOL, NO_TEXT, REVOKED],
} as const;

/** What of a kind may be left out. */
export const absent = [undefined] as const;

/** A choice's: none of these is in any list of this package. */
export const NO_CHOICE = ["", "toString", 7, 0, 7n, null, true, {}, [], SYMBOL, NO_TEXT, REVOKED];

/** What no pid can be, and what no process can have as its pid. */
export const NO_PIDS = [
  "7",
  7n,
  -1,
  0,
  -0,
  0.5,
  Number.NaN,
  Infinity,
  -Infinity,
  2 ** 32 + 7,
  2 ** 53,
  Number.MAX_VALUE,
  null,
  true,
  {},
  SYMBOL,
  NO_TEXT,
  NULL_PROTOTYPE,
  REVOKED,
  READ_PROTECTED,
  FUNCTION,
];

/** Texts that are no tokens, beside those that a valid one is made into. */
export function noTokens(token: string): string[] {
  const fields = token.split(".");
  const withPid = (pid: string, text: string): string => named(text, fields.with(6, pid).join("."));
  return [
    "",
    "7",
    "\0",
    "pi1",
    named("the pid alone", String(process.pid)),
    named("a token with a space before it", ` ${token}`),
    named("a token with a NUL behind it", `${token}\0`),
    named("a token with another field", `${token}.0`),
    named("a token without its last field", fields.slice(0, -1).join(".")),
    named("a token in capitals", token.toUpperCase()),
    named("two tokens", `${token} ${token}`),
    withPid("0", "a token of pid 0"),
    withPid("-1", "a token of pid -1"),
    withPid("7n", "a token of pid 7n"),
    withPid("007", "a token of pid 007"),
    withPid(String(2 ** 32 + 7), "a token of pid 2^32+7"),
    named("a million letters", "a".repeat(1_000_000)),
  ];
}

/** As a table shows it. */
export function shownInTable(value: unknown): string {
  const options = { depth: 0, breakLength: Infinity, maxStringLength: 20 };
  return SHOWN_AS.get(value) ?? inspect(value, options);
}
