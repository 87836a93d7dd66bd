/** What `npm run bench` compares with strace: a C program that makes other calls than the package is no floor. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { ROOT } from "../support/processes/programs.js";
import { requireLinux } from "../support/require.js";

interface LockCalls {
  readonly calls: ReadonlyMap<string, readonly string[]>;
  readonly others: ReadonlyMap<string, number>;
}

const BENCH = join(ROOT, "test/lab/bench");
const { lockCallsIn, differenceOf } = (await importOfBench("measure/lock-calls.mjs")) as {
  lockCallsIn: (lines: readonly string[], locks: readonly string[]) => LockCalls;
  differenceOf: (ours: readonly string[], floor: readonly string[]) => string | null;
};
const { schemeOf } = (await importOfBench("measure/lock-scheme.mjs")) as {
  schemeOf: (payload: string) => string;
};

async function importOfBench(file: string): Promise<unknown> {
  return await import(pathToFileURL(join(BENCH, file)).href);
}

const LOCK = "/d/s.jsonl.lock";

function callsAbout(lines: readonly string[], lock = LOCK): readonly string[] {
  return lockCallsIn(lines, [lock]).calls.get(lock) ?? [];
}

/** Acquire and release by the lock's own inode, as glibc makes the calls. */
const BY_GLIBC = [
  'openat(AT_FDCWD, "/d", O_RDWR|O_CLOEXEC|O_TMPFILE, 0666) = 3',
  "fcntl(3, F_OFD_SETLK, {l_type=F_WRLCK, l_whence=SEEK_SET, l_start=0, l_len=1}) = 0",
  'newfstatat(3, "", {st_mode=S_IFREG|0644, st_size=0, ...}, AT_EMPTY_PATH) = 0',
  "fstatfs(3, {f_type=EXT2_SUPER_MAGIC, f_bsize=4096}) = 0",
  'write(3, "{ \\"pid\\": 7 }", 12) = 12',
  'newfstatat(3, "", {st_mode=S_IFREG|0644, st_size=12, ...}, AT_EMPTY_PATH) = 0',
  `linkat(3, "", AT_FDCWD, "${LOCK}", AT_EMPTY_PATH) = 0`,
  "flock(3, LOCK_EX|LOCK_NB) = 0",
  `newfstatat(AT_FDCWD, "${LOCK}", {st_mode=S_IFREG|0644, st_size=12, ...}, AT_SYMLINK_NOFOLLOW) = 0`,
  `unlink("${LOCK}") = 0`,
  "close(3) = 0",
];

/** The same as another C library may make them, among calls about other files. */
const BY_ANOTHER = [
  'readlink("/d", 0x7ffe, 1023) = -1 EINVAL (Invalid argument)',
  'openat(AT_FDCWD, "/d", O_RDWR|O_TMPFILE|O_CLOEXEC, 0666) = 21',
  "fcntl(21, F_OFD_SETLK, {l_type=F_WRLCK, l_whence=SEEK_SET, l_start=0, l_len=1}) = 0",
  'statx(21, "", AT_EMPTY_PATH, STATX_ALL, {stx_mask=STATX_ALL}) = 0',
  "fstatfs(21, {f_type=EXT2_SUPER_MAGIC, f_bsize=4096}) = 0",
  'write(5, "*", 1) = 1',
  'pwrite64(21, "{ \\"pid\\": 7 }", 12, 0) = 12',
  "fstat(21, {st_mode=S_IFREG|0644, st_size=12, ...}) = 0",
  `linkat(AT_FDCWD, "/proc/self/fd/21", AT_FDCWD, "${LOCK}", AT_SYMLINK_FOLLOW) = 0`,
  "flock(21, LOCK_EX|LOCK_NB) = 0",
  `lstat("${LOCK}", {st_mode=S_IFREG|0644, st_size=12, ...}) = 0`,
  `unlinkat(AT_FDCWD, "${LOCK}", 0) = 0`,
  "close(21) = 0",
  "close(21) = 0",
];

