import { lstatSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import {
  askKernel,
  parseKernelLocks,
  readKernelLocks,
} from "../../../../lib/cli/locks/any/kernel-locks.js";
import { parseDescriptor } from "../../../../lib/cli/locks/any/open-files.js";
import { startReady } from "../../../support/processes/child.js";
import { requireLinux, requireProgram } from "../../../support/require.js";
import { temporaryFolder } from "../../../support/temporary-folder.js";

const LOCKS = `1: POSIX  ADVISORY  WRITE 812 fe:00:1001 0 EOF
2: FLOCK  ADVISORY  WRITE 3612 fe:00:2002 0 EOF
2: -> FLOCK  ADVISORY  WRITE 4000 fe:00:2002 0 EOF
3: OFDLCK ADVISORY  READ  -1 00:1a:3003 0 0
4: LEASE  ACTIVE    READ  900 fe:00:4004 0 EOF
nonsense
5: FLOCK
`;
const LOCAL = (): { kind: string; name: string } => ({ kind: "local", name: "ext" });
/** st_dev of 254:0. */
const DEVICE = 254n << 8n;

describe("the kernel's list", () => {
  const view = { locks: parseKernelLocks(LOCKS), isInitialNamespace: true };
  const ask = (inode: bigint, device = DEVICE, fileSystem = LOCAL, of = view): unknown =>
    askKernel({ device, inode }, of, fileSystem);

  test("names the process that has a lock", () => {
    expect(ask(1001n)).toEqual({ state: "held", lock: { type: "posix", pid: 812 } });
    expect(ask(2002n)).toEqual({ state: "held", lock: { type: "flock", pid: 3612 } });
  });

  test("names none for a lock of an open file", () => {
    expect(ask(3003n, 0x1an)).toEqual({ state: "held", lock: { type: "ofd", pid: null } });
  });

  test("a lease is no lock, and a file that is not in it is free", () => {
    expect(ask(4004n)).toEqual({ state: "free" });
    expect(ask(5005n)).toEqual({ state: "free" });
  });

  test("the same number on another device may be this file under another number", () => {
    expect(ask(1001n, 5n)).toEqual({ state: "unknown" });
  });

  test("proves nothing of a file that is not in it where other machines or views have locks", () => {
    for (const [kind, name] of [
      ["network", "nfs"],
      ["fuse", "fuse"],
      ["unlisted", ""],
      ["local", "overlay"],
    ] as const) {
      expect(ask(5005n, DEVICE, () => ({ kind, name }))).toEqual({ state: "unknown" });
    }
  });

  test("proves nothing from inside a container, nor where there is none", () => {
    expect(ask(5005n, DEVICE, LOCAL, { ...view, isInitialNamespace: false })).toEqual({
      state: "unknown",
    });
    const none = { locks: null, isInitialNamespace: true } as unknown as typeof view;
    expect(ask(1001n, DEVICE, LOCAL, none)).toEqual({ state: "unknown" });
  });

  test("has the lock that flock(1) takes, under the number that stat tells", async (context) => {
    requireLinux(context, "/proc/locks");
    requireProgram(context, "flock");
    const file = join(temporaryFolder(), "a.lock");
    writeFileSync(file, "");
    const holder = await startReady("flock", [file, "sh", "-c", "echo held; read line"]);
    const { dev, ino } = lstatSync(file, { bigint: true });
    const view2 = { locks: readKernelLocks(), isInitialNamespace: true };
    const answer = askKernel({ device: dev, inode: ino }, view2, LOCAL);
    expect(answer.state).toBe("held");
    expect(answer).toMatchObject({ lock: { type: "flock" } });
    await holder.kill();
  });
});

test.for([
  ["for reading", "pos:\t0\nflags:\t0100000\nmnt_id:\t29\nino:\t7\n", false, false, "7"],
  ["for writing", "pos:\t0\nflags:\t0100001\nmnt_id:\t29\nino:\t7\n", true, false, "7"],
  ["for both", "pos:\t0\nflags:\t02100002\n", true, false, null],
  [
    "with a lock",
    "flags:\t0100000\nino:\t7\nlock:\t1: FLOCK  ADVISORY  WRITE 9 fe:00:7 0 EOF\n",
    false,
    true,
    "7",
  ],
  ["of nonsense", "flags\nflags:\t9\n:\n\n", false, false, null],
] as const)("a descriptor %s is told apart", ([, text, isForWriting, hasLock, inode]) => {
  expect(parseDescriptor(text)).toEqual({ isForWriting, hasLock, inode });
});
