/** `pidentity/session-lock`. */
import { join } from "node:path";

import * as sessionLock from "../../../lib/session-lock/index.js";
import { absent, NO_CHOICE, REVOKED, unreadableAt, WRONG } from "../hostile-values.js";
import { breakFields, lockLeaseFields } from "./shared.js";
import type { Fields, Row, Rows } from "./rows.js";

const ACQUIRE: Fields["fields"] = {
  sessionFile: [...WRONG.path, ...absent],
  timeoutMs: WRONG.timeout,
  staleMs: WRONG.duration,
  maxHoldMs: WRONG.duration,
  allowReentrant: WRONG.boolean,
  signal: WRONG.signal,
  label: WRONG.label,
  onWait: WRONG.callback,
  onReclaimed: WRONG.callback,
  isOwnerArgv: WRONG.callback,
  readOwnerProcessArgs: WRONG.callback,
  plainLocks: NO_CHOICE,
  lease: ["x", 7, null, true],
  config: WRONG.configuration,
  env: WRONG.environment,
  envPrefix: WRONG.text,
};

function without(fields: Fields["fields"], ...names: string[]): Fields["fields"] {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));
}

const SWEEP: Fields["fields"] = {
  config: WRONG.configuration,
  env: WRONG.environment,
  envPrefix: WRONG.text,
  staleMs: WRONG.duration,
  removeStale: WRONG.boolean,
  dryRun: WRONG.boolean,
  nowMs: WRONG.time,
  log: WRONG.log,
  readOwnerProcessArgs: WRONG.callback,
  isOwnerArgv: WRONG.callback,
  plainLocks: NO_CHOICE,
  onProgress: WRONG.callback,
  report: NO_CHOICE,
  sliceMs: WRONG.slice,
  signal: WRONG.signal,
};

const LIMITS: Fields["fields"] = {
  timeoutMs: WRONG.timeout,
  staleMs: WRONG.duration,
  maxHoldMs: WRONG.duration,
  maxHoldMsFallback: WRONG.duration,
  env: WRONG.environment,
  envPrefix: WRONG.text,
};

const textOrNull = WRONG.text.filter((value) => value !== null);
const orNull = (wrong: readonly unknown[]): unknown[] => [
  ...wrong.filter((value) => value !== null),
  undefined,
];

const PAYLOAD: Fields["fields"] = {
  pid: orNull(WRONG.positive),
  createdAt: [...textOrNull, undefined],
  maxHoldMs: orNull(WRONG.positive),
  starttime: orNull(WRONG.count),
  owner: [...textOrNull, undefined],
  nonce: [...textOrNull, undefined],
  kernelLock: [...textOrNull, undefined],
  guard: [...textOrNull, undefined],
  monotonicMs: orNull(WRONG.time),
  label: [...textOrNull, undefined],
  fileSystem: [...textOrNull, undefined],
  verified: [false, "true", 1, {}, REVOKED, undefined],
  lease: ["x", 7, true, [], {}, REVOKED, undefined],
};

const payload: sessionLock.SessionLockPayload = {
  pid: 1,
  createdAt: null,
  maxHoldMs: null,
  starttime: null,
  owner: null,
  nonce: null,
  kernelLock: null,
  guard: null,
  monotonicMs: null,
  label: null,
  fileSystem: null,
  verified: null,
  lease: null,
};

const OWNER: Fields["fields"] = {
  state: [...NO_CHOICE, undefined],
  reason: [...WRONG.name, undefined],
  end: orNull(NO_CHOICE),
  undecidable: [...WRONG.boolean, undefined],
  needsNestedLook: [...WRONG.boolean, undefined],
};

const owner: sessionLock.OwnerJudgement = {
  state: "unknown",
  reason: "unproven",
  end: null,
  undecidable: false,
  needsNestedLook: false,
};

const age = [...WRONG.slice, undefined];
const boolean = [...WRONG.boolean, undefined];

const FACTS: Fields["fields"] = {
  nowMs: [...WRONG.time, undefined],
  staleMs: age,
  graceMs: age,
  mtimeMs: orNull(WRONG.time),
  monotonicNowMs: orNull(WRONG.time),
  respectMaxHold: boolean,
  unreadable: boolean,
  owner: WRONG.facts,
  kernel: [...NO_CHOICE, undefined],
  pidAlive: boolean,
  heldHere: boolean,
  isSelf: boolean,
  inWorkerThread: boolean,
  atAcquire: boolean,
  ownerArgs: [...WRONG.texts.filter((value) => value !== null), undefined],
  isOwnerArgv: [...WRONG.callback, undefined],
};

