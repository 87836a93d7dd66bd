/** Which file a descriptor has open, and whether a path names it: the addon's answers are Node's own. */
import {
  chmodSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { beforeEach, describe, expect, onTestFinished, test } from "vitest";

import type { NativeBinding } from "../../lib/native/binding.js";
import { runNode } from "../support/processes/child.js";
import { importCompiled } from "../support/locks/lock-holder.js";
import { mountPrivately } from "../support/processes/mount-namespace.js";
import { openNewFile, openToRead } from "../support/processes/open-file.js";
import { requireBinding, requireLinux, requirePosix, requireWindows } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

let binding: NativeBinding;

beforeEach((context) => {
  binding = requireBinding(context);
});

/** A new file; `name` defaults to one that needs no encoding. */
function makeFile(folder: string, name = "file"): string {
  const path = join(folder, name);
  writeFileSync(path, "");
  return path;
}

const WHY_POSIX = "Windows has no such numbers without Node";

describe("fileId", () => {
  /** What the addon gives for the files at these paths, and what Node gives. */
  function fileIds(paths: readonly string[]): Readonly<Record<"addon" | "node", unknown[]>> {
    const descriptors = paths.map(openToRead);
    return {
      addon: descriptors.map((fd) => binding.fileId(fd)),
      node: descriptors.map((fd) => {
        const { dev, ino } = fstatSync(fd, { bigint: true });
        return `${dev}:${ino}`;
      }),
    };
  }

  test("fileId gives the numbers that Node gives: a file, a directory, a device", (context) => {
    requirePosix(context, WHY_POSIX);
    const folder = temporaryFolder();
    const { addon, node } = fileIds([makeFile(folder), folder, "/", "/dev/null"]);
    expect(addon).toEqual(node);
    expect(new Set(addon).size).toBe(addon.length);
  });

  test("fileId gives the numbers that Node gives on file systems without a disk", (context) => {
    requireLinux(context, "/proc, /sys and /dev/shm");
    const shared = `/dev/shm/pidentity-test-${process.pid}`;
    writeFileSync(shared, "");
    onTestFinished(() => unlinkSync(shared));
    const { addon, node } = fileIds(["/proc/self/stat", "/sys", "/dev/shm", shared]);
    expect(addon).toEqual(node);
    expect(new Set(addon).size).toBe(addon.length);
  });

  test("fileId shows an inode number of 2^63 or more as Node shows it, whichever that is", async (context) => {
    // The second file system's numbers get high bits, to differ from the first one's.
    const { folder, prefix } = await mountPrivately(
      context,
      `mkdir lower upper merged
       mount -t tmpfs none lower
       mount -t tmpfs none upper
       mkdir upper/files upper/work
       : > lower/file
       mount -t overlay -o lowerdir=lower,upperdir=upper/files,workdir=upper/work,xino=on none merged`,
    );
    const answer = await runNode(
      `${importCompiled("loadNative", "native/load.js")}
       import { fstatSync, openSync } from "node:fs";
       const path = ${JSON.stringify(join(folder, "merged/file"))};
       const fd = openSync(path, "r");
       const { dev, ino } = fstatSync(fd, { bigint: true });
       const { fileId, isNamed } = loadNative().binding;
       console.log(JSON.stringify({
         isLarge: BigInt.asUintN(64, ino) >= 2n ** 63n,
         isNodes: fileId(fd) === dev + ":" + ino,
         isNamed: isNamed(path, fd),
       }));`,
      { prefix },
    );
    expect(answer).toEqual({ isLarge: true, isNodes: true, isNamed: true });
  });

  test("another name, another descriptor and another content leave a file's id as it is", (context) => {
    requirePosix(context, WHY_POSIX);
    const folder = temporaryFolder();
    const path = makeFile(folder);
    const id = binding.fileId(openToRead(path));
    linkSync(path, join(folder, "link"));
    renameSync(path, join(folder, "renamed"));
    writeFileSync(join(folder, "renamed"), "longer");
    expect(binding.fileId(openToRead(join(folder, "link")))).toBe(id);
    expect(binding.fileId(openToRead(join(folder, "renamed")))).toBe(id);
    expect(binding.fileId(openToRead(makeFile(folder)))).not.toBe(id);
  });

  test("an unlinked file still has an id", (context) => {
    requirePosix(context, "an open file that is unlinked");
    const { path, fd } = openNewFile();
    const id = binding.fileId(fd);
    unlinkSync(path);
    expect(binding.fileId(fd)).toBe(id);
    expect(id).toMatch(/^-?\d+:-?\d+$/u);
  });

  test("on Windows only Node tells a file's id", (context) => {
    requireWindows(context, "the addon gives no numbers there");
    const { fd } = openNewFile();
    expect(binding.fileId(fd)).toBeNull();
  });
});

describe("fileStamp", () => {
  test("fileStamp is the file's id, its size and its time of modification, as Node gives them", (context) => {
    requirePosix(context, WHY_POSIX);
    const { path, fd } = openNewFile();
    writeFileSync(path, "four");
    // Beyond a double's exact integers, and with zeros that must stay.
    utimesSync(path, 1, 1_234_567_890.000_5);
    const { dev, ino, size, mtimeNs } = fstatSync(fd, { bigint: true });
    const fraction = String(mtimeNs % 10n ** 9n).padStart(9, "0");
    const expected = `${dev}:${ino} ${size} ${mtimeNs / 10n ** 9n}.${fraction}`;
    expect(binding.fileStamp(fd)).toBe(expected);
    expect(binding.fileStampAt(path)).toBe(expected);
  });

  test("a file's stamp changes with its content, its size and its time, and with nothing else", (context) => {
    requirePosix(context, WHY_POSIX);
    const { folder, path, fd } = openNewFile();
    writeFileSync(path, "four");
    utimesSync(path, 1, 1);
    const stamp = binding.fileStamp(fd);
    expect(readFileSync(path, "utf8")).toBe("four");
    linkSync(path, join(folder, "link"));
    chmodSync(path, 0o600);
    expect(binding.fileStamp(fd)).toBe(stamp);
    expect(binding.fileStampAt(join(folder, "link"))).toBe(stamp);
    writeFileSync(path, "fore");
    expect(binding.fileStamp(fd)).not.toBe(stamp);
    utimesSync(path, 1, 1);
    expect(binding.fileStamp(fd)).toBe(stamp);
    writeFileSync(path, "fours");
    utimesSync(path, 1, 1);
    expect(binding.fileStamp(fd)).not.toBe(stamp);
  });

  test("fileStampAt follows no symbolic link, and is null for nothing, a NUL byte and a path too long", (context) => {
    requirePosix(context, WHY_POSIX);
    const { folder, path, fd } = openNewFile();
    symlinkSync(path, join(folder, "link"));
    expect(binding.fileStampAt(join(folder, "link"))).not.toBe(binding.fileStamp(fd));
    expect(binding.fileStampAt(path)).toBe(binding.fileStamp(fd));
    for (const asked of [join(folder, "missing"), join(path, "below"), "", `${path}\0`]) {
      expect(binding.fileStampAt(asked)).toBeNull();
    }
    expect(binding.fileStampAt(path.padStart(5000, "/"))).toBeNull();
  });

  test("on Windows no file has a stamp", (context) => {
    requireWindows(context, "the addon gives no numbers there");
    const { path, fd } = openNewFile();
    expect(binding.fileStamp(fd)).toBeNull();
    expect(binding.fileStampAt(path)).toBeNull();
  });
});

describe("isNamed", () => {
  test("isNamed is true for the path that a file was opened by, and for a hard link", (context) => {
    requirePosix(context, WHY_POSIX);
    const { folder, path, fd } = openNewFile();
    linkSync(path, join(folder, "link"));
    expect(binding.isNamed(path, fd)).toBe(true);
    expect(binding.isNamed(join(folder, "link"), fd)).toBe(true);
    // A directory is no lock file.
    expect(binding.isNamed(folder, openToRead(folder))).toBe(false);
  });

  test("isNamed is false for another file, a file on another file system, and nothing", (context) => {
    requirePosix(context, WHY_POSIX);
    const { folder, fd } = openNewFile();
    expect(binding.isNamed(makeFile(folder, "other"), fd)).toBe(false);
    expect(binding.isNamed("/dev/null", fd)).toBe(false);
    expect(binding.isNamed(join(folder, "missing"), fd)).toBe(false);
    expect(binding.isNamed(join(folder, "file", "below"), fd)).toBe(false);
    expect(binding.isNamed("", fd)).toBe(false);
  });

  test("isNamed is false for a symbolic link to the very file", (context) => {
    requirePosix(context, "symbolic links without privilege");
    const { folder, path, fd } = openNewFile();
    symlinkSync(path, join(folder, "link"));
    expect(binding.isNamed(join(folder, "link"), fd)).toBe(false);
    // Only the last component is not followed.
    symlinkSync(folder, join(folder, "folder"));
    expect(binding.isNamed(join(folder, "folder", "file"), fd)).toBe(true);
  });

  test("isNamed is false for a file that was replaced under its name, until it is back", (context) => {
    requirePosix(context, "an open file that is renamed");
    const { folder, path, fd } = openNewFile();
    renameSync(path, join(folder, "aside"));
    writeFileSync(path, "");
    expect(binding.isNamed(path, fd)).toBe(false);
    renameSync(join(folder, "aside"), path);
    expect(binding.isNamed(path, fd)).toBe(true);
  });

  test("isNamed is false for a file that was unlinked, also when its name was taken anew", (context) => {
    requirePosix(context, "an open file that is unlinked");
    const { path, fd } = openNewFile();
    unlinkSync(path);
    expect(binding.isNamed(path, fd)).toBe(false);
    writeFileSync(path, "");
    expect(binding.isNamed(path, fd)).toBe(false);
  });

  test.for([
    ["two bytes a character", "ü"],
    ["three", "日本"],
    ["four", "🐢"],
    ["a character in two parts", "u\u0308"],
    ["half a character, which becomes U+FFFD", "\uD83D"],
    ["the other half", "x\uDC22y"],
  ] as const)("isNamed encodes a path as Node encodes it: %s", ([, name], context) => {
    requirePosix(context, WHY_POSIX);
    const path = makeFile(temporaryFolder(), name);
    expect(binding.isNamed(path, openToRead(path))).toBe(true);
  });

  test("isNamed resolves a path relative to the working directory as Node does", (context) => {
    requirePosix(context, WHY_POSIX);
    expect(binding.isNamed("package.json", openToRead("package.json"))).toBe(true);
  });

  test("a NUL byte does not end a path of isNamed early", () => {
    const { path, fd } = openNewFile();
    for (const asked of [`${path}\0`, `${path}\0x`, "\0"]) {
      expect(binding.isNamed(asked, fd)).toBe(false);
    }
  });

  test("isNamed asks for a path as long as Linux takes, and not for a longer one", (context) => {
    requireLinux(context, "PATH_MAX is 4096 there");
    const { path, fd } = openNewFile();
    /** The same path in so many bytes. */
    const inBytes = (length: number): string => path.padStart(length, "/");
    for (const length of [4090, 4091, 4092, 4093, 4094, 4095]) {
      expect(lstatSync(inBytes(length)).isFile()).toBe(true);
      expect(binding.isNamed(inBytes(length), fd)).toBe(true);
    }
    expect(() => lstatSync(inBytes(4096))).toThrow(/ENAMETOOLONG/u);
    for (const length of [4096, 4097, 4098, 4099, 4100, 4101, 1_000_000]) {
      expect(binding.isNamed(inBytes(length), fd)).toBe(false);
    }
  });

  test("a path of isNamed that is too long is not mistaken for the one that its first bytes are", (context) => {
    requireLinux(context, "PATH_MAX is 4096 there");
    const { path, fd } = openNewFile();
    // Wherever it is cut, what is left names the file; characters of every size lie across the cut.
    for (const character of ["x", "ü", "日", "🐢", "\uD83D"]) {
      for (let length = 4080; length < 4110; length++) {
        const asked = path.padStart(length, "/") + character.repeat(20);
        expect(binding.isNamed(asked, fd)).toBe(false);
      }
    }
  });

  test("on Windows only Node tells whether a file is named", (context) => {
    requireWindows(context, "the addon gives no numbers there");
    const path = makeFile(temporaryFolder());
    expect(binding.isNamed(path, openToRead(path))).toBe(false);
  });
});

describe("pathKind", () => {
  test("pathKind tells files, directories, links and pipes apart, and follows no final link", (context) => {
    requirePosix(context, WHY_POSIX);
    const { folder, path } = openNewFile();
    symlinkSync(path, join(folder, "link"));
    symlinkSync(join(folder, "nothing"), join(folder, "dangling"));
    const kinds = ["missing", "file", ".", "link", "dangling"].map((name) =>
      binding.pathKind(join(folder, name)),
    );
    expect(kinds).toEqual([0, 1, 2, 3, 3]);
    expect(binding.pathKind("/dev/null")).toBe(4);
  });

  test("pathKind is null where the OS does not tell, and for a path that no system call takes", (context) => {
    requirePosix(context, WHY_POSIX);
    const { path } = openNewFile();
    expect(binding.pathKind(join(path, "below"))).toBeNull();
    expect(binding.pathKind(`${path}\0`)).toBeNull();
    expect(binding.pathKind("x".repeat(5000))).toBeNull();
  });
});

describe("isWithoutLinks", () => {
  test("isWithoutLinks is true of a directory's real path only", (context) => {
    requireLinux(context, "openat2(2)");
    const folder = realpathSync(temporaryFolder());
    mkdirSync(join(folder, "real", "below"), { recursive: true });
    symlinkSync(join(folder, "real"), join(folder, "link"));
    if (!binding.isWithoutLinks(folder)) return context.skip("needs Linux 5.6 and no sandbox");
    expect(binding.isWithoutLinks(join(folder, "real", "below"))).toBe(true);
    for (const other of ["link", "link/below", "missing", "real/missing"]) {
      expect({ other, is: binding.isWithoutLinks(join(folder, other)) }).toEqual({
        other,
        is: false,
      });
    }
    writeFileSync(join(folder, "file"), "");
    expect(binding.isWithoutLinks(join(folder, "file"))).toBe(false);
    expect(binding.isWithoutLinks(`${folder}\0`)).toBe(false);
  });

  test("isWithoutLinks is false on every other OS", (context) => {
    if (process.platform === "linux") return context.skip("Linux tells");
    expect(binding.isWithoutLinks(temporaryFolder())).toBe(false);
  });
});
