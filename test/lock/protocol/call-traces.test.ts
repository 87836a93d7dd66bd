/**
 * Every call to the file system that taking, fencing, releasing and removing a lock makes, on each kind of machine, and
 * what comes of it when any of them fails, as stored text: what changes in it is a change of the protocol.
 */
import { expect, test } from "vitest";

import { guardsOf } from "../../../lib/lock/protocol/guard.js";
import { fileSystemOf } from "../../../lib/lock/protocol/file-system-kind.js";
import { tryEnterAsHolder } from "../../../lib/lock/protocol/holder-guard.js";
import {
  parsePayload,
  type PayloadDraft,
  plainPayload,
} from "../../../lib/lock/protocol/payload.js";
import { tryPublish } from "../../../lib/lock/protocol/publish.js";
import type { Published } from "../../../lib/lock/protocol/new-lock-file.js";
import { isStillOwn, tryRelease } from "../../../lib/lock/protocol/release.js";
import { freeName, type InsideGuard, tryRemoveLock } from "../../../lib/lock/protocol/remove.js";
import { requirePosix } from "../../support/require.js";
import { EXT4, type Failure, MemoryFs, type MemoryFsOptions } from "./memory-lock-fs.js";

const LOCK = "/d/s.lock";
const FUSE = 0x65735546;
const NFS = 0x6969;
const APFS = 0x1a;

interface Machine extends MemoryFsOptions {
  readonly platform: NodeJS.Platform;
}

const ALL = { ...EXT4, hasUnnamed: false };
const MACHINES: Readonly<Record<string, Machine>> = {
  "Linux, ext4": { ...ALL, platform: "linux", hasUnnamed: true },
  "Linux, ext4 without unnamed files": { ...ALL, platform: "linux" },
  "Linux, a disk without links": { ...ALL, platform: "linux", hasLinks: false },
  "Linux, FUSE": { ...ALL, platform: "linux", type: FUSE },
  "Linux, FUSE whose locks do not show": { ...ALL, platform: "linux", type: FUSE, locks: "hidden" },
  "Linux, FUSE without links": { ...ALL, platform: "linux", type: FUSE, hasLinks: false },
  "Linux, FUSE whose links are other inodes": {
    ...ALL,
    platform: "linux",
    type: FUSE,
    renumbersLinks: true,
  },
  "Linux, NFS": { ...ALL, platform: "linux", type: NFS },
  "Linux, no locks": { ...ALL, platform: "linux", type: NFS, locks: "none" },
  "Linux, no locks and no links": {
    ...ALL,
    platform: "linux",
    type: NFS,
    locks: "none",
    hasLinks: false,
  },
  "macOS, APFS": { ...ALL, platform: "darwin", type: APFS },
  "macOS, a file system that is not known": { ...ALL, platform: "darwin", type: 7 },
  Windows: { ...ALL, platform: "win32", type: null },
};

const SAID: PayloadDraft = {
  ...plainPayload(12, { createdAt: "2026-01-02T03:04:05.678Z", starttime: 9 }),
  maxHoldMs: 5,
  monotonicMs: 7,
};
const DRAFTS: Readonly<Record<string, PayloadDraft>> = {
  lock: SAID,
  "bare pid": { ...SAID, asNumber: { boot: "b1" } },
};

const CODES = [
  "EIO",
  "ENOENT",
  "EEXIST",
  "EACCES",
  "EPERM",
  "ENOSPC",
  "ENOTSUP",
  "EBUSY",
  "ENOTDIR",
];

interface Operation {
  /** What was there before, which no failure meets. */
  readonly prepare: (memory: MemoryFs, machine: Machine, draft: PayloadDraft) => Published | null;
  readonly run: (
    memory: MemoryFs,
    machine: Machine,
    held: Published | null,
    draft: PayloadDraft,
  ) => string;
}

function publish(memory: MemoryFs, { platform }: Machine, draft: PayloadDraft): Published {
  const attempt = tryPublish(LOCK, draft, memory.fs, platform);
  if (attempt.kind !== "published") throw new Error(`not published: ${attempt.kind}`);
  return attempt;
}

/** As a process that has died leaves it. */
function abandon(memory: MemoryFs, machine: Machine, draft: PayloadDraft): null {
  memory.close(publish(memory, machine, draft).fd);
  return null;
}

type Run = Operation["run"];

const publishing: Run = (memory, { platform }, _held, draft) =>
  told(tryPublish(LOCK, draft, memory.fs, platform));

