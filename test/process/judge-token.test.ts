/** Verdicts on tokens: every kind of evidence, and what is missing of it. */
import fc from "fast-check";
import { expect, test } from "vitest";

import type { ProcessIdentity } from "../../lib/process/backends/backend.js";
import { judgeToken } from "../../lib/process/judge-token.js";
import type { NestedProcess } from "../../lib/process/nested-processes.js";
import {
  INITIAL_PID_NAMESPACE,
  type ProcessToken,
  type TokenHost,
} from "../../lib/process/token.js";

const BOOT = "c707c71d3a604d30a4b83d7a1d0cb1c7";
const OTHER_BOOT = "0123456789abcdef0123456789abcdef";

const TOKEN: ProcessToken = {
  platform: "linux",
  hostDigest: "256f26e41ea79230",
  hostnameDigest: "409a294e",
  boot: BOOT,
  pidNamespace: INITIAL_PID_NAMESPACE,
  pid: 4711,
  startTime: 132119,
  exactId: "8812345",
};

const HOST: TokenHost = {
  platform: "linux",
  hostDigest: TOKEN.hostDigest,
  hostnameDigest: TOKEN.hostnameDigest,
  boot: BOOT,
  pidNamespace: INITIAL_PID_NAMESPACE,
  initialPidNamespace: true,
  isHostIdPinned: false,
};
const RUNNING: ProcessIdentity = {
  state: "alive",
  reason: "running",
  startTime: TOKEN.startTime,
  exactId: TOKEN.exactId,
};
const ABSENT: ProcessIdentity = {
  state: "gone",
  reason: "no-such-process",
  startTime: null,
  exactId: null,
};
const MUTE = { state: "unknown", reason: "unsupported" } as const;
/** The token's process as a look at its container finds it. */
const INNER: NestedProcess = {
  outerPid: 4242,
  startTime: TOKEN.startTime,
  exactId: TOKEN.exactId,
  startTimeOffset: 0,
  pidNamespace: "4026532001",
};

interface Situation {
  readonly token?: Partial<ProcessToken>;
  readonly host?: Partial<TokenHost>;
  /** Absent: asking for it fails the test. */
  readonly current?: Partial<ProcessIdentity>;
  readonly byExactId?: Pick<ProcessIdentity, "state" | "reason">;
  /** Those with the token's pid in nested namespaces; null: nothing was looked at. Absent: as above. */
  readonly nested?: readonly Partial<NestedProcess>[] | null;
  /** Some process may have been hidden from that look. */
  readonly incomplete?: true;
}

function judge({ token, host, current, byExactId, nested, incomplete }: Situation): string {
  const verdict = judgeToken(
    { ...TOKEN, ...token },
    { ...HOST, ...host },
    {
      identity(pid) {
        if (current === undefined) throw new Error("this pid means nothing here");
        expect(pid).toBe(TOKEN.pid);
        return { ...RUNNING, ...current };
      },
      byExactId(exactId) {
        if (byExactId === undefined) throw new Error("no need to ask");
        expect(exactId).toBe(TOKEN.exactId);
        return byExactId;
      },
      nested() {
        if (nested === undefined) throw new Error("no need to look");
        if (nested === null) return null;
        return {
          isComplete: incomplete !== true,
          having(pid) {
            expect(pid).toBe(TOKEN.pid);
            return nested.map((facts) => ({ ...INNER, ...facts }));
          },
        };
      },
    },
  );
  return `${verdict.state} ${verdict.reason}`;
}

test("what is no token is unknown", () => {
  const lookups = { identity: () => ABSENT, byExactId: () => MUTE, nested: () => null };
  expect(judgeToken(null, HOST, lookups)).toEqual({ state: "unknown", reason: "malformed" });
});

