import fc from "fast-check";
import { describe, expect, test } from "vitest";

import type { Claim, FoundFile } from "../../../../lib/cli/locks/forms/form.js";
import { mayBeLock, recognise } from "../../../../lib/cli/locks/forms/registry.js";
import { runs } from "../../../properties/runs.js";
import { foundFile as found } from "../../../support/locks/found-file.js";

const link = (path: string, target: string): FoundFile =>
  found(path, null, { type: "link", target });
const directory = (path: string, isEmptyDirectory: boolean): FoundFile =>
  found(path, null, { type: "directory", isEmptyDirectory });

/** As Vim writes it: memline.c, struct block0. */
function swapFile(pid: number, host: string, magic = "b0VIM 9.0"): Buffer {
  const bytes = Buffer.alloc(4096);
  bytes.write(magic, 0, "latin1");
  bytes.writeUInt32LE(pid, 24);
  bytes.write("root", 28);
  bytes.write(host, 68, 40, "utf8");
  bytes.write("~ann/notes.txt", 108);
  return bytes;
}

const OWN = JSON.stringify({ pid: 7, createdAt: "2026-01-01T00:00:00.000Z", nonce: "ab" });
const GATEWAY = { pid: 7, createdAt: "2026-01-01T00:00:00.000Z", configPath: "/c.json" };
const AT = Date.parse(GATEWAY.createdAt);
const POSTMASTER =
  "7\n/var/lib/postgresql/15/main\n1767225600\n5432\n/run\nlocalhost\n  12 34\nready   \n";

