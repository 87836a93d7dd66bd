/** Calls to etcd's JSON gateway: over the endpoints in turn, with a token where there are credentials. */
import { abortReason, onAbort, throwIfAborted } from "../../util/on-abort.js";
import { startTimer } from "../../util/timers.js";
import {
  allFailed,
  EtcdFailure,
  failureIn,
  INVALID_ARGUMENT,
  notEtcd,
  refused,
  unanswered,
  UNAUTHENTICATED,
} from "./failure.js";
import { int64In, type Json, objectIn, parseObject, readLines } from "./json.js";
import { type Credentials, Token } from "./token.js";
import type { HttpAnswer, Transport } from "./transport.js";

/** How long, and until when, an answer is waited for. */
export interface Patience {
  readonly signal: AbortSignal;
  /**
   * How long the first question to all endpoints may take together, milliseconds. A member that is stopped takes a
   * question and says nothing, and so does one that has passed a renewal on to a leader that is stopped, for seconds after
   * there is a new one: asking again beats waiting. Each round may take twice as long as the one before, for an etcd
   * that is merely slow.
   */
  readonly roundMs: number;
}

export class EtcdGateway {
  readonly #endpoints: readonly string[];
  readonly #transport: Transport;
  readonly #credentials: Credentials | null;
  readonly #token = new Token();
  /** Index of the endpoint that is asked first: the last that answered. */
  #first = 0;
  #clusterId: string | null = null;

  /** @param endpoints - at least one, without a slash at its end */
  constructor(endpoints: readonly string[], transport: Transport, credentials: Credentials | null) {
    this.#endpoints = endpoints;
    this.#transport = transport;
    this.#credentials = credentials;
  }

  /** The cluster that has answered, hexadecimal as etcdctl prints it; null before the first answer. */
  get clusterId(): string | null {
    return this.#clusterId;
  }

  /**
   * One question with one answer; of a stream's answers it is the first.
   *
   * Asked again at the next endpoint where one does not answer, and at all of them while `signal` lets it: the first may
   * have done it all the same.
   *
   * @throws EtcdFailure; when `signal` aborts, one that is retryable
   */
  async call(path: string, body: Json, { signal, roundMs }: Patience): Promise<Json> {
    const count = this.#endpoints.length;
    for (let limitMs = roundMs / count; ; limitMs *= 2) {
      const failures: EtcdFailure[] = [];
      let isSilent = false;
      const start = this.#first;
      for (let turn = 0; turn < count; turn++) {
        const index = (start + turn) % count;
        const limit = limited(signal, limitMs);
        try {
          return await this.#askOne(index, path, body, limit.signal);
        } catch (error) {
          const failure = error instanceof EtcdFailure ? error : this.#unanswered(index, error);
          failures.push(failure);
          if (!failure.isOfTheMember) throw failure;
          this.#leave(index);
          if (signal.aborted) throw allFailed(failures);
          isSilent ||= limit.signal.aborted;
        } finally {
          limit.stop();
        }
      }
      // What was refused everywhere is the caller's to repeat, after a pause.
      if (!isSilent) throw allFailed(failures);
    }
  }

  /**
   * The documents of one stream at one endpoint, until it ends or `signal` aborts; the next stream is opened at another
   * endpoint if this one does not answer or breaks off.
   *
   * @throws EtcdFailure
   */
  async *stream(path: string, body: Json, signal: AbortSignal): AsyncGenerator<Json> {
    const index = this.#first;
    const endpoint = this.#endpoint(index);
    try {
      const answer = await this.#authorized(index, path, body, signal);
      for await (const line of readLines(answer.body)) {
        yield objectIn(this.#checked(endpoint, line), "result");
      }
    } catch (error) {
      const failure = error instanceof EtcdFailure ? error : this.#unanswered(index, error);
      if (failure.isOfTheMember && !signal.aborted) this.#leave(index);
      throw failure;
    }
  }

  async #askOne(index: number, path: string, body: Json, signal: AbortSignal): Promise<Json> {
    const endpoint = this.#endpoint(index);
    const answer = await this.#authorized(index, path, body, signal);
    const document = this.#checked(endpoint, await firstLine(answer));
    this.#first = index;
    return "result" in document ? objectIn(document, "result") : document;
  }

