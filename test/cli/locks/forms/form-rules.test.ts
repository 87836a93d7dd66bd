/** The rules of each form of lock file one by one, and what is near to it and none; whole files: forms.test.ts. */
import { describe, expect, test } from "vitest";

import {
  type FoundFile,
  type FoundType,
  MOST_BYTES,
} from "../../../../lib/cli/locks/forms/form.js";
import { positiveInteger, textOf, timeMs } from "../../../../lib/cli/locks/forms/json-object.js";
import { isDependencyList } from "../../../../lib/cli/locks/forms/no-lock.js";
import { FORMS, isOurs, recognise } from "../../../../lib/cli/locks/forms/registry.js";
import { MAX_LOCK_BYTES } from "../../../../lib/lock/protocol/payload.js";
import { foundFile as found } from "../../../support/locks/found-file.js";

const link = (path: string, target: string): FoundFile =>
  found(path, null, { type: "link", target });

const formOf = (kind: string) => {
  const form = FORMS.find((one) => one.kind === kind);
  if (form === undefined) throw new Error(`there is no form ${kind}`);
  return form;
};

describe("every form", () => {
  test("says what it is and what a person can do about one, in words of its own kind", () => {
    for (const { kind, title, remedy } of FORMS) {
      expect(kind).toMatch(/^[a-z-]+$/);
      expect(title, kind).toMatch(/^\S.* \S.*$/);
      expect(remedy, kind).toMatch(/^\S.* \S.*$/);
    }
    expect(new Set(FORMS.map(({ kind }) => kind)).size).toBe(FORMS.length);
    expect(new Set(FORMS.map(({ title }) => title)).size).toBe(FORMS.length);
  });

  test("but this package's is left to a person", () => {
    expect(FORMS.filter(isOurs).map(({ kind }) => kind)).toEqual(["session-lock", "pidentity"]);
  });

  test("is read to the end of the longest lock that this package writes", () => {
    expect(MOST_BYTES).toBeGreaterThanOrEqual(MAX_LOCK_BYTES);
  });
});

// For each form, names that are looked at, and names that are not, with what lies there.
const NAMES: readonly (readonly [string, FoundType, readonly string[], readonly string[]])[] = [
  ["session-lock", "file", ["a.jsonl.lock"], ["a.jsonl", "a.lock", "a.jsonl.lock.old"]],
  ["pidentity", "file", ["a.lock", "a.pid"], ["a.lock.old", "alock", "lock", "a.lck"]],
  [
    "openclaw-gateway",
    "file",
    ["gateway.0a1b2c3d.lock"],
    [
      "my-gateway.0a1b2c3d.lock",
      "gateway.0a1b2c3d.lock.old",
      "gateway.0a1b2c3.lock",
      "gateway.0a1b2c3g.lock",
    ],
  ],
  ["session-store", "file", ["sessions.json.lock"], ["sessions.lock", "a.sessions.json.lock"]],
  [
    "postgresql",
    "file",
    ["postmaster.pid", ".s.PGSQL.5432.lock"],
    ["a.pid", "a.s.PGSQL.5432.lock", ".s.PGSQL.5432.lock.old", ".s.PGSQL.x.lock"],
  ],
  ["vim-swap", "file", [".a.swp", ".a.swo"], [".a.swpx", ".a.sw1", "swp"]],
  ["x-display", "file", [".X0-lock", ".X10-lock"], ["a.X0-lock", ".X0-lock.old", ".Xa-lock"]],
  ["chromium", "link", ["SingletonLock"], ["lock"]],
  ["mozilla", "link", ["lock"], ["SingletonLock"]],
  ["emacs", "link", [".#a.txt"], ["a.txt", "a.#"]],
  ["mercurial", "link", ["lock", "wlock"], ["a.wlock", "wlock.old", "xlock"]],
  ["mercurial", "file", ["lock", "wlock"], ["a.wlock", "wlock.old", "xlock"]],
  ["git", "file", ["HEAD.lock"], [".lock.old"]],
  ["git-gc", "file", ["gc.pid"], ["a.pid"]],
  ["proper-lockfile", "directory", ["a.lock"], [".lock.d"]],
  ["directory", "directory", ["a.lock"], [".lock.d"]],
  [
    "kernel-lock",
    "file",
    [
      "lock",
      "lock-frontend",
      "Lock",
      "LOCK",
      ".package-cache",
      ".package-cache-mutate",
      ".cargo-lock",
      ".parentlock",
    ],
    ["clock", "lock.old", "locks"],
  ],
  [
    "pid-file",
    "file",
    ["pid", "lock", "LCK..ttyS0", "a.pid", "a.lock", "a.lck", "A.PID"],
    ["pids", "a.pids", "alock", "a.LCK..ttyS0", "LCK.ttyS0"],
  ],
  ["json-lock", "file", ["a.lock", "a.pid"], ["a.json"]],
  ["unknown", "link", ["a.lock", "a.pid"], ["a.lock.old", "alock"]],
  ["unknown", "other", ["a.lock"], ["a.fifo"]],
];

