import { describe, expect, test } from "vitest";

import { etcdLeases } from "../../lib/lease/etcd.js";

const ENDPOINTS = ["http://127.0.0.1:2379"];
const PEM = "-----BEGIN CERTIFICATE-----";

/** Title, options, code and message. */
const REFUSED: readonly (readonly [string, unknown, string, string])[] = [
  ["no options", undefined, "ERR_INVALID_ARG_TYPE", "options must be an object, got undefined"],
  [
    "no endpoints",
    {},
    "ERR_INVALID_ARG_TYPE",
    "options.endpoints must be an array of one or more URLs (string or URL), got undefined",
  ],
  [
    "an empty array of endpoints",
    { endpoints: [] },
    "ERR_OUT_OF_RANGE",
    "options.endpoints must be an array of one or more URLs (string or URL), got []",
  ],
  [
    "an endpoint without a scheme",
    { endpoints: [...ENDPOINTS, "127.0.0.1:2379"] },
    "ERR_OUT_OF_RANGE",
    "options.endpoints[1] must be an http: or https: URL such as http://127.0.0.1:2379, got '127.0.0.1:2379'",
  ],
  [
    "an endpoint of gRPC's kind",
    { endpoints: ["etcd-0:2379"] },
    "ERR_OUT_OF_RANGE",
    "options.endpoints[0] must be an http: or https: URL such as http://127.0.0.1:2379, got 'etcd-0:2379'",
  ],
  [
    "an endpoint that is a number",
    { endpoints: [2379] },
    "ERR_INVALID_ARG_TYPE",
    "options.endpoints[0] must be an http: or https: URL such as http://127.0.0.1:2379, got 2379",
  ],
  [
    "an endpoint with a user",
    { endpoints: ["http://me:secret@127.0.0.1:2379"] },
    "ERR_INVALID_ARG_VALUE",
    "options.endpoints[0] must have no user in it, which options.username and options.password are for",
  ],
  [
    "an endpoint with a query",
    { endpoints: ["http://127.0.0.1:2379?a=b"] },
    "ERR_OUT_OF_RANGE",
    "options.endpoints[0] must be an http: or https: URL such as http://127.0.0.1:2379, without a query, got 'http://127.0.0.1:2379?a=b'",
  ],
  [
    "a user without a password",
    { endpoints: ENDPOINTS, username: "me" },
    "ERR_INVALID_ARG_VALUE",
    "options.username goes with options.password, which is missing",
  ],
  [
    "a password without a user",
    { endpoints: ENDPOINTS, password: "secret" },
    "ERR_INVALID_ARG_VALUE",
    "options.password goes with options.username, which is missing",
  ],
  [
    "an authority beside plain HTTP",
    { endpoints: ["https://127.0.0.1:1", ...ENDPOINTS], ca: PEM },
    "ERR_OUT_OF_RANGE",
    "options.endpoints[1] must be an https: URL, for options.ca is given, got 'http://127.0.0.1:2379'",
  ],
  [
    "an authority beside a fetch",
    { endpoints: ["https://127.0.0.1:1"], ca: PEM, fetch },
    "ERR_INVALID_ARG_VALUE",
    "options.ca and options.fetch exclude each other: fetch takes no certificates",
  ],
  [
    "the path of an authority's file",
    { endpoints: ["https://127.0.0.1:1"], ca: "/etc/ssl/ca.pem" },
    "ERR_OUT_OF_RANGE",
    "options.ca must be certificates as PEM (string, Uint8Array, or an array of them), got '/etc/ssl/ca.pem'",
  ],
  [
    "a number among authorities",
    { endpoints: ["https://127.0.0.1:1"], ca: [PEM, 1] },
    "ERR_INVALID_ARG_TYPE",
    "options.ca must be certificates as PEM (string, Uint8Array, or an array of them), got [ '-----BEGIN CERTIFICATE-----', 1 ]",
  ],
  [
    "a fetch that is none",
    { endpoints: ENDPOINTS, fetch: "fetch" },
    "ERR_INVALID_ARG_TYPE",
    "options.fetch must be a function, got 'fetch'",
  ],
  [
    "an empty prefix",
    { endpoints: ENDPOINTS, prefix: "" },
    "ERR_INVALID_ARG_TYPE",
    "options.prefix must be a string that is not empty, got ''",
  ],
  [
    "a misspelt option",
    { endpoints: ENDPOINTS, user: "me" },
    "ERR_UNKNOWN_OPTION",
    'options has no option "user": did you mean "username"?',
  ],
];

describe("options of etcdLeases", () => {
  test.each(REFUSED)(
    "%s is refused, with the field, what it must be and the value",
    (_, options, code, message) => {
      let refused: unknown;
      try {
        etcdLeases(options as Parameters<typeof etcdLeases>[0]);
      } catch (error) {
        refused = error;
      }
      expect(refused).toMatchObject({ code, message });
    },
  );

  test("an endpoint may be a URL, have a path and end with a slash; nothing is asked before the first lease", async () => {
    const asked: string[] = [];
    const store = etcdLeases({
      endpoints: [new URL("https://etcd.example/gateway/"), "https://etcd.example"],
      fetch: (url) => {
        asked.push(url instanceof Request ? url.url : String(url));
        return Promise.resolve(new Response("", { status: 503 }));
      },
    });
    expect(asked).toEqual([]);
    const attempt = store.tryAcquire({
      key: "key",
      holder: "holder",
      nonce: "nonce",
      ttlMs: 1000,
      signal: new AbortController().signal,
    });
    await expect(attempt).rejects.toMatchObject({
      code: "LEASE_STORE",
      operation: "acquire",
      retryable: true,
    });
    expect(asked).toEqual([
      "https://etcd.example/gateway/v3/lease/grant",
      "https://etcd.example/v3/lease/grant",
    ]);
  });
});