const INSIDE: Partial<TokenHost> = { pidNamespace: "4026532001", initialPidNamespace: false };
const PINNED: Partial<TokenHost> = { isHostIdPinned: true };
const boots: [string, Situation, string][] = [
  ["another platform", { token: { platform: "darwin" } }, "unknown other-host"],
  ["the same platform's sibling", { token: { platform: "android" } }, "unknown other-host"],
  ["another boot of this machine", { token: { boot: OTHER_BOOT } }, "gone rebooted"],
  [
    "another boot, another machine",
    { token: { boot: OTHER_BOOT, hostDigest: "0".repeat(16) } },
    "unknown other-host",
  ],
  [
    "another boot, machine unknown",
    { token: { boot: OTHER_BOOT, hostDigest: null } },
    "unknown other-host",
  ],
  [
    "another boot, both machines unknown",
    { token: { boot: OTHER_BOOT, hostDigest: null }, host: { hostDigest: null } },
    "unknown other-host",
  ],
  [
    "another boot, another host name: machines are renamed",
    { token: { boot: OTHER_BOOT, hostnameDigest: "0".repeat(8) } },
    "gone rebooted",
  ],
  [
    "another boot, both host names unknown",
    { token: { boot: OTHER_BOOT, hostnameDigest: null }, host: { hostnameDigest: null } },
    "gone rebooted",
  ],
  [
    "another boot, written in a container, whose machine id may be its image's",
    { token: { boot: OTHER_BOOT, pidNamespace: "4026532001" } },
    "unknown other-host",
  ],
  [
    "another boot, namespace unknown",
    { token: { boot: OTHER_BOOT, pidNamespace: null } },
    "unknown other-host",
  ],
  [
    "another boot, read in a container",
    { token: { boot: OTHER_BOOT }, host: INSIDE },
    "unknown other-host",
  ],
  [
    "another boot, written and read in containers",
    { token: { boot: OTHER_BOOT, pidNamespace: "4026532001" }, host: INSIDE },
    "unknown other-host",
  ],
  [
    "another boot, written and read in containers of one pinned host id",
    { token: { boot: OTHER_BOOT, pidNamespace: "4026532001" }, host: { ...INSIDE, ...PINNED } },
    "gone rebooted",
  ],
  [
    "another boot, the pinned host id is equal, the namespace unknown",
    { token: { boot: OTHER_BOOT, pidNamespace: null }, host: PINNED },
    "gone rebooted",
  ],
  [
    "another boot, the pinned host id is another",
    {
      token: { boot: OTHER_BOOT, hostDigest: "0".repeat(16) },
      host: { ...INSIDE, ...PINNED },
    },
    "unknown other-host",
  ],
  [
    "another boot, pinned here, the token's machine unknown",
    { token: { boot: OTHER_BOOT, hostDigest: null }, host: { ...INSIDE, ...PINNED } },
    "unknown other-host",
  ],
  [
    "the token's boot unknown, the host id pinned and equal",
    { token: { boot: null }, host: PINNED },
    "unknown other-host",
  ],
  [
    "our boot unknown, the host id pinned and equal",
    { host: { boot: null, ...PINNED } },
    "unknown other-host",
  ],
  [
    "another platform, the host id pinned and equal",
    { token: { platform: "darwin", boot: OTHER_BOOT }, host: PINNED },
    "unknown other-host",
  ],
  ["the token's boot unknown", { token: { boot: null } }, "unknown other-host"],
  ["our boot unknown", { host: { boot: null } }, "unknown other-host"],
  ["both boots unknown", { token: { boot: null }, host: { boot: null } }, "unknown other-host"],
];
test.each(boots)("a token is judged by its boot: %s", (_, given, expected) => {
  expect(judge(given)).toBe(expected);
});

test("on macOS and Windows the one namespace is 0", () => {
  const host = { platform: "win32", pidNamespace: "0" };
  const token = { platform: "win32", pidNamespace: "0", boot: OTHER_BOOT };
  expect(judge({ token, host })).toBe("gone rebooted");
  expect(judge({ token: { ...token, pidNamespace: INITIAL_PID_NAMESPACE }, host })).toBe(
    "unknown other-host",
  );
});

test("an equal boot id beats a different machine id, as a container has its own", () => {
  expect(judge({ token: { hostDigest: "0".repeat(16) }, current: {} })).toBe("same running");
});