const releasing: Run = (memory, { platform }, held) =>
  told(tryRelease(LOCK, held as Published, memory.fs, (path, fs) => freeName(path, fs, platform)));

const OPERATIONS: Readonly<Record<string, Operation>> = {
  publish: { prepare: () => null, run: publishing },
  "publish where a lock is": { prepare: publish, run: publishing },
  "ask whether it is still held": {
    prepare: publish,
    run: (memory, _machine, held) => String(isStillOwn(LOCK, held as Published, memory.fs)),
  },
  "enter as the holder, and leave": {
    prepare: publish,
    run: (memory, _machine, held) => {
      const guard = tryEnterAsHolder(LOCK, held as Published, memory.fs);
      if (guard.kind === "entered") guard.leave();
      return told(guard);
    },
  },
  release: { prepare: publish, run: releasing },
  "release what is another's": {
    prepare: (memory, machine, draft) => {
      const held = publish(memory, machine, draft);
      memory.fs.unlink(LOCK);
      memory.put(LOCK, '{ "pid": 13 }');
      return held;
    },
    run: releasing,
  },
  "remove a dead holder's": { prepare: abandon, run: removing() },
  "remove one without a payload": { prepare: leaving(""), run: removing() },
  "remove one that has changed": { prepare: abandon, run: removing({ isStale: false }) },
  "remove a dead holder's, under another library's leftover guard": {
    prepare: (memory, machine, draft) => {
      memory.put(`${LOCK}.reclaim`, "");
      return abandon(memory, machine, draft);
    },
    run: removing(),
  },
  "remove a dead holder's, under another library's guard": {
    prepare: (memory, machine, draft) => {
      memory.put(`${LOCK}.reclaim`, "", Date.now() - 5000);
      return abandon(memory, machine, draft);
    },
    run: removing(),
  },
  "remove a later version's": {
    prepare: leaving('{ "pid": 12, "nonce": "n", "guard": "later" }'),
    run: removing(),
  },
  "remove what has gone with its directory": {
    prepare: (memory, machine, draft) => {
      abandon(memory, machine, draft);
      memory.removeAll();
      return null;
    },
    run: (memory, { platform }) =>
      told(
        tryRemoveLock(
          { lockPath: LOCK, guards: "file", fd: null },
          memory.fs,
          () => true,
          platform,
        ),
      ),
  },
};

/** Is no call, and stands among them. */
const LOOK = "look inside";

/** What makes a difference to files that say no more than a pid. */
const OF_NUMBERS: ReadonlySet<string> = new Set([
  "publish",
  "ask whether it is still held",
  "release",
]);

/** A file that another program has left. */
function leaving(text: string): Operation["prepare"] {
  return (memory) => {
    memory.put(LOCK, text);
    return null;
  };
}

function removing({ isStale = true } = {}): Run {
  return (memory, machine) => remove(memory, machine, isStale);
}

function remove(memory: MemoryFs, { platform, type }: Machine, isStale: boolean): string {
  const { kind } = fileSystemOf(platform, type, "/d");
  const text = memory.text(LOCK);
  const guards = guardsOf(text === null ? null : parsePayload(Buffer.from(text)), kind, platform);
  const fd = guards === "file" || guards === "foreign" ? null : memory.open(LOCK);
  const looks: string[] = [];
  try {
    const look = (inside: InsideGuard): boolean => {
      const held = JSON.stringify(inside.fs.probe(inside.fd));
      const looked = `${LOOK}${inside.isNamed ? ", named" : ""}: ${held}`;
      memory.calls.push(looked);
      looks.push(`; ${looked}`);
      return isStale;
    };
    const attempt = tryRemoveLock({ lockPath: LOCK, guards, fd }, memory.fs, look, platform);
    return `${told(attempt)}${looks.join("")}`;
  } finally {
    if (fd !== null) memory.close(fd);
  }
}

/** What came of it, in a line, without what is random. */
function told(result: object): string {
  const { kind, error, ...facts } = result as { kind: string; error?: { code?: string } };
  const all: object = { ...facts, error: error?.code };
  const rest = Object.entries(all).flatMap(([key, value]: [string, unknown]) => {
    // What is written is among the calls; what is not so, as a rule, is left out.
    if (["nonce", "text", "stamp", "fd", "leave"].includes(key)) return [];
    return value === undefined || value === null || value === false
      ? []
      : `${key} ${JSON.stringify(value)}`;
  });
  return [kind, ...rest].join(", ");
}