const TYPES: readonly FoundType[] = ["file", "directory", "link", "other"];

describe("by its name and what lies there", () => {
  test.for(NAMES)("a lock of the form %s may be a %s", ([kind, type, those, others]) => {
    const { mayBe } = formOf(kind);
    for (const name of those) expect(mayBe(name, type), name).toBe(true);
    for (const name of others) expect(mayBe(name, type), name).toBe(false);
    const ofThatForm = NAMES.filter(([one]) => one === kind).map(([, one]) => one);
    // By name alone, "unknown" may be anything but a directory.
    const possible = kind === "unknown" ? ["file", "link", "other"] : ofThatForm;
    for (const one of TYPES.filter((other) => !possible.includes(other))) {
      for (const name of those) expect(mayBe(name, one), `${name}, a ${one}`).toBe(false);
    }
  });
});

describe("a list of dependencies is no lock", () => {
  test.for([
    "yarn.lock",
    "bun.lock",
    "deno.lock",
    "Cargo.lock",
    "composer.lock",
    "Gemfile.lock",
    "gems.locked",
    "poetry.lock",
    "pdm.lock",
    "uv.lock",
    "pixi.lock",
    "Pipfile.lock",
    "Podfile.lock",
    "pubspec.lock",
    "mix.lock",
    "rebar.lock",
    "flake.lock",
    "Chart.lock",
    "conan.lock",
    "stack.yaml.lock",
    "cabal.project.freeze.lock",
    "shard.lock",
    "Package.resolved.lock",
    ".terraform.lock.hcl",
    "buf.lock",
    "Cartfile.lock",
    "paket.lock",
    "Mint.lock",
    "Berksfile.lock",
  ])("%s", (name) => {
    expect(isDependencyList(name)).toBe(true);
    expect(isDependencyList(`my-${name}`)).toBe(false);
  });
});

describe("programs that write a form of lock", () => {
  const swap = Buffer.alloc(4096);
  swap.write("b0VIM 9.0", 0, "latin1");
  const POSTMASTER = found("/pg/postmaster.pid", "7\n/pg\n1767225600\n");
  test.for([
    ["git", found("/r/.git/gc.pid", "7 box\n"), ["git", "git-gc"], ["gitea", "legit", "node"]],
    [
      "Mercurial",
      link("/r/.hg/wlock", "box:7"),
      ["hg", "chg", "python3.11"],
      ["bash", "xhg", "ipython"],
    ],
    [
      "PostgreSQL",
      POSTMASTER,
      ["postgres", "postmaster", "edb-postgres"],
      ["pgbouncer", "my-postgres"],
    ],
    [
      "Vim",
      found("/d/.a.swp", swap),
      ["vim", "nvim", "vi", "view", "ex", "rview", "gvim", "vim.basic"],
      ["vivaldi", "exim", "devi", "review", "node"],
    ],
  ] as const)("of %s are known by their names", ([, file, those, others]) => {
    const { programs } = recognise(file).claim;
    for (const name of those) expect(programs?.test(name), name).toBe(true);
    for (const name of others) expect(programs?.test(name), name).toBe(false);
  });

  test("are not known of a form that any program writes", () => {
    expect(recognise(found("/run/d.pid", "7\n")).claim.programs).toBeNull();
  });
});

