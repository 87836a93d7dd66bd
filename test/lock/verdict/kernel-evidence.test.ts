/** What the kernel's answer about a lock file is worth. */
import { describe, expect, test } from "vitest";
import { type ProcessToken } from "../../../lib/process/token.js";
import type { FileSystem, FileSystemKind } from "../../../lib/lock/protocol/file-system-kind.js";
import {
  isDiskOfThisMachine,
  type KernelEvidence,
  type KernelLockClaim,
  weighKernelLock,
  weighNumberFile,
} from "../../../lib/lock/verdict/kernel-evidence.js";
import type { LockAttempt } from "../../../lib/lock/protocol/lock-fs.js";
import { markedTime } from "../../../lib/lock/protocol/number-file.js";
import { TOKEN, EARLIER, HOST, never, on } from "./owner-facts.js";

// makedev(3)
const DISK = "2049"; // 8:1
const ANONYMOUS = "45"; // 0:45

describe("what a probe of the kernel lock is worth", () => {
  type Changes = Partial<KernelLockClaim["recorded"] & Omit<KernelLockClaim, "recorded">>;
  const claim = (changes: Changes = {}): KernelLockClaim => {
    const { kernelLock = `${DISK}:2`, fileSystem = "ext", verified = null, ...rest } = changes;
    const recorded = { kernelLock, fileSystem, verified };
    return { recorded, token: TOKEN, found: `${DISK}:2`, ...rest };
  };
  const anonymous = (changes: Changes): Changes => ({
    kernelLock: `${ANONYMOUS}:2`,
    found: `${ANONYMOUS}:2`,
    ...changes,
  });
  const OVERLAYS = { kernelLock: `${ANONYMOUS}:2`, fileSystem: "overlay", found: "46:2" };

  test.each<[string, KernelLockClaim, KernelEvidence]>([
    ["no kernel lock recorded", claim({ kernelLock: null }), "silent"],
    ["another inode of the device: a copied file", claim({ found: `${DISK}:3` }), "silent"],
    ["the same of an earlier boot", claim({ found: `${DISK}:3`, token: EARLIER }), "silent"],
    ["another disk: mounted anew, or copied", claim({ found: "2050:2" }), "silent"],
    ["another disk with another inode", claim({ found: "2050:3" }), "silent"],
    ["another file system's disk", claim({ found: "2050:2", fileSystem: "xfs" }), "other-view"],
    [
      "of an unknown file system's disk",
      claim({ found: "2050:2", fileSystem: null }),
      "other-view",
    ],
    ["a disk there, none here", claim({ found: `${ANONYMOUS}:2` }), "other-view"],
    ["a disk here, none there", claim({ kernelLock: `${ANONYMOUS}:2` }), "other-view"],
    [
      "another device after a reboot: disks are renumbered",
      claim({ found: "2050:2", token: EARLIER }),
      "silent",
    ],
    ["another device, without token", claim({ found: "2050:2", token: null }), "silent"],
  ])("a kernel lock is not even probed: %s", (_name, given, expected) => {
    const fileSystem = on("local", "ext");
    expect(weighKernelLock(given, HOST, fileSystem, never)).toBe(expected);
  });

  test.each<[string, KernelLockClaim, FileSystem, KernelEvidence]>([
    ["overlays both", claim(OVERLAYS), { kind: "local", name: "overlay" }, "other-mount"],
    [
      "overlays both, with another inode",
      claim({ ...OVERLAYS, found: "46:3" }),
      { kind: "local", name: "overlay" },
      "other-mount",
    ],
    [
      "an overlay there, its upper directory here",
      claim({ ...OVERLAYS, found: `${DISK}:2` }),
      { kind: "local", name: "ext" },
      "other-view",
    ],
    [
      "an upper directory there, its overlay here",
      claim({ ...OVERLAYS, fileSystem: "ext" }),
      { kind: "local", name: "overlay" },
      "other-view",
    ],
    [
      "btrfs both, whose numbers are no disk's",
      claim({ ...OVERLAYS, fileSystem: "btrfs" }),
      { kind: "local", name: "btrfs" },
      "other-view",
    ],
    [
      "FUSE both, which is a view of anything",
      claim({ ...OVERLAYS, fileSystem: "fuse" }),
      { kind: "fuse", name: "fuse" },
      "other-view",
    ],
    [
      "written before file systems were",
      claim({ ...OVERLAYS, fileSystem: null }),
      { kind: "local", name: "overlay" },
      "other-view",
    ],
    [
      "overlays both, after a reboot",
      claim({ ...OVERLAYS, token: EARLIER }),
      { kind: "local", name: "overlay" },
      "silent",
    ],
    [
      "overlays both, without token",
      claim({ ...OVERLAYS, token: null }),
      { kind: "local", name: "overlay" },
      "silent",
    ],
  ])(
    "a lock file on another device may be another view: %s",
    (_name, given, fileSystem, expected) => {
      expect(weighKernelLock(given, HOST, () => fileSystem, never)).toBe(expected);
    },
  );

  describe.each<FileSystemKind>(["local", "fuse", "network", "unlisted"])("on %s", (kind) => {
    test("a held kernel lock is respected, in whatever boot and without token", () => {
      const tokens = [
        TOKEN,
        EARLIER,
        { ...TOKEN, boot: null },
        { ...TOKEN, platform: "darwin" },
        null,
      ];
      for (const token of tokens) {
        for (const host of [HOST, { ...HOST, boot: null }]) {
          const given = claim({ token });
          // Nothing has to be known of the file system.
          expect(weighKernelLock(given, host, never, () => "held")).toBe("held");
        }
      }
    });

    test.each<LockAttempt>([{ refused: "ENOLCK" }, { refused: "ENOSYS" }])(
      "a probe of the kernel lock that is answered with %j says nothing",
      (answer) => {
        expect(weighKernelLock(claim(), HOST, on(kind), () => answer)).toBe("silent");
      },
    );
  });

  const FOREIGN: ProcessToken = { ...EARLIER, hostDigest: "fedcba9876543210" };
  test.each<[string, FileSystemKind, KernelLockClaim, KernelEvidence]>([
    ["a disk, this boot", "local", claim(), "free"],
    ["a disk, an earlier boot", "local", claim({ token: EARLIER }), "free"],
    [
      "a disk, another machine's boot: it was moved here",
      "local",
      claim({ token: FOREIGN }),
      "free",
    ],
    ["a disk, without token", "local", claim({ token: null }), "free"],
    ["no disk, this boot", "local", claim(anonymous({})), "free"],
    [
      "no disk, an earlier boot of this host",
      "local",
      claim(anonymous({ token: EARLIER })),
      "free",
    ],
    ["no disk, another machine's boot", "local", claim(anonymous({ token: FOREIGN })), "silent"],
    [
      "no disk, a boot of an unknown machine",
      "local",
      claim(anonymous({ token: { ...EARLIER, hostDigest: null } })),
      "silent",
    ],
    ["no disk, without token", "local", claim(anonymous({ token: null })), "silent"],
    ["FUSE, this boot, verified", "fuse", claim({ verified: true }), "free-unconfirmed"],
    ["FUSE, this boot, not verified", "fuse", claim(), "silent"],
    [
      "FUSE, an earlier boot, verified",
      "fuse",
      claim({ verified: true, token: EARLIER }),
      "silent",
    ],
    ["FUSE, without token, verified", "fuse", claim({ verified: true, token: null }), "silent"],
    ["a network, this boot", "network", claim({ verified: true }), "silent"],
    ["not listed, this boot", "unlisted", claim({ verified: true }), "silent"],
  ])("a free kernel lock counts as its file system allows: %s", (_name, kind, given, expected) => {
    expect(weighKernelLock(given, HOST, on(kind), () => "acquired")).toBe(expected);
  });

  test.each<[string, KernelLockClaim, string | null, KernelEvidence]>([
    ["what its writer saw, too", claim({ token: EARLIER }), "ext", "free"],
    ["a share of it was seen", claim({ token: EARLIER, fileSystem: "9p" }), "ext", "silent"],
    [
      "a share was seen, without token",
      claim({ token: null, fileSystem: "fuse" }),
      "ext",
      "silent",
    ],
    ["a share was seen, in this boot", claim({ fileSystem: "9p" }), "ext", "free"],
    ["not recorded", claim({ token: EARLIER, fileSystem: null }), "ext", "free"],
    ["not known here", claim({ token: EARLIER, fileSystem: "9p" }), null, "free"],
  ])(
    "a free kernel lock on a disk is no proof where its writer saw another file system: %s",
    (_name, given, name, expected) => {
      expect(weighKernelLock(given, HOST, on("local", name), () => "acquired")).toBe(expected);
    },
  );
});