const inside = { pidNamespace: "4026532001" };
const namespaces: [string, Situation, string][] = [
  [
    "found by its exact id",
    { token: inside, byExactId: { state: "alive", reason: "running" } },
    "same running",
  ],
  [
    "proven absent",
    { token: inside, byExactId: { state: "gone", reason: "no-such-process" } },
    "gone no-such-process",
  ],
  ["a zombie", { token: inside, byExactId: { state: "gone", reason: "zombie" } }, "gone zombie"],
  ["exited", { token: inside, byExactId: { state: "gone", reason: "exited" } }, "gone exited"],
  [
    "not to be asked, no look made",
    { token: inside, byExactId: MUTE, nested: null },
    "unknown other-pid-namespace",
  ],
  [
    "without exact id, no look made",
    { token: { ...inside, exactId: null }, nested: null },
    "unknown other-pid-namespace",
  ],
  [
    "in a container nothing is to be seen of its neighbours",
    {
      token: inside,
      host: { pidNamespace: "4026532002", initialPidNamespace: false },
      byExactId: MUTE,
    },
    "unknown other-pid-namespace",
  ],
  [
    "seen in its container, by exact id",
    { token: inside, byExactId: MUTE, nested: [{ startTime: null, pidNamespace: null }] },
    "same running",
  ],
  [
    "its pid in there is another process's by exact id, in the same tick",
    { token: inside, byExactId: MUTE, nested: [{ exactId: "1" }] },
    "gone no-such-process",
  ],
  [
    "seen in its container, by start time",
    { token: inside, byExactId: MUTE, nested: [{ exactId: null }] },
    "same running",
  ],
  [
    "seen in its container, without exact id in the token",
    { token: { ...inside, exactId: null }, nested: [{}] },
    "same running",
  ],
  [
    "seen with a start time of another rounding",
    { token: inside, byExactId: MUTE, nested: [{ exactId: null, startTime: 132_120 }] },
    "same running",
  ],
  [
    "its pid in there is a later process's",
    { token: inside, byExactId: MUTE, nested: [{ exactId: null, startTime: 132_121 }] },
    "gone no-such-process",
  ],
  [
    "that pid with that start time in another container only",
    { token: inside, byExactId: MUTE, nested: [{ exactId: null, pidNamespace: "4026532009" }] },
    "gone no-such-process",
  ],
  [
    "that pid with that start time in a container that may not be named",
    { token: inside, byExactId: MUTE, nested: [{ exactId: null, pidNamespace: null }] },
    "same running",
  ],
  [
    "among others of that pid",
    {
      token: inside,
      byExactId: MUTE,
      nested: [{ exactId: "1" }, { exactId: null, startTime: 7 }, {}],
    },
    "same running",
  ],
  [
    "its pid in there is a process's of which nothing more is to be had",
    { token: inside, byExactId: MUTE, nested: [{ exactId: null, startTime: null }] },
    "unknown other-pid-namespace",
  ],
  [
    "nothing comparable in the token",
    { token: { ...inside, exactId: null, startTime: null }, nested: [{}] },
    "unknown other-pid-namespace",
  ],
  [
    "no process has that pid in any container",
    { token: inside, byExactId: MUTE, nested: [] },
    "gone no-such-process",
  ],
  [
    "no process has it, but some may be hidden",
    { token: inside, byExactId: MUTE, nested: [], incomplete: true },
    "unknown other-pid-namespace",
  ],
  [
    "only a later process has it, but some may be hidden",
    { token: inside, byExactId: MUTE, nested: [{ exactId: "1" }], incomplete: true },
    "unknown other-pid-namespace",
  ],
  [
    "seen, though others may be hidden",
    { token: inside, byExactId: MUTE, nested: [{}], incomplete: true },
    "same running",
  ],
  [
    // It may be our own, where a look at containers does not find it.
    "the token's unknown, no container has that pid",
    { token: { pidNamespace: null }, byExactId: MUTE, nested: [] },
    "unknown other-pid-namespace",
  ],
  [
    "the token's unknown, found in a container",
    { token: { pidNamespace: null }, byExactId: MUTE, nested: [{ exactId: null }] },
    "same running",
  ],
  [
    "the token's unknown, no look made",
    { token: { pidNamespace: null }, byExactId: MUTE, nested: null },
    "unknown other-pid-namespace",
  ],
  [
    "ours unknown",
    { host: { pidNamespace: null, initialPidNamespace: false }, byExactId: MUTE },
    "unknown other-pid-namespace",
  ],
  [
    "both unknown",
    {
      token: { pidNamespace: null },
      host: { pidNamespace: null, initialPidNamespace: false },
      byExactId: MUTE,
    },
    "unknown other-pid-namespace",
  ],
  [
    "both unknown, found by exact id",
    {
      token: { pidNamespace: null },
      host: { pidNamespace: null, initialPidNamespace: false },
      byExactId: { state: "alive", reason: "running" },
    },
    "same running",
  ],
];
test.each(namespaces)("a token is judged by its pid namespace: %s", (_, given, expected) => {
  expect(judge(given)).toBe(expected);
});