describe("a pid", () => {
  test.for([
    ["of ten digits", "1234567890", 1_234_567_890],
    ["of eleven digits", "12345678901", null],
    ["that begins with a zero", "07", null],
    ["with something before it", "x7", null],
    ["with something behind it", "7x", null],
    ["of zero", "0", null],
  ] as const)("%s in an X display's lock", ([, text, pid]) => {
    const claim = formOf("x-display").read(found("/tmp/.X10-lock", ` ${text}\n`));
    expect(claim?.pid ?? null).toBe(pid);
  });

  test("is not taken from the beginning of a longer file", () => {
    const file = found("/tmp/.X0-lock", "7", { isWhole: false });
    expect(recognise(file).form.kind).toBe("unknown");
  });
});

describe("fields of JSON locks", () => {
  test.for([
    [7, 7],
    ["7", 7],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    [String(Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER],
    ["9007199254740993", null],
    ["12345678901234567", null],
    [0, null],
    ["0", null],
    ["07", null],
    ["7x", null],
    ["x7", null],
    [-7, null],
    [7.5, null],
    [2 ** 53, null],
    [true, null],
    [null, null],
    [undefined, null],
  ] as const)("%j as an integer is %j", ([value, expected]) => {
    expect(positiveInteger(value)).toBe(expected);
  });

  test.for([
    [1e12, 1e12],
    [1e12 - 1, null],
    [1e15 - 1, 1e15 - 1],
    [1e15, null],
    [Number.NaN, null],
    ["2026-01-01T00:00:00Z", 1_767_225_600_000],
    ["2026-01-01 00:00:00Z", 1_767_225_600_000],
    ["2026-01-01", null],
    ["2026-13-01T00:00:00Z", null],
    ["Thu 2026-01-01T00:00:00Z", null],
    ["1767225600000", null],
    [null, null],
  ] as const)("%j as a time is %j", ([value, expected]) => {
    expect(timeMs(value)).toBe(expected);
  });

  test.for([
    ["box", "box"],
    ["", null],
    [7, null],
    [null, null],
  ] as const)("%j as a text is %j", ([value, expected]) => {
    expect(textOf(value)).toBe(expected);
  });

  test("are read by any of their names, the more telling one first", () => {
    const fields = {
      pid: 7,
      createdAt: "2026-01-01T00:00:00Z",
      startedAt: "2027-01-01T00:00:00Z",
      starttime: 5,
      hostname: "box",
      host: "other",
    };
    expect(recognise(found("/d/a.lock", JSON.stringify(fields))).claim).toMatchObject({
      pid: 7,
      writtenMs: 1_767_225_600_000,
      startTime: 5,
      host: "box",
    });
    const { createdAt: _, hostname: __, ...others } = fields;
    expect(recognise(found("/d/a.lock", JSON.stringify(others))).claim).toMatchObject({
      writtenMs: Date.parse("2027-01-01T00:00:00Z"),
      host: "other",
    });
  });
});

// What is near to a form, and the form that it is of.
const NEAR: readonly (readonly [string, FoundFile, string])[] = [
  [
    "a gateway's content under another name",
    found("/d/a.lock", '{"pid":7,"configPath":"/c"}'),
    "json-lock",
  ],
  [
    "JSON that is null, named like a gateway's lock",
    found("/d/gateway.0a1b2c3d.lock", "null"),
    "unknown",
  ],
  ["JSON that is a text", found("/d/a.lock", '"7"'), "unknown"],
  [
    "a session store's lock without a pid",
    found("/d/sessions.json.lock", '{"startedAt":1}'),
    "unknown",
  ],
  [
    "an owner that only ends like a token",
    found("/d/a.lock", '{"pid":7,"nonce":"ab","owner":"xpi1.linux"}'),
    "json-lock",
  ],
  [
    "an owner without a version",
    found("/d/a.lock", '{"pid":7,"nonce":"ab","owner":"pi.linux"}'),
    "json-lock",
  ],
  [
    "an owner of a later version",
    found("/d/a.lock", '{"pid":7,"nonce":"ab","owner":"pi12.linux"}'),
    "pidentity",
  ],
  [
    "lines in a lock that is named after a pid file",
    found("/d/a.pid.lock", "7\nlines\n"),
    "unknown",
  ],
  ["lines in a pid file of an old system", found("/d/A.PID", "7\nlines\n"), "pid-file"],
  ["a link to Chromium's host under another name", link("/p/Singleton.lock", "box-7"), "unknown"],
  ["Firefox's link with something before the address", link("/p/lock", "x10.0.0.5:+7"), "unknown"],
  ["Firefox's link with something behind the pid", link("/p/lock", "10.0.0.5:+7x"), "unknown"],
  ["Firefox's link with a pid of zero", link("/p/lock", "10.0.0.5:+0"), "unknown"],
  ["Firefox's link with half an address", link("/p/lock", "10.0.5:+7"), "unknown"],
  ["Emacs's link under another name", link("/d/a.lock", "ann@box.7"), "unknown"],
  ["Emacs's link with a boot time that is no number", link("/d/.#a", "ann@box.7:x"), "unknown"],
  ["Emacs's link with a pid of zero", link("/d/.#a", "ann@box.0"), "unknown"],
  [
    "Emacs's link with a host that no machine has",
    link("/d/.#a", `ann@${"h".repeat(256)}.7`),
    "unknown",
  ],
  [
    "Mercurial's link in a directory that is named like its own",
    link("/r/hg/wlock", "box:7"),
    "unknown",
  ],
  ["Mercurial's link with something behind the pid", link("/r/.hg/wlock", "box:7x"), "unknown"],
  ["Mercurial's link with a pid of zero", link("/r/.hg/wlock", "box:0"), "unknown"],
  ["Mercurial's link with two hosts", link("/r/.hg/wlock", "a:b:7"), "unknown"],
  ["Mercurial's link with an empty namespace", link("/r/.hg/wlock", "box/:7"), "unknown"],
  [
    "Mercurial's link with a host that no machine has",
    link("/r/.hg/wlock", `${"h".repeat(256)}:7`),
    "unknown",
  ],
  ["another link in Mercurial's directory", link("/r/.hg/a.lock", "box:7"), "unknown"],
  ["a lock beside a repository", found("/r/.github/a.lock", "x"), "unknown"],
  ["an index under another name", found("/copied/a.lock", "DIRC\0\0\0\x02"), "unknown"],
  ["an index.lock with something else", found("/copied/index.lock", "x"), "unknown"],
  [
    "a directory in a repository",
    found("/r/.git/a.lock", null, { type: "directory", isEmptyDirectory: false }),
    "directory",
  ],
  ["a garbage collection's lock without a host", found("/r/.git/gc.pid", "7 \n"), "pid-file"],
  ["a garbage collection's lock with two hosts", found("/r/.git/gc.pid", "7 a b\n"), "unknown"],
  [
    "a garbage collection's lock with something before the pid",
    found("/r/.git/gc.pid", "x7 box\n"),
    "unknown",
  ],
  [
    "a garbage collection's lock with a host that no machine has",
    found("/r/.git/gc.pid", `7 ${"h".repeat(256)}\n`),
    "unknown",
  ],
  ["a garbage collection's line in another file", found("/run/a.pid", "7 box\n"), "unknown"],
  [
    "a postmaster.pid without a directory",
    found("/pg/postmaster.pid", "7\n\n1767225600\n"),
    "pid-file",
  ],
  [
    "a postmaster.pid whose number has a dash behind it",
    found("/pg/postmaster.pid", "7-\n/pg\n"),
    "unknown",
  ],
  ["PostgreSQL's lines in another file", found("/run/a.lock", "7\n/pg\n1767225600\n"), "unknown"],
  ["a file in proper-lockfile's place", found("/d/a.csv.lock", ""), "unknown"],
  [
    "a directory that is not named like a lock",
    found("/d/a", null, { type: "directory", isEmptyDirectory: true }),
    "unknown",
  ],
];

test.for(NEAR)("%s is told as it is", ([, file, kind]) => {
  expect(recognise(file).form.kind).toBe(kind);
});

describe("files that are locked through the kernel", () => {
  test.for([
    "/var/lib/dpkg/lock",
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/triggers/Lock",
    "/var/lib/apt/lists/lock",
    "/var/cache/apt/archives/lock",
    "/h/.cargo/.package-cache",
    "/h/.cargo/.package-cache-mutate",
    "/r/target/debug/.cargo-lock",
    "/h/.mozilla/p/.parentlock",
    "/db/LOCK",
  ])("%s is one, and what lies below or behind it is none", (path) => {
    expect(recognise(found(path, "")).form.kind).toBe("kernel-lock");
    for (const other of [`${path}/a`, `${path}.old`, path.replace(/\/(?=[^/]*$)/, "/x")]) {
      expect(recognise(found(other, "")).form.kind, other).not.toBe("kernel-lock");
    }
    const directory = found(path, null, { type: "directory", isEmptyDirectory: true });
    expect(recognise(directory).form.kind).not.toBe("kernel-lock");
  });

  test("a lock of that name elsewhere is none", () => {
    expect(recognise(found("/home/ann/lock", "")).form.kind).not.toBe("kernel-lock");
  });
});

describe("what a link says of the holder", () => {
  test.for([
    ["Chromium's host of one letter", link("/p/SingletonLock", "b-4242"), "b"],
    [
      "an address that only has a loopback's numbers",
      link("/p/lock", "10.127.0.1:+4242"),
      "10.127.0.1",
    ],
    ["Emacs's user of one letter", link("/d/.#a", "a@box.4242:1700000000"), "box"],
    ["Mercurial's host", link("/r/.hg/lock", "box:4242"), "box"],
  ] as const)("%s", ([, file, host]) => {
    expect(recognise(file).claim).toMatchObject({ pid: 4242, host });
  });
});

describe("PostgreSQL's start time", () => {
  test.for([
    [" 1767225600 ", 1_767_225_600_000],
    ["123456789", 123_456_789_000],
    ["12345678901", 12_345_678_901_000],
    ["12345678", null],
    ["123456789012", null],
    ["x1767225600", null],
    ["1767225600x", null],
  ] as const)("%j is %j", ([line, writtenMs]) => {
    const { form, claim } = recognise(found("/pg/postmaster.pid", ` 7 \n/pg\n${line}\n`));
    expect(form.kind).toBe("postgresql");
    expect(claim).toMatchObject({ pid: 7, writtenMs });
  });
});

describe("Vim's swap file", () => {
  const block = (pid: number, host: string): Buffer => {
    const bytes = Buffer.alloc(108);
    bytes.write("b0VIM 9.0", 0, "latin1");
    bytes.writeUInt32LE(pid, 24);
    bytes.write(host, 68, 40, "utf8");
    return bytes;
  };

  test("is read as soon as it has a host's field, and not before", () => {
    expect(recognise(found("/d/.a.swp", block(7, "box"))).form.kind).toBe("vim-swap");
    const shorter = block(7, "box").subarray(0, 107);
    expect(recognise(found("/d/.a.swp", shorter)).form.kind).toBe("unknown");
  });

  test.for([
    ["the largest pid", 0x7fffffff, "box", { pid: 0x7fffffff, host: "box", isHostCut: false }],
    ["a number that no pid has", 0x80000000, "box", { pid: null, host: "box" }],
    ["no host", 7, "", { pid: 7, host: null, isHostCut: false }],
    ["a host that fits", 7, "h".repeat(38), { host: "h".repeat(38), isHostCut: false }],
    ["a host that fills its field", 7, "h".repeat(40), { host: "h".repeat(40), isHostCut: true }],
  ] as const)("with %s", ([, pid, host, expected]) => {
    expect(recognise(found("/d/.a.swp", block(pid, host))).claim).toMatchObject(expected);
  });
});