describe("a disk that only this machine's kernel uses", () => {
  const FOREIGN: ProcessToken = { ...EARLIER, hostDigest: "fedcba9876543210" };

  test.each<[string, string, boolean]>([
    ["sda1, 8:1", "2049", true],
    ["vda, 254:0", "65024", true],
    ["nvme0n1p2, 259:2", "66306", true],
    ["a minor beyond 255, 8:300", "1050668", true],
    ["a major beyond 4095, 4096:0", "17592186044416", true],
    ["no major, 0:45", "45", false],
    ["no major and a minor beyond 255, 0:300", "1048620", false],
    ["no major and no minor", "0", false],
  ])(
    "a device number tells a disk that only this machine's kernel uses: %s",
    (_name, device, isDisk) => {
      for (const token of [null, FOREIGN]) {
        expect(isDiskOfThisMachine(`${device}:12`, token, HOST)).toBe(isDisk);
      }
      expect(isDiskOfThisMachine(`${device}:12`, EARLIER, HOST)).toBe(true);
    },
  );

  test("every disk that counts as local on macOS and Windows is one that only this machine's kernel uses", () => {
    for (const platform of ["darwin", "win32"]) {
      expect(isDiskOfThisMachine("45:12", null, { ...HOST, platform })).toBe(true);
    }
    expect(isDiskOfThisMachine("45:12", null, { ...HOST, platform: "android" })).toBe(false);
  });
});

