/** Why a call to etcd brought nothing, and whether it may bring something elsewhere or later. */
import { type Json, objectIn, parseObject } from "./json.js";
import { describeRefusal, isLastingRefusal } from "./transport.js";

/** gRPC's status codes, of which the gateway tells. https://grpc.io/docs/guides/status-codes/ */
export const INVALID_ARGUMENT = 3;
export const NOT_FOUND = 5;
export const FAILED_PRECONDITION = 9;
export const UNAUTHENTICATED = 16;

// CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, INTERNAL, UNAVAILABLE: of a member without a
// leader, without room, or on its way down. Every other code is etcd's answer, the same everywhere.
const OF_THE_MEMBER: ReadonlySet<number> = new Set([1, 2, 4, 8, 10, 13, 14]);

export class EtcdFailure extends Error {
  override readonly name = "EtcdFailure";
  /** gRPC's status code; null when it was not etcd that answered, or nothing did. */
  readonly status: number | null;
  /** Whether another member may do better. */
  readonly isOfTheMember: boolean;
  /** Whether the same call may succeed later. */
  readonly isRetryable: boolean;

  constructor(
    message: string,
    facts: {
      readonly status?: number | null;
      readonly isOfTheMember: boolean;
      readonly isRetryable: boolean;
      readonly cause?: unknown;
    },
  ) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.status = facts.status ?? null;
    this.isOfTheMember = facts.isOfTheMember;
    this.isRetryable = facts.isRetryable;
  }
}

/** There was no whole answer. */
export function unanswered(endpoint: string, cause: unknown): EtcdFailure {
  return new EtcdFailure(`${endpoint}: ${describeRefusal(cause)}`, {
    isOfTheMember: true,
    isRetryable: !isLastingRefusal(cause),
    cause,
  });
}

/** An answer with another HTTP status than 200, whatever gave it. */
export function refused(endpoint: string, httpStatus: number, text: string): EtcdFailure {
  const failure = failureIn(endpoint, parseObject(text) ?? {});
  if (failure !== null) return failure;
  // A proxy's, or another service's.
  const isRetryable = httpStatus >= 500 || httpStatus === 429 || httpStatus === 408;
  const said = text.trim().slice(0, 200);
  return new EtcdFailure(
    `${endpoint}: HTTP status ${String(httpStatus)}${said === "" ? "" : `: ${said}`}`,
    { isOfTheMember: true, isRetryable },
  );
}

/** What answers with 200 and is not etcd's gateway. */
export function notEtcd(endpoint: string, text: string): EtcdFailure {
  return new EtcdFailure(
    `${endpoint}: not an answer of etcd's JSON gateway: ${text.trim().slice(0, 200)}`,
    { isOfTheMember: true, isRetryable: false },
  );
}

/**
 * etcd's own error in a document: `{ code, message }` of a single answer, `{ error: { grpc_code, message } }` within a
 * stream (`code` in later versions).
 *
 * @returns null when there is none
 */
export function failureIn(endpoint: string, document: Json): EtcdFailure | null {
  const nested = objectIn(document, "error");
  const status = nested["grpc_code"] ?? nested["code"] ?? document["code"];
  if (typeof status !== "number" || status === 0) return null;
  const message = nested["message"] ?? document["message"] ?? document["error"];
  const isOfTheMember = OF_THE_MEMBER.has(status);
  return new EtcdFailure(
    `${endpoint}: ${typeof message === "string" ? message : `gRPC status ${String(status)}`}`,
    { status, isOfTheMember, isRetryable: isOfTheMember },
  );
}

/** Every endpoint has failed. */
export function allFailed(failures: readonly EtcdFailure[]): EtcdFailure {
  const [only] = failures;
  if (only !== undefined && failures.length === 1) return only;
  return new EtcdFailure(failures.map(({ message }) => message).join("; "), {
    isOfTheMember: true,
    isRetryable: failures.some(({ isRetryable }) => isRetryable),
    cause: new AggregateError(failures),
  });
}