describe("system calls about a lock, compared", () => {
  it("the same calls by other descriptors, other names and another way of linking are no difference", () => {
    expect(differenceOf(callsAbout(BY_GLIBC), callsAbout(BY_ANOTHER))).toBeNull();
    expect(callsAbout(BY_GLIBC)).toEqual([
      "open an unnamed file",
      "fcntl F_OFD_SETLK",
      "stat of the descriptor",
      "fstatfs",
      "write",
      "stat of the descriptor",
      "link the descriptor as L",
      "flock LOCK_EX|LOCK_NB",
      "stat of L",
      "unlink L",
      "close",
    ]);
  });

  it("names beside an open directory are those of the whole path", () => {
    const lines = BY_GLIBC.map((line) =>
      line.replace('AT_FDCWD, "/d"', '9, "."').replace(`AT_FDCWD, "${LOCK}"`, '9, "s.jsonl.lock"'),
    ).with(9, 'unlinkat(9, "s.jsonl.lock", 0) = 0');
    expect(lines.join()).not.toContain("/d");
    expect(differenceOf(callsAbout(lines), callsAbout(BY_GLIBC))).toBeNull();
  });

  it("calls about other files, and about a number that was closed, are counted apart", () => {
    const { others } = lockCallsIn(BY_ANOTHER, [LOCK]);
    expect([...others]).toEqual([
      ["readlink", 1],
      ["write", 1],
      ["close", 1],
    ]);
  });

  it("each missing, additional or exchanged call is a difference", () => {
    const whole = callsAbout(BY_GLIBC);
    for (const at of whole.keys()) {
      const without = whole.toSpliced(at, 1);
      expect(differenceOf(without, whole), whole[at]).toContain(`instead of`);
      expect(differenceOf(whole, without), whole[at]).toContain(`instead of`);
      const exchanged = whole.with(at, "access L.reclaim");
      expect(differenceOf(exchanged, whole)).toContain(
        `call ${at + 1} is access L.reclaim instead of ${whole[at]}`,
      );
    }
  });

  it.for([
    ["a shared lock instead of the guard", "flock(3, LOCK_SH|LOCK_NB) = 0", 7],
    ["a record lock instead of ownership", "fcntl(3, F_SETLK, {l_type=F_WRLCK}) = 0", 1],
    ["a look at the guard file instead of the lock", `lstat("${LOCK}.guard", {}) = 0`, 8],
    ["a look at the descriptor instead of the path", "fstat(3, {}) = 0", 8],
    [
      "a named temporary instead of an unnamed file",
      `openat(AT_FDCWD, "${LOCK}.${"a".repeat(32)}.tmp", O_RDWR|O_CREAT|O_EXCL, 0666) = 3`,
      0,
    ],
  ] as const)("%s is a difference", ([, line, at]) => {
    expect(differenceOf(callsAbout(BY_GLIBC.with(at, line)), callsAbout(BY_GLIBC))).not.toBeNull();
  });

  it("two locks whose calls come in turn have a sequence each", () => {
    const other = "/d/t.jsonl.lock";
    const lines = [
      `openat(AT_FDCWD, "${LOCK}", O_RDONLY|O_CLOEXEC) = 8`,
      `openat(AT_FDCWD, "${other}", O_RDONLY|O_CLOEXEC) = 9`,
      `read(9, "${LOCK}", 65537) = 15`,
      'read(8, "{}", 65537) = 2',
      "close(8) = 0",
      `openat(AT_FDCWD, "${LOCK}.guard", O_RDWR|O_CREAT|O_CLOEXEC, 0666) = 8`,
      "flock(8, LOCK_EX|LOCK_NB) = 0",
      "close(9) = 0",
    ];
    const { calls } = lockCallsIn(lines, [LOCK, other]);
    expect(calls.get(other)).toEqual(["open L O_RDONLY", "read", "close"]);
    expect(calls.get(LOCK)).toEqual([
      "open L O_RDONLY",
      "read",
      "close",
      "open L.guard O_RDWR|O_CREAT",
      "flock LOCK_EX|LOCK_NB",
    ]);
  });

  it("a payload says by which scheme its lock is kept", () => {
    expect(schemeOf('{ "pid": 7, "kernelLock": "1:2", "guard": "inode" }')).toBe("inode");
    expect(schemeOf('{ "pid": 7, "kernelLock": "1:2" }')).toBe("guard-file");
  });
});

describe("the C programs of the benchmarks", () => {
  const folder = mkdtempSync(join(tmpdir(), "pidentity-test-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  beforeAll(() => {
    if (process.platform !== "linux") return;
    for (const name of ["floor", "removal-floor"]) {
      const source = join(BENCH, "programs", `${name}.c`);
      const flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-pthread"];
      const { status, stderr } = spawnSync("cc", [...flags, "-o", join(folder, name), source], {
        encoding: "utf8",
      });
      if (status !== 0) throw new Error(`cannot compile ${name}.c: ${stderr}`);
    }
  });

  it.for(["createUnlink", "acquireRelease:guard-file", "acquireRelease:inode"])(
    "%s of floor.c leaves nothing behind and stops at a lock that is there",
    (operation, context) => {
      requireLinux(context, "the kernel of these system calls");
      const directory = join(folder, operation.replace(":", "-"));
      mkdirSync(directory);
      const session = join(directory, "s.jsonl");
      const run = () =>
        spawnSync(join(folder, "floor"), {
          input: `${operation} ${session} 2 3\n`,
          encoding: "utf8",
        });
      const { status, stdout, stderr } = run();
      if (/: (?:Operation not supported|Is a directory)$/mu.test(stderr)) {
        context.skip("needs a temporary folder whose file system makes unnamed files");
      }
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      expect(JSON.parse(stdout)).toHaveLength(2);
      expect(readdirSync(directory)).toEqual([]);

      writeFileSync(`${session}.lock`, "{}");
      const refused = run();
      expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining("File exists")]);
      expect(readdirSync(directory)).toContain("s.jsonl.lock");
    },
  );

  it.for(["plain", "guard-file", "inode"])(
    "removal-floor.c removes every lock of a directory in the way %s, and nothing else is left",
    (way, context) => {
      requireLinux(context, "the kernel of these system calls");
      const directory = join(folder, `removal-${way}`);
      mkdirSync(directory);
      for (const name of ["a", "b", "c"]) writeFileSync(join(directory, `${name}.lock`), "{}");
      const { status, stdout } = spawnSync(join(folder, "removal-floor"), [way, directory], {
        encoding: "utf8",
      });
      expect(status).toBe(0);
      expect(Number(stdout)).toBeGreaterThan(0);
      expect(readdirSync(directory)).toEqual([]);
    },
  );
});