describe("what a probe of a file that is only a pid is worth", () => {
  const found = `${DISK}:2`;
  const mark = markedTime(
    { fileId: found, pid: 7, boot: HOST.boot },
    "linux",
    Date.UTC(2026, 0, 1),
  );
  const MARKED = { mtimeNs: BigInt(Math.trunc((mark ?? 0) * 1e9)), ctimeNs: 1n };
  const UNMARKED = { mtimeNs: MARKED.mtimeNs + 1_000_000n, ctimeNs: 1n };
  const refused: LockAttempt = { refused: "ENOLCK" };

  test.each<[string, string, FileSystemKind, LockAttempt, typeof MARKED, KernelEvidence]>([
    ["held, with its mark", "7\n", "local", "held", MARKED, "held"],
    ["held, without", "7\n", "local", "held", UNMARKED, "held"],
    ["held on a network", "7\n", "network", "held", UNMARKED, "held"],
    ["free, with its mark", "7\n", "local", "acquired", MARKED, "free"],
    ["free, without", "7\n", "local", "acquired", UNMARKED, "silent"],
    ["free, with another pid's mark", "8\n", "local", "acquired", MARKED, "silent"],
    ["free on FUSE", "7\n", "fuse", "acquired", MARKED, "silent"],
    ["free on a network", "7\n", "network", "acquired", MARKED, "silent"],
    ["not to be asked", "7\n", "local", refused, MARKED, "silent"],
  ])("%s", (_what, text, kind, answer, times, expected) => {
    const file = { bytes: Buffer.from(text), found, times };
    expect(weighNumberFile(file, HOST, { kind, name: null }, () => answer)).toBe(expected);
  });

  test.each<[string, string, FileSystemKind]>([
    ["says no number", "7", "local"],
    ["is on a file system of which nothing is known", "7\n", "unlisted"],
  ])("one that %s is not asked", (_what, text, kind) => {
    const file = { bytes: Buffer.from(text), found, times: MARKED };
    expect(weighNumberFile(file, HOST, { kind, name: null }, never)).toBe("silent");
  });
});