const FILES: readonly (readonly [string, FoundFile, string, Partial<Claim>])[] = [
  ["a session's lock by its name", found("/s/a.jsonl.lock", "{"), "session-lock", {}],
  ["a file lock of this package", found("/d/ledger.lock", OWN), "pidentity", { pid: 7 }],
  ["a pid file of this package", found("/run/d.pid", OWN), "pidentity", { pid: 7 }],
  [
    "a lock of this package with a token",
    found("/d/a.lock", OWN.replace("{", '{"owner":"pi1.linux.x",')),
    "pidentity",
    { pid: 7 },
  ],
  [
    "a lock of another program that has a nonce and an owner",
    found("/d/a.lock", OWN.replace("{", '{"owner":"ann",')),
    "json-lock",
    { pid: 7, writtenMs: Date.parse("2026-01-01T00:00:00.000Z") },
  ],
  [
    "a gateway's lock",
    found("/tmp/gateway.0a1b2c3d.lock", JSON.stringify({ ...GATEWAY, startTime: 99 })),
    "openclaw-gateway",
    { pid: 7, writtenMs: AT, startTime: 99 },
  ],
  [
    "a gateway's lock on a system whose start times have another unit",
    found("/gateway.0a1b2c3d.lock", JSON.stringify({ ...GATEWAY, startTime: 99 }), {
      platform: "darwin",
    }),
    "openclaw-gateway",
    { pid: 7, writtenMs: AT },
  ],
  [
    "a JSON lock that is only named like a gateway's",
    found("/gateway.0a1b2c3d.lock", '{"pid":7}'),
    "json-lock",
    { pid: 7 },
  ],
  [
    "the lock of sessions.json",
    found("/s/sessions.json.lock", `{"pid":7,"startedAt":${String(AT)}}`),
    "session-store",
    { pid: 7, writtenMs: AT },
  ],
  [
    "the lock of sessions.json as a plain lock",
    found("/s/sessions.json.lock", `{"pid":7,"createdAt":"2026-01-01T00:00:00Z","starttime":5}`),
    "session-store",
    { pid: 7, writtenMs: AT, startTime: 5 },
  ],
  [
    "PostgreSQL's lock of a data directory",
    found("/pg/postmaster.pid", POSTMASTER),
    "postgresql",
    { pid: 7, writtenMs: AT },
  ],
  [
    "PostgreSQL's lock of a socket",
    found("/run/.s.PGSQL.5432.lock", POSTMASTER),
    "postgresql",
    { pid: 7, writtenMs: AT },
  ],
  [
    "a standalone PostgreSQL backend, whose pid is negative",
    found("/pg/postmaster.pid", POSTMASTER.replace("7", "-7")),
    "postgresql",
    { pid: 7, writtenMs: AT },
  ],
  ["Vim's swap file", found("/d/.a.swp", swapFile(7, "box")), "vim-swap", { pid: 7, host: "box" }],
  [
    "an encrypted swap file",
    found("/d/.a.swo", swapFile(7, "box", "bdVIM 8.2")),
    "vim-swap",
    { pid: 7, host: "box" },
  ],
  [
    "a swap file on a host with a name longer than its field",
    found("/d/.a.swp", swapFile(7, "h".repeat(39))),
    "vim-swap",
    { pid: 7, host: "h".repeat(39), isHostCut: true },
  ],
  [
    "a swap file that was closed",
    found("/d/.a.swp", swapFile(0, "box")),
    "vim-swap",
    { host: "box" },
  ],
  ["an X display", found("/tmp/.X0-lock", "         7\n"), "x-display", { pid: 7 }],
  [
    "Chromium's link",
    link("/p/SingletonLock", "my-host-7"),
    "chromium",
    { pid: 7, host: "my-host" },
  ],
  ["Firefox's link", link("/p/lock", "10.0.0.5:+7"), "mozilla", { pid: 7, host: "10.0.0.5" }],
  [
    "Firefox's link with a loopback address",
    link("/p/lock", "127.0.1.1:+7"),
    "mozilla",
    { pid: 7 },
  ],
  ["Firefox's link without a kernel lock", link("/p/lock", "127.0.0.1:7"), "mozilla", { pid: 7 }],
  [
    "Emacs's link",
    link("/d/.#a.txt", "ann@mail@box.lan.7:1700000000"),
    "emacs",
    { pid: 7, host: "box.lan" },
  ],
  [
    "Emacs's link without a boot time",
    link("/d/.#a.txt", "ann@box.7"),
    "emacs",
    { pid: 7, host: "box" },
  ],
  ["Mercurial's link", link("/r/.hg/wlock", "box:7"), "mercurial", { pid: 7, host: "box" }],
  [
    "Mercurial's link with a pid namespace",
    link("/r/.hg/store/lock", "box/f0000f0c:7"),
    "mercurial",
    { pid: 7, host: "box", pidNamespace: String(0xf0000f0c) },
  ],
  [
    "Mercurial's file where there are no links",
    found("/r/.hg/wlock", "box:7"),
    "mercurial",
    { pid: 7, host: "box" },
  ],
  ["git's empty lock", found("/r/.git/HEAD.lock", ""), "git", {}],
  ["git's lock of a branch", found("/r/.git/refs/heads/a.lock", "0".repeat(40)), "git", {}],
  [
    "git's lock in a bare repository",
    found("/srv/a.git/packed-refs.lock", "# pack-refs"),
    "git",
    {},
  ],
  ["git's index by its content", found("/copied/index.lock", "DIRC\0\0\0\x02"), "git", {}],
  ["a pid in a git lock is that file's content", found("/r/.git/config.lock", "7\n"), "git", {}],
  [
    "git's garbage collection",
    found("/r/.git/gc.pid", "7 box\n"),
    "git-gc",
    { pid: 7, host: "box" },
  ],
  [
    "proper-lockfile's directory",
    directory("/d/a.csv.lock", true),
    "proper-lockfile",
    { hasHeartbeat: true },
  ],
  ["a lock directory with entries", directory("/d/a.lock", false), "directory", {}],
  ["dpkg's lock", found("/var/lib/dpkg/lock-frontend", ""), "kernel-lock", { isKernelLock: true }],
  ["APT's lock", found("/var/lib/apt/lists/lock", ""), "kernel-lock", { isKernelLock: true }],
  ["Cargo's lock", found("/h/.cargo/.package-cache", ""), "kernel-lock", { isKernelLock: true }],
  ["a database's lock", found("/db/LOCK", ""), "kernel-lock", { isKernelLock: true }],
  ["a LOCK that says something", found("/db/LOCK", "7\n"), "pid-file", { pid: 7 }],
  ["a pid file", found("/run/d.pid", "7\n"), "pid-file", { pid: 7 }],
  ["a padded pid", found("/var/lock/LCK..ttyS0", "         7\n"), "pid-file", { pid: 7 }],
  [
    "a pid file with more lines",
    found("/run/sendmail.pid", "7\n/usr/sbin/sendmail -bd\n"),
    "pid-file",
    { pid: 7 },
  ],
  ["a pid that a power failure has padded", found("/d/a.lock", "7\n\0\0"), "pid-file", { pid: 7 }],
  ["a pid with zeros", found("/run/d.pid", "0000007"), "pid-file", { pid: 7 }],
  ["a pid with a byte order mark", found("/run/d.pid", "\uFEFF7\r\n"), "pid-file", { pid: 7 }],
  [
    "a pid in UTF-16",
    found("/run/d.pid", Buffer.from("\uFEFF42\r\n", "utf16le")),
    "pid-file",
    { pid: 42 },
  ],
  [
    "a lock as JSON with a host",
    found("/d/a.lock", '{"pid":7,"hostname":"box","createdAt":"2026-01-01T00:00:00.000Z"}'),
    "json-lock",
    { pid: 7, host: "box", writtenMs: AT },
  ],
  [
    "a lock as JSON with the pid as text",
    found("/d/a.lock", '{"pid":"7"}'),
    "json-lock",
    { pid: 7 },
  ],
  [
    "a host in JSON that is no text",
    found("/d/a.lock", '{"pid":7,"host":["x"]}'),
    "json-lock",
    { pid: 7 },
  ],
];