const facts: sessionLock.SessionLockFacts = {
  nowMs: 0,
  staleMs: 1,
  graceMs: 1,
  mtimeMs: null,
  monotonicNowMs: null,
  respectMaxHold: false,
  unreadable: false,
  owner,
  kernel: "silent",
  pidAlive: false,
  heldHere: false,
  isSelf: false,
  inWorkerThread: false,
  atAcquire: false,
  ownerArgs: null,
  isOwnerArgv: () => false,
};

/** Predicates of what a `catch` has caught: anything may be thrown. */
const THROWN = [
  undefined,
  null,
  "SESSION_WRITE_LOCK_TIMEOUT",
  7,
  7n,
  Symbol.iterator,
  {},
  [],
  { code: 7 },
  { code: { toString: () => "SESSION_WRITE_LOCK_TIMEOUT" } },
  { errors: "x" },
  REVOKED,
  unreadableAt("code"),
  unreadableAt("cause"),
  unreadableAt("errors"),
];

export function sessionLockRows(folder: string, heldIn: string): Rows {
  const sessionFile = join(folder, "s.jsonl");
  const lockPath = `${sessionFile}.lock`;
  const lock = sessionLock.acquireSessionWriteLockSync({
    sessionFile: join(heldIn, "s.jsonl"),
    // However long a busy machine takes for the table.
    maxHoldMs: 3_600_000,
  });
  const { acquireSessionWriteLock, acquireSessionWriteLockSync } = sessionLock;
  const predicate = (of: string, call: Row["call"]): Row => ({
    of,
    place: "error",
    call,
    wrong: THROWN,
    answers: true,
  });
  const options = (
    of: string,
    call: Fields["call"],
    base: object,
    fields: Fields["fields"],
  ): Fields => ({
    of,
    place: "options",
    call,
    base,
    fields,
    wrong: Object.keys(base).length > 0 ? [...WRONG.options, undefined] : WRONG.options,
    kind: "options",
  });
  const config = (of: string, call: Row["call"]): Row => ({
    of,
    place: "config",
    call,
    wrong: WRONG.configuration,
  });
  const env = (of: string, call: Row["call"]): Row => ({
    of,
    place: "env",
    call,
    wrong: WRONG.environment,
  });
  const { resolveSessionWriteLockAcquireTimeoutMs, resolveSessionWriteLockStaleMs } = sessionLock;
  return {
    rows: [
      {
        of: "withSessionWriteLock",
        place: "run",
        call: (wrong) => sessionLock.withSessionWriteLock({ sessionFile }, wrong),
        wrong: [...WRONG.callback, undefined],
      },
      {
        of: "SessionWriteLock.withFence",
        place: "write",
        call: (wrong) => lock.withFence(wrong),
        wrong: [...WRONG.callback, undefined, async () => {}],
      },
      {
        of: "inspectSessionLock",
        place: "lockPath",
        call: (wrong) => sessionLock.inspectSessionLock(wrong),
        wrong: [...WRONG.path, undefined],
      },
      {
        of: "breakLock",
        place: "lockPath",
        call: (wrong) => sessionLock.breakLock(wrong, { reason: "test", expectedNonce: "0" }),
        wrong: [...WRONG.path, undefined],
      },
      {
        of: "sweepSessionLocks",
        place: "options.sessionsDirs",
        call: (sessionsDirs) => sessionLock.sweepSessionLocks({ sessionsDirs }),
        wrong: WRONG.paths,
      },
      {
        of: "parsePayload",
        place: "bytes",
        call: (wrong) => sessionLock.parsePayload(wrong),
        wrong: [...WRONG.textOrBytes, "{}", new Uint8Array(2), undefined],
      },
      {
        of: "parsePayload",
        place: "length",
        call: (wrong) => sessionLock.parsePayload(Buffer.from("{}"), wrong),
        wrong: [...WRONG.count, 3],
      },
      {
        of: "classifySessionLock",
        place: "payload",
        call: (wrong) => sessionLock.classifySessionLock(wrong, facts),
        wrong: WRONG.facts.filter((value) => value !== null),
      },
      {
        of: "isOpenClawArgv",
        place: "argv",
        call: sessionLock.isOpenClawArgv,
        wrong: [...WRONG.texts, undefined],
      },
      {
        of: "describeOwner",
        place: "inspection",
        call: sessionLock.describeOwner,
        wrong: WRONG.facts.filter((value) => value !== null),
      },
      predicate("describeSessionLockFailure", sessionLock.describeSessionLockFailure),
      predicate("isSessionWriteLockAcquireError", sessionLock.isSessionWriteLockAcquireError),
      predicate("isSessionWriteLockStaleError", sessionLock.isSessionWriteLockStaleError),
      predicate("isSessionWriteLockTimeoutError", sessionLock.isSessionWriteLockTimeoutError),
      config("resolveSessionWriteLockOptions", sessionLock.resolveSessionWriteLockOptions),
      config("resolveSessionWriteLockAcquireTimeoutMs", resolveSessionWriteLockAcquireTimeoutMs),
      config("resolveSessionWriteLockStaleMs", resolveSessionWriteLockStaleMs),
      env("resolveSessionWriteLockAcquireTimeoutMs", (wrong) =>
        resolveSessionWriteLockAcquireTimeoutMs(null, wrong),
      ),
      env("resolveSessionWriteLockStaleMs", (wrong) => resolveSessionWriteLockStaleMs(null, wrong)),
    ],
    fields: [
      options("acquireSessionWriteLock", acquireSessionWriteLock, { sessionFile }, ACQUIRE),
      options(
        "acquireSessionWriteLockSync",
        acquireSessionWriteLockSync,
        { sessionFile },
        without(ACQUIRE, "signal", "onWait", "lease"),
      ),
      options(
        "withSessionWriteLock",
        (given) => sessionLock.withSessionWriteLock(given, () => {}),
        { sessionFile },
        ACQUIRE,
      ),
      lockLeaseFields("acquireSessionWriteLock", (lease) =>
        acquireSessionWriteLock({ sessionFile, lease }),
      ),
      options(
        "inspectSessionLock",
        (given) => sessionLock.inspectSessionLock(lockPath, given),
        {},
        {
          staleMs: WRONG.duration,
          nowMs: WRONG.time,
          respectMaxHold: WRONG.boolean,
          plainLocks: NO_CHOICE,
          readOwnerProcessArgs: WRONG.callback,
          isOwnerArgv: WRONG.callback,
        },
      ),
      options(
        "cleanStaleLockFiles",
        sessionLock.cleanStaleLockFiles,
        { sessionsDir: folder },
        { ...SWEEP, sessionsDir: [...WRONG.path, undefined] },
      ),
      options(
        "sweepSessionLocks",
        sessionLock.sweepSessionLocks,
        { stateDir: folder },
        {
          ...SWEEP,
          stateDir: [...WRONG.path, undefined],
          sessionsDirs: [["a"], []],
          concurrency: WRONG.positive,
          onDirectoryCleaned: WRONG.callback,
        },
      ),
      breakFields((given) => sessionLock.breakLock(lockPath, given)),
      options(
        "resolveSessionWriteLockOptions",
        (given) => sessionLock.resolveSessionWriteLockOptions(null, given),
        {},
        LIMITS,
      ),
      options(
        "resolveSessionLockMaxHoldFromTimeout",
        sessionLock.resolveSessionLockMaxHoldFromTimeout,
        { timeoutMs: 1 },
        { timeoutMs: [...WRONG.timeout, undefined], graceMs: WRONG.timeout, minMs: WRONG.timeout },
      ),
      {
        of: "classifySessionLock",
        place: "facts",
        call: (given) => sessionLock.classifySessionLock(null, given),
        base: facts,
        fields: FACTS,
        wrong: WRONG.facts,
        kind: "facts",
      },
      {
        of: "classifySessionLock",
        place: "facts.owner",
        call: (given) => sessionLock.classifySessionLock(null, { ...facts, owner: given }),
        base: owner,
        fields: OWNER,
        wrong: WRONG.facts,
        kind: "facts",
      },
      {
        of: "formatPayload",
        place: "payload",
        call: sessionLock.formatPayload,
        base: payload,
        fields: PAYLOAD,
        wrong: WRONG.facts,
        kind: "facts",
      },
      {
        of: "formatPayload",
        place: "payload.lease",
        call: (lease) => sessionLock.formatPayload({ ...payload, lease }),
        base: { store: "s", key: "k", epoch: 1n },
        fields: {
          store: [...WRONG.name, undefined],
          key: [...WRONG.name, undefined],
          epoch: [...WRONG.bigint, undefined],
        },
        wrong: WRONG.facts.filter((value) => value !== null),
        kind: "facts",
      },
    ],
    close: () => {
      // Whatever it was given, it is held as before.
      lock.assertHeld();
      lock.releaseSync();
    },
  };
}