/** Nonces, by the order in which they appear. */
function normal(text: string): string {
  const seen: string[] = [];
  return text.replaceAll(/[0-9a-f]{32}/gu, (nonce) => {
    if (!seen.includes(nonce)) seen.push(nonce);
    return `<nonce ${String(seen.indexOf(nonce) + 1)}>`;
  });
}

interface Trace {
  readonly calls: readonly string[];
  readonly outcome: string;
}

function runOnce(
  operation: Operation,
  machine: Machine,
  draft: PayloadDraft,
  failure: Failure | null,
): Trace {
  const memory = new MemoryFs(machine);
  const held = operation.prepare(memory, machine, draft);
  memory.failNext(failure);
  let outcome: string;
  try {
    outcome = operation.run(memory, machine, held, draft);
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    outcome = `throws ${code ?? message}`;
  }
  const left = `there: ${memory.names().join(" ") || "nothing"}; open: ${String(memory.openCount())}`;
  return { calls: memory.calls.map(inOneLine), outcome: normal(`${outcome}; ${left}`) };
}

function inOneLine(call: string): string {
  const squeezed = call.replaceAll(/\n */gu, " ").replace(/^(setModified\(\d+).*/u, "$1, …)");
  return normal(squeezed);
}

/** Each failure of each call, those with one outcome in one line. */
function failures(
  operation: Operation,
  machine: Machine,
  draft: PayloadDraft,
  { calls, outcome: unfailed }: Trace,
): string[] {
  return calls.flatMap((call, index) => {
    if (call.startsWith(LOOK)) return [];
    const byOutcome = new Map<string, Set<string>>();
    for (const isDone of [false, true]) {
      for (const code of CODES) {
        // What the kernel says so of itself the whole process remembers: publish.test.ts.
        if (call.startsWith("linkOpenFile") && code === "ENOENT") continue;
        const failure = { call: index + 1, code, isDone };
        const said = withoutNumbers(
          runOnce(operation, machine, draft, failure).outcome.replaceAll(code, "<code>"),
        );
        const by = `${code}${isDone ? "+" : ""}`;
        byOutcome.set(said, (byOutcome.get(said) ?? new Set()).add(by));
      }
    }
    return [...byOutcome].map(
      ([said, by]) =>
        `    ${call.split("(")[0] ?? ""}: ${inShort(by)}: ${said === withoutNumbers(unfailed) ? "no difference" : said}`,
    );
  });
}

/** A lock that is made anew has another inode. */
function withoutNumbers(text: string): string {
  return text.replaceAll(/2049:\d+/gu, "<inode>");
}

/** `though done`: the call has done what it shall, and fails all the same. */
function inShort(by: ReadonlySet<string>): string {
  const isBoth = (code: string): boolean => by.has(code) && by.has(`${code}+`);
  const all = (codes: readonly string[]): string => {
    const others = CODES.filter((code) => !codes.includes(code));
    if (others.length === 0) return "any";
    return codes.length > others.length ? `any but ${others.join(" ")}` : codes.join(" ");
  };
  const both = CODES.filter(isBoth);
  const undone = CODES.filter((code) => by.has(code) && !isBoth(code));
  const done = CODES.filter((code) => by.has(`${code}+`) && !isBoth(code));
  return [
    ...(both.length > 0 ? [all(both)] : []),
    ...(undone.length > 0 ? [`${all(undone)}, not done`] : []),
    ...(done.length > 0 ? [`${all(done)}, though done`] : []),
  ].join("; ");
}

test.for(Object.keys(OPERATIONS))(
  "%s: the calls and what comes of each failure are the stored ones",
  async (name, context) => {
    requirePosix(context, "the guard that its holders enter is this platform's own");
    const operation = OPERATIONS[name] as Operation;
    const byText = new Map<string, string[]>();
    for (const [where, machine] of Object.entries(MACHINES)) {
      for (const [what, draft] of Object.entries(DRAFTS)) {
        if (draft.asNumber !== undefined && !OF_NUMBERS.has(name)) continue;
        const run = runOnce(operation, machine, draft, null);
        const lines = [run.outcome, ...run.calls.map((call) => `  ${call}`)];
        const text = [...lines, ...failures(operation, machine, draft, run)].join("\n");
        byText.set(text, [...(byText.get(text) ?? []), `${where}, ${what}:`]);
      }
    }
    const lines = Array.from(byText, ([text, titles]) => `${titles.join("\n")}\n${text}\n`);
    await expect(lines.join("\n")).toMatchFileSnapshot(
      `call-traces/${name.replaceAll(/[^a-z]+/gu, "-")}.txt`,
    );
  },
);