  /** With a token; with a new one, once, where etcd does not take it. */
  async #authorized(
    index: number,
    path: string,
    body: Json,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    if (this.#credentials === null) return await this.#post(index, path, body, signal, null);
    const token = await this.#tokenAt(index, signal, undefined);
    try {
      return await this.#post(index, path, body, signal, token);
    } catch (error) {
      // INVALID_ARGUMENT: authentication was turned on, or its users changed, since the token.
      const status = error instanceof EtcdFailure ? error.status : null;
      if (status !== UNAUTHENTICATED && status !== INVALID_ARGUMENT) throw error;
      const renewed = await this.#tokenAt(index, signal, token);
      return await this.#post(index, path, body, signal, renewed);
    }
  }

  async #tokenAt(
    index: number,
    signal: AbortSignal,
    stale: string | null | undefined,
  ): Promise<string | null> {
    const { username, password } = this.#credentials ?? { username: "", password: "" };
    const endpoint = this.#endpoint(index);
    const authenticate = async (asking: AbortSignal): Promise<string> => {
      try {
        const question = { name: username, password };
        const answer = await this.#post(index, "/v3/auth/authenticate", question, asking, null);
        const text = await firstLine(answer);
        const { token } = this.#checked(endpoint, text);
        if (typeof token !== "string") throw notEtcd(endpoint, "an authentication without a token");
        return token;
      } catch (error) {
        // Other callers may be told of it, who were to ask another endpoint.
        throw error instanceof EtcdFailure ? error : unanswered(endpoint, error);
      }
    };
    return await this.#token.get(authenticate, signal, stale);
  }

  async #post(
    index: number,
    path: string,
    body: Json,
    signal: AbortSignal,
    token: string | null,
  ): Promise<HttpAnswer> {
    throwIfAborted(signal);
    const endpoint = this.#endpoint(index);
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (token !== null) headers["authorization"] = token;
    const request = { headers, body: JSON.stringify(body), signal };
    const answer = await this.#transport(endpoint + path, request);
    if (answer.status === 200) return answer;
    throw refused(endpoint, answer.status, await firstLine(answer));
  }

  /** A document that is no error, and of the cluster that has answered before. */
  #checked(endpoint: string, line: string): Json {
    const document = parseObject(line);
    if (document === null) throw notEtcd(endpoint, line);
    const failure = failureIn(endpoint, document);
    if (failure !== null) throw failure;
    const answer = "result" in document ? objectIn(document, "result") : document;
    if (!("header" in answer)) throw notEtcd(endpoint, line);
    const clusterId = int64In(objectIn(answer, "header"), "cluster_id");
    // 0: a proxy that does not pass it on.
    if (clusterId !== 0n) this.#insistOnOneCluster(endpoint, clusterId.toString(16));
    return document;
  }

  /** Two clusters would give one key to two holders. */
  #insistOnOneCluster(endpoint: string, clusterId: string): void {
    this.#clusterId ??= clusterId;
    if (this.#clusterId === clusterId) return;
    throw new EtcdFailure(
      `${endpoint}: answers for cluster ${clusterId}, before it was ${this.#clusterId}: all endpoints must be of one cluster`,
      { isOfTheMember: false, isRetryable: false },
    );
  }

  #endpoint(index: number): string {
    return this.#endpoints[index] ?? "";
  }

  #unanswered(index: number, error: unknown): EtcdFailure {
    return unanswered(this.#endpoint(index), error);
  }

  /** Begins with another endpoint from now on, if this one was the first. */
  #leave(index: number): void {
    if (this.#first === index) this.#first = (index + 1) % this.#endpoints.length;
  }
}

/** Reads to the end, which leaves the connection for the next question. */
async function firstLine({ body }: HttpAnswer): Promise<string> {
  let first: string | null = null;
  for await (const line of readLines(body)) first ??= line;
  return first ?? "";
}

/** A signal that aborts with another, or after `ms` milliseconds. */
function limited(
  signal: AbortSignal,
  ms: number,
): { readonly signal: AbortSignal; readonly stop: () => void } {
  const limit = new AbortController();
  const late = (): void => limit.abort(new Error(`no answer within ${String(Math.round(ms))} ms`));
  const stopTimer = startTimer(late, ms, { keepsAlive: false });
  const stopListening = onAbort(signal, () => limit.abort(abortReason(signal)));
  if (signal.aborted) limit.abort(abortReason(signal));
  return {
    signal: limit.signal,
    stop: () => {
      stopTimer();
      stopListening();
    },
  };
}
