/** Certificates for loopback, by openssl: an authority of the test's own, and a server's that it has signed. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/**
 * @param {string} folder - where they are kept
 * @returns {{ ca: string, caFile: string, certFile: string, keyFile: string }} `ca` is the authority's certificate, PEM
 */
export function makeCertificates(folder) {
  const file = (name) => join(folder, name);
  const openssl = (...args) => execFileSync("openssl", args, { stdio: "pipe" });
  openssl(
    "req",
    "-x509",
    ...KEY,
    "-days",
    "2",
    "-subj",
    "/CN=pidentity test authority",
    "-keyout",
    file("ca.key"),
    "-out",
    file("ca.pem"),
  );
  openssl(
    "req",
    "-new",
    ...KEY,
    "-subj",
    "/CN=127.0.0.1",
    "-keyout",
    file("server.key"),
    "-out",
    file("server.csr"),
  );
  writeFileSync(file("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  openssl(
    "x509",
    "-req",
    "-days",
    "2",
    "-in",
    file("server.csr"),
    "-out",
    file("server.pem"),
    "-CA",
    file("ca.pem"),
    "-CAkey",
    file("ca.key"),
    "-CAcreateserial",
    "-extfile",
    file("names"),
  );
  return {
    ca: readFileSync(file("ca.pem"), "utf8"),
    caFile: file("ca.pem"),
    certFile: file("server.pem"),
    keyFile: file("server.key"),
  };
}