const NOTHING: Claim = {
  pid: null,
  host: null,
  isHostCut: false,
  pidNamespace: null,
  startTime: null,
  writtenMs: null,
  programs: null,
  isKernelLock: false,
  hasHeartbeat: false,
};

test.for(FILES)("%s is read", ([, file, kind, known]) => {
  const { form, claim } = recognise(file);
  expect(form.kind).toBe(kind);
  expect({ ...claim, programs: null }).toEqual({ ...NOTHING, ...known });
});

describe("nothing is made of what is no lock's content", () => {
  test.for([
    ["an empty file", found("/d/a.lock", "")],
    ["zero", found("/run/d.pid", "0\n")],
    ["a negative number", found("/run/d.pid", "-7\n")],
    ["a number that no pid has", found("/run/d.pid", "99999999999\n")],
    ["more lines in what is no pid file", found("/d/a.lock", "7\nlines\n")],
    ["two numbers", found("/run/d.pid", "7 8\n")],
    ["a number in a longer file than was read", found("/run/d.pid", "7\n", { isWhole: false })],
    ["JSON that is cut", found("/d/a.lock", '{"pid":7', { isWhole: false })],
    ["JSON without a pid", found("/d/a.lock", '{"owner":"ann"}')],
    ["a nonce without a pid", found("/d/a.lock", '{"nonce":"ab"}')],
    ["JSON with a fraction for a pid", found("/d/a.lock", '{"pid":7.5}')],
    ["a list", found("/d/a.lock", "[7]")],
    ["a pid below a prototype", found("/d/a.lock", '{"__proto__":{"pid":7}}')],
    ["a swap file that is cut short", found("/d/.a.swp", swapFile(7, "box").subarray(0, 100))],
    ["a swap file of another program", found("/d/.a.swp", Buffer.alloc(4096, "x"))],
    ["a link of no known form", link("/p/SingletonLock", "nowhere")],
    ["a link without a host", link("/p/SingletonLock", "-7")],
    ["Emacs's link without a user", link("/d/.#a", "@box.7")],
    ["a link called lock that leads somewhere", link("/p/lock", "../else/lock")],
    ["Mercurial's link outside of a repository", link("/p/wlock", "box:7")],
    ["a postmaster.pid of one line that is no number", found("/pg/postmaster.pid", "seven\n")],
    ["a FIFO", found("/d/a.lock", null, { type: "other" })],
  ] as const)("%s", ([, file]) => {
    const { form, claim } = recognise(file);
    expect(form.kind).toBe("unknown");
    expect(claim).toEqual(NOTHING);
  });
});

test("whatever a file of any name contains is read without an error", () => {
  const names = fc.constantFrom(...new Set(FILES.map(([, { path }]) => path)));
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.json().map((text) => Buffer.from(text)),
    fc.string().map((text) => Buffer.from(text)),
    fc.constantFrom(...FILES.flatMap(([, { bytes }]) => (bytes === null ? [] : [bytes]))),
  );
  fc.assert(
    fc.property(names, content, fc.boolean(), (path, bytes, isWhole) => {
      const { claim } = recognise(found(path, bytes, { isWhole }));
      expect(claim.pid === null || (Number.isSafeInteger(claim.pid) && claim.pid > 0)).toBe(true);
    }),
    runs(500),
  );
  fc.assert(
    fc.property(names, fc.string(), (path, target) => {
      recognise(link(path, target));
    }),
    runs(500),
  );
});

test("files of the largest size are read in time that grows as their length does", () => {
  const size = 64 * 1024;
  const onePathOfEachKind = [...new Map(FILES.map(([, { path }, kind]) => [kind, path])).values()];
  const fillings = [" ", "0", "9", "[", "{", '{"a":', "\n", "-", ":", "@.", "\uFEFF", "\0"];
  for (const filling of fillings) {
    const all = filling.repeat(Math.ceil(size / filling.length));
    // Whatever looks for an end of such characters finds another one there.
    const text = `${all.slice(0, size - 1)}x`;
    // A step that looks at the rest for each character would take seconds for each.
    for (const path of onePathOfEachKind) {
      expect(recognise(found(path, text)).claim.pid).toBeNull();
      expect(recognise(link(path, text)).claim.pid).toBeNull();
    }
  }
});

test.for([
  ["a.lock", "file", true],
  ["a.lock", "directory", true],
  ["a.pid", "file", true],
  ["SingletonLock", "link", true],
  ["SingletonLock", "file", false],
  ["postmaster.pid", "file", true],
  [".a.txt.swp", "file", true],
  [".#a.txt", "link", true],
  [".#a.txt", "file", false],
  ["LOCK", "file", true],
  ["a.fifo.lock", "other", true],
  ["notes.txt", "file", false],
  ["clock", "file", false],
  ["yarn.lock", "file", false],
  ["Cargo.lock", "file", false],
  ["poetry.lock", "file", false],
] as const)("of a directory %s, a %s, is looked at: %s", ([name, type, expected]) => {
  expect(mayBeLock(name, type)).toBe(expected);
});