const start = TOKEN.startTime ?? 0;
const byPid: [string, Situation, string][] = [
  ["it runs", { current: {} }, "same running"],
  ["no process", { current: ABSENT }, "gone no-such-process"],
  [
    "a thread of another process",
    { current: { ...ABSENT, reason: "thread-id" } },
    "gone no-such-process",
  ],
  [
    "a number that cannot be",
    { current: { ...ABSENT, reason: "invalid-pid" } },
    "gone no-such-process",
  ],
  ["a zombie without facts", { current: { ...ABSENT, reason: "zombie" } }, "gone zombie"],
  [
    "an exited process",
    { current: { ...RUNNING, state: "gone", reason: "exited" } },
    "gone exited",
  ],
  [
    "another process's zombie",
    { current: { state: "gone", reason: "zombie", exactId: "1" } },
    "gone recycled",
  ],
  ["another exact id", { current: { exactId: "8812346" } }, "gone recycled"],
  [
    "another exact id, same tick",
    { current: { exactId: "8812346", startTime: start } },
    "gone recycled",
  ],
  ["same exact id, other start time", { current: { startTime: start + 500 } }, "same running"],
  [
    "same exact id, details denied",
    { current: { reason: "access-denied", startTime: null } },
    "same running",
  ],
  [
    "same exact id, liveness denied",
    { current: { state: "unknown", reason: "access-denied" } },
    "unknown access-denied",
  ],
  [
    "other exact id, liveness denied",
    { current: { state: "unknown", reason: "access-denied", exactId: "1" } },
    "gone recycled",
  ],
  ["start time equal", { current: { exactId: null } }, "same running"],
  [
    "start time equal, token without exact id",
    { token: { exactId: null }, current: {} },
    "same running",
  ],
  [
    "start time a tick later: another rounding",
    { current: { exactId: null, startTime: start + 1 } },
    "same running",
  ],
  [
    "start time a tick earlier",
    { current: { exactId: null, startTime: start - 1 } },
    "same running",
  ],
  [
    "start time two ticks later",
    { current: { exactId: null, startTime: start + 2 } },
    "gone recycled",
  ],
  [
    "start time two ticks earlier",
    { current: { exactId: null, startTime: start - 2 } },
    "gone recycled",
  ],
  [
    "denied",
    { current: { state: "unknown", reason: "access-denied", startTime: null, exactId: null } },
    "unknown access-denied",
  ],
  [
    "unsupported",
    { current: { state: "unknown", reason: "unsupported", startTime: null, exactId: null } },
    "unknown unsupported",
  ],
  [
    "alive and nothing else known",
    { current: { startTime: null, exactId: null } },
    "unknown unsupported",
  ],
  [
    "nothing comparable",
    { token: { startTime: null }, current: { exactId: null } },
    "unknown unsupported",
  ],
];
test.each(byPid)("a token is judged by the process that has its pid: %s", (_, given, expected) => {
  expect(judge(given)).toBe(expected);
});

test("elsewhere start times are microseconds: a millisecond is rounding, more is another process", () => {
  const at = (startTime: number): Situation => ({
    token: { platform: "darwin", pidNamespace: "0", exactId: null },
    host: { platform: "darwin", pidNamespace: "0" },
    current: { startTime },
  });
  expect(judge(at(start + 1000))).toBe("same running");
  expect(judge(at(start + 1001))).toBe("gone recycled");
});

test("a live process is never gone, whatever a token or host leaves out", () => {
  const erase = fc.constantFrom(
    "hostDigest",
    "hostnameDigest",
    "boot",
    "pidNamespace",
    "startTime",
    "exactId",
  );
  fc.assert(
    fc.property(fc.array(erase), fc.array(erase), (fromToken, fromHost) => {
      const blank = (names: string[]) => Object.fromEntries(names.map((name) => [name, null]));
      const host = { ...HOST, ...blank(fromHost) };
      const verdict = judgeToken({ ...TOKEN, ...blank(fromToken) }, host, {
        identity: () => ({ ...RUNNING, ...blank(fromHost) }),
        byExactId: () => MUTE,
        // Its number in our namespace is the one by which a look finds it in its own.
        nested: () => ({
          isComplete: true,
          having: () => [{ ...INNER, pidNamespace: INITIAL_PID_NAMESPACE, ...blank(fromHost) }],
        }),
      });
      expect(verdict.state).not.toBe("gone");
    }),
  );
});
