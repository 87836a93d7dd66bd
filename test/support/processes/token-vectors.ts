/** The vectors of lib/process/token.md, which test/lab/token/make-vectors.mjs has made. */
import { readFileSync } from "node:fs";

import type { ProcessIdentity } from "../../../lib/process/backends/backend.js";
import { judgeToken, type ProcessVerdict } from "../../../lib/process/judge-token.js";
import type { NestedProcess } from "../../../lib/process/nested-processes.js";
import { parseToken, type TokenHost } from "../../../lib/process/token.js";

/** What a reader saw of a token's process; null: it was not asked, and no verdict asks. */
export interface TokenFacts {
  readonly token: string;
  readonly atPid: ProcessIdentity | null;
  readonly byExactId: Pick<ProcessIdentity, "state" | "reason"> | null;
  /** null: no look was made. */
  readonly nested: {
    readonly isComplete: boolean;
    readonly having: readonly Omit<NestedProcess, "startTimeOffset" | "outerPid">[];
  } | null;
}

export interface TokenVector extends TokenFacts {
  readonly world: string;
  /** The name of one of the readers. */
  readonly reader: string;
  readonly verdict: ProcessVerdict;
  readonly made: "real" | "composed";
}

interface TokenVectors {
  readonly digests: readonly {
    readonly machineId: string | null;
    readonly hostname: string;
    readonly bootId: string | null;
    readonly fields: Pick<TokenHost, "hostDigest" | "hostnameDigest" | "boot">;
  }[];
  readonly readers: Readonly<Record<string, TokenHost>>;
  readonly vectors: readonly TokenVector[];
}

let read: TokenVectors | undefined;

export function readTokenVectors(): TokenVectors {
  const file = new URL("../../process/token-vectors.json", import.meta.url);
  return (read ??= JSON.parse(readFileSync(file, "utf8")) as TokenVectors);
}

/** The verdict on one of the file. */
export function judgeVector(vector: TokenVector): ProcessVerdict {
  const reader = readTokenVectors().readers[vector.reader];
  if (reader === undefined) throw new Error(`no such reader: ${vector.reader}`);
  return judgeFacts(vector, reader);
}

/** @throws when the verdict needs a fact that is not given */
export function judgeFacts(
  { token, atPid, byExactId, nested }: TokenFacts,
  reader: TokenHost,
): ProcessVerdict {
  return judgeToken(parseToken(token), reader, {
    identity: () => given(atPid),
    byExactId: () => given(byExactId),
    nested: () =>
      nested && {
        isComplete: nested.isComplete,
        having: () =>
          nested.having.map((found) => ({ ...found, startTimeOffset: null, outerPid: 1 })),
      },
  });
}

function given<T>(fact: T | null): T {
  if (fact === null) throw new Error("a fact that the verdict needs is missing");
  return fact;
}
