/** One HTTP exchange with etcd's gateway: by `fetch`, or by node:https where a certificate authority is given. */
import type { Agent } from "node:https";

import { errorCode } from "../../util/error-code.js";
import { https } from "../../util/node-modules.js";
import { onAbort, throwIfAborted } from "../../util/on-abort.js";

export interface HttpAnswer {
  readonly status: number;
  readonly body: AsyncIterable<Uint8Array>;
}

export interface HttpRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Ends the exchange, the body's arrival included. */
  readonly signal: AbortSignal;
}

/** A POST. Rejects when there is no answer: nothing listens, the name is unknown, a certificate is refused. */
export type Transport = (url: string, request: HttpRequest) => Promise<HttpAnswer>;

/** @param fetch - undefined: the global one of each call's time */
export function fetchTransport(fetch: typeof globalThis.fetch | undefined): Transport {
  return async (url, { headers, body, signal }) => {
    const send = fetch ?? globalThis.fetch;
    // A redirect would turn the POST into a GET, and take the token to another host.
    const init = { method: "POST", headers, body, signal, redirect: "manual" } as const;
    const { status, body: answer } = await send(url, init);
    return { status, body: chunksOf(answer, signal) };
  };
}

/**
 * A body's chunks until `signal` aborts, whatever fetch makes of that by then: Deno forgets the signal of an answer that
 * goes on when garbage is collected (seen with 2.9), and the stream then keeps the process alive.
 */
async function* chunksOf(
  body: ReadableStream<Uint8Array> | null,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const reader = body.getReader();
  const cancel = (): void => void reader.cancel().catch(() => {});
  const stopListening = onAbort(signal, cancel);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      throwIfAborted(signal);
      if (done) return;
      yield value;
    }
  } finally {
    stopListening();
    cancel();
  }
}

/** What `ca` may be: certificates as PEM. */
export type CertificateAuthority = string | Uint8Array | readonly (string | Uint8Array)[];

/** Trusts servers whose certificate `ca` has signed, and no others: fetch takes none. */
export function httpsTransport(ca: CertificateAuthority): Transport {
  let agent: Agent | undefined;
  return (url, { headers, body, signal }) =>
    new Promise((resolve, reject) => {
      // Idle connections are kept, and keep no process alive.
      agent ??= new (https().Agent)({ keepAlive: true, ca: asNodeTakesIt(ca) });
      const request = https().request(url, { method: "POST", headers, agent, signal }, (answer) => {
        // The reader of the body gets it; an abort before there is one must not end the process.
        answer.on("error", () => {});
        resolve({ status: answer.statusCode ?? 0, body: answer as AsyncIterable<Uint8Array> });
      });
      request.on("error", reject);
      request.end(body);
    });
}

function asNodeTakesIt(ca: CertificateAuthority): (string | Buffer)[] {
  const certificates = typeof ca === "string" || ca instanceof Uint8Array ? [ca] : ca;
  return certificates.map((one) => (typeof one === "string" ? one : Buffer.from(one)));
}

// OpenSSL's verdicts on a certificate, and a server that speaks no TLS at all.
const REFUSED_CERTIFICATE =
  /^(?:CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|ERR_TLS_CERT_|ERR_SSL_)/u;

/** Whether a failed exchange will fail again until a person changes something: certificates that are not accepted. */
export function isLastingRefusal(error: unknown): boolean {
  let cause = error;
  // fetch wraps what happened: "fetch failed".
  for (let depth = 0; depth < 5 && cause instanceof Error; depth++) {
    if (REFUSED_CERTIFICATE.test(errorCode(cause) ?? "")) return true;
    ({ cause } = cause);
  }
  return false;
}

/** What went wrong in an exchange, for a message: the innermost cause's words. */
export function describeRefusal(error: unknown): string {
  let innermost = error;
  for (let depth = 0; depth < 5; depth++) {
    if (!(innermost instanceof Error) || innermost.cause === undefined) break;
    innermost = innermost.cause;
  }
  if (!(innermost instanceof Error)) return String(innermost);
  // An AggregateError of several addresses has no message of its own.
  return innermost.message === "" ? (errorCode(innermost) ?? innermost.name) : innermost.message;
}
