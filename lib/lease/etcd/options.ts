/** What `etcdLeases` is given. */
import { outOfRange, typeError, wrongType } from "../../util/argument-error.js";
import { checkRequiredOptions, type OptionChecks } from "../../util/check-options.js";
import { checkFunction, checkName, checkString, optional } from "../../util/check-values.js";
import type { CertificateAuthority } from "./transport.js";

export interface EtcdLeasesOptions {
  /**
   * The client URLs of one cluster's members, e.g. `https://etcd-0:2379`; asked in turn, beginning with the last that
   * answered. Authentication is not part of them.
   */
  readonly endpoints: readonly (string | URL)[];
  /** Instead of the global one. */
  readonly fetch?: typeof globalThis.fetch;
  /** With `password`; the role needs to read and write all keys that begin with `prefix`. */
  readonly username?: string;
  readonly password?: string;
  /** Certificates (PEM) of the authority that has signed the servers'; the requests go through node:https then. */
  readonly ca?: CertificateAuthority;
  /** What all keys begin with that are kept in etcd; `pidentity/` by default. Contenders must agree on it. */
  readonly prefix?: string;
}

const CHECKS: OptionChecks<EtcdLeasesOptions> = {
  endpoints: checkEndpoints,
  fetch: optional(checkFunction),
  username: optional(checkName),
  password: optional(checkString),
  ca: optional(checkCertificates),
  prefix: optional(checkName),
};

/** @throws TypeError or RangeError that names the field, what was expected and the value */
export function checkEtcdOptions(options: EtcdLeasesOptions): void {
  checkRequiredOptions(options, CHECKS);
  const { endpoints, fetch, username, password, ca } = options;
  if ((username === undefined) !== (password === undefined)) {
    const [given, missing] =
      username === undefined ? ["password", "username"] : ["username", "password"];
    throw notTogether(`options.${given} goes with options.${missing}, which is missing`);
  }
  if (ca === undefined) return;
  if (fetch !== undefined) {
    throw notTogether(
      "options.ca and options.fetch exclude each other: fetch takes no certificates",
    );
  }
  const plain = endpoints.findIndex((endpoint) => new URL(endpoint).protocol !== "https:");
  if (plain !== -1) {
    const field = `options.endpoints[${String(plain)}]`;
    throw outOfRange(
      field,
      "an https: URL, for options.ca is given",
      shownEndpoint(endpoints[plain]),
    );
  }
}

function notTogether(message: string): TypeError {
  return typeError("ERR_INVALID_ARG_VALUE", message);
}

function checkEndpoints(field: string, value: unknown): void {
  const expected = "an array of one or more URLs (string or URL)";
  if (!Array.isArray(value)) throw wrongType(field, expected, value);
  if (value.length === 0) throw outOfRange(field, expected, value);
  for (const [index, endpoint] of value.entries()) {
    checkEndpoint(`${field}[${String(index)}]`, endpoint);
  }
}

const AN_ENDPOINT = "an http: or https: URL such as http://127.0.0.1:2379";

function checkEndpoint(field: string, value: unknown): void {
  if (typeof value !== "string" && !(value instanceof URL))
    throw wrongType(field, AN_ENDPOINT, value);
  const url = URL.canParse(String(value)) ? new URL(value) : null;
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw outOfRange(field, AN_ENDPOINT, shownEndpoint(value));
  }
  if (url.username !== "" || url.password !== "") {
    // The value has a password in it.
    throw typeError(
      "ERR_INVALID_ARG_VALUE",
      `${field} must have no user in it, which options.username and options.password are for`,
    );
  }
  if (url.search !== "" || url.hash !== "") {
    throw outOfRange(field, `${AN_ENDPOINT}, without a query`, shownEndpoint(value));
  }
}

function shownEndpoint(value: unknown): string {
  return value instanceof URL ? value.href : String(value);
}

function checkCertificates(field: string, value: unknown): void {
  const expected = "certificates as PEM (string, Uint8Array, or an array of them)";
  const certificates: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (certificates.length === 0) throw outOfRange(field, expected, value);
  for (const one of certificates) {
    if (typeof one !== "string" && !(one instanceof Uint8Array))
      throw wrongType(field, expected, value);
    // Node takes any text, and then trusts no server.
    if (!Buffer.from(one).includes("-----BEGIN ")) throw outOfRange(field, expected, value);
  }
}
