/** Whether the pid in a lock that is held names its holder here. */
import { expect, test, vi } from "vitest";

import type { ProcessVerdict } from "../../../lib/process/judge-token.js";
import { formatToken, type ProcessToken, type TokenHost } from "../../../lib/process/token.js";
import type { LockPayload } from "../../../lib/lock/protocol/payload.js";
import type { EvidenceSource } from "../../../lib/lock/verdict/evidence.js";
import { heldFrom, type HeldFrom } from "../../../lib/lock/verdict/held-from.js";
import type { KernelEvidence } from "../../../lib/lock/verdict/kernel-evidence.js";
import { DEAD as GONE_OWNER, HELD } from "./lock-facts.js";
import { CONTAINER, DEAD, EARLIER, HOST, payload, RUNNING, TOKEN } from "./owner-facts.js";

function evidence(tokenHost: TokenHost, verdict = RUNNING): EvidenceSource {
  return { tokenHost, verify: vi.fn(() => verdict) } as object as EvidenceSource;
}

function lockOf(token: ProcessToken): LockPayload {
  return payload({ owner: formatToken(token), nonce: "n" });
}

test.each<
  [
    what: string,
    token: ProcessToken,
    kernel: KernelEvidence,
    verdict: ProcessVerdict,
    expected: HeldFrom | null,
  ]
>([
  ["the holder is that very process", TOKEN, "held", RUNNING, null],
  ["it was taken in another boot or machine", EARLIER, "held", RUNNING, "other-host"],
  ["its owner has ended, and another process has its lock", TOKEN, "held", DEAD, "heir"],
  ["its owner has ended, but nothing says that it is held", TOKEN, "silent", DEAD, null],
  [
    "its holder is in a container",
    { ...TOKEN, pidNamespace: CONTAINER },
    "held",
    RUNNING,
    "other-pid-namespace",
  ],
  [
    "its owner in a container has ended",
    { ...TOKEN, pidNamespace: CONTAINER },
    "held",
    DEAD,
    "heir",
  ],
])("where %s", (_what, token, kernel, verdict, expected) => {
  expect(heldFrom(lockOf(token), { owner: HELD, kernel }, evidence(HOST, verdict))).toBe(expected);
});

test("without a payload, a token or an owner that is proven there is nothing to tell, and nothing is asked", () => {
  const source = evidence(HOST, DEAD);
  const other = { ...TOKEN, pidNamespace: CONTAINER };
  const held = { owner: HELD, kernel: "held" } as const;
  expect(heldFrom(null, held, source)).toBeNull();
  expect(heldFrom(payload({ nonce: "n" }), held, source)).toBeNull();
  expect(heldFrom(payload({ owner: "pi1.nonsense" }), held, source)).toBeNull();
  expect(heldFrom(lockOf(other), { ...held, owner: GONE_OWNER }, source)).toBeNull();
  expect(source.verify).not.toHaveBeenCalled();
});
