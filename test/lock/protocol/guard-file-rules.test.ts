/** How a guard file is entered, on file systems that are made up: what each call may answer. */
import { describe, expect, test } from "vitest";

import { tryEnterGuardFile } from "../../../lib/lock/protocol/guard-file.js";
import { realLockFs, type LockFs } from "../../../lib/lock/protocol/lock-fs.js";

/** Without an error: another process is inside. */
const BUSY = { kind: "busy", guardPath: "s.jsonl.lock.guard" };

function refusing(code: string): () => never {
  return () => {
    throw Object.assign(new Error(code), { code });
  };
}

/** What {@link madeUpFs} answers; every descriptor of it is a number of its own. */
interface MadeUpFs {
  readonly fs: LockFs;
  /** Descriptors that are open. */
  readonly open: Set<number>;
  /** Every call that opens something, by name. */
  readonly opened: string[];
}

/**
 * A file system with one file, the guard, which no other process uses; `changes` make it odd. The addon cannot tell
 * that it is named: Node's numbers do.
 */
function madeUpFs(changes: Partial<LockFs> = {}): MadeUpFs {
  const open = new Set<number>();
  const opened: string[] = [];
  const opening = (name: string) => () => {
    opened.push(name);
    const fd = 1000 + opened.length;
    open.add(fd);
    return fd;
  };
  const never = (): never => {
    throw new Error("must not be called");
  };
  const identity = { ino: 7n, dev: 1n, nlink: 1n, size: 0n } as ReturnType<LockFs["fstat"]>;
  let written = "";
  const fs: LockFs = {
    ...realLockFs,
    canLock: () => true,
    tryExclusive: () => "acquired",
    openGuard: opening("openGuard"),
    openForWriting: opening("openForWriting"),
    createSelfDeleting: opening("createSelfDeleting"),
    takeOverSelfDeleting: opening("takeOverSelfDeleting"),
    close: (fd) => {
      if (!open.delete(fd)) throw new Error(`not open: ${fd}`);
    },
    isNamed: () => false,
    fstat: () => identity,
    lstat: () => identity,
    writeText: (_, text) => {
      written = text;
    },
    read: (_, buffer) => buffer.write(written),
    unlink: () => {},
    rename: never,
    link: never,
    ...changes,
  };
  return { fs, open, opened };
}

describe("the guard by kernel lock", () => {
  const file = (changes: Partial<ReturnType<LockFs["fstat"]>>) =>
    ({ ino: 7n, dev: 1n, nlink: 1n, size: 0n, ...changes }) as ReturnType<LockFs["fstat"]>;
  const tryEnter = (fs: LockFs) => tryEnterGuardFile("s.jsonl.lock", fs, "linux");

  test("an ordinary guard file is not written to, and its descriptor stays open until the end", () => {
    const { fs, open, opened } = madeUpFs();
    const guard = tryEnter(fs);
    expect(guard.kind).toBe("entered");
    expect(opened).toEqual(["openGuard"]);
    expect(open.size).toBe(1);
    if (guard.kind === "entered") guard.leave();
    expect(open.size).toBe(0);
  });

  test("a guard file that the addon knows to be named is not looked at again", () => {
    const named: (readonly [string, boolean])[] = [];
    const never = (): never => {
      throw new Error("must not be called");
    };
    const { fs, open, opened } = madeUpFs({
      isNamed: (path, fd) => named.push([path, open.has(fd)]) > 0,
      lstat: never,
      fstat: never,
    });
    const guard = tryEnter(fs);
    expect(guard.kind).toBe("entered");
    expect(named).toEqual([["s.jsonl.lock.guard", true]]);
    expect(opened).toEqual(["openGuard"]);
    if (guard.kind === "entered") guard.leave();
    expect(open.size).toBe(0);
  });

  test("a process that cannot lock at all does not even open the guard", () => {
    const { fs, opened } = madeUpFs({ canLock: () => false });
    expect(tryEnter(fs)).toMatchObject({ kind: "unavailable", error: { code: "ENOSYS" } });
    expect(opened).toEqual([]);
  });

  test.each([
    ["EOPNOTSUPP", "unavailable"],
    ["ENOLCK", "refused"],
  ])("a guard whose lock is refused with %s is %s, and the file stays", (refused, kind) => {
    const unlink = (): never => {
      throw new Error("must not be called");
    };
    const { fs, open } = madeUpFs({ tryExclusive: () => ({ refused }), unlink });
    expect(tryEnter(fs)).toMatchObject({ kind, error: { code: refused } });
    expect(open.size).toBe(0);
  });

  test("a guard that another process has locked is busy, and the file stays", () => {
    const unlink = (): never => {
      throw new Error("must not be called");
    };
    const { fs, open } = madeUpFs({ tryExclusive: () => "held", unlink });
    expect(tryEnter(fs)).toStrictEqual(BUSY);
    expect(open.size).toBe(0);
  });

  test("a guard that is gone each time is busy after eight attempts", () => {
    const { fs, open, opened } = madeUpFs({ lstat: () => null });
    expect(tryEnter(fs)).toStrictEqual(BUSY);
    expect(opened).toEqual(Array.from({ length: 8 }, () => "openGuard"));
    expect(open.size).toBe(0);
  });

  test("a guard that went while it was opened is made anew", () => {
    let opens = 0;
    const odd: MadeUpFs = madeUpFs({
      openGuard: (path) => {
        if (opens++ === 0) throw Object.assign(new Error("ENOENT"), { code: "ENOENT" });
        return odd.fs.openForWriting(path);
      },
      exists: (path) => path === ".",
    });
    expect(tryEnter(odd.fs).kind).toBe("entered");
    expect(odd.open.size).toBe(1);
  });

  test.each([
    ["a directory that is gone", "ENOENT", false],
    ["one that may not be written", "EACCES", true],
    ["one without room", "ENOSPC", true],
  ])("there is no guard in %s: the error is thrown", (_, code, exists) => {
    const { fs } = madeUpFs({ openGuard: refusing(code), exists: () => exists });
    expect(() => tryEnter(fs)).toThrow(code);
  });

  test.each([
    ["32 bytes are a nonce", 32n, "entered"],
    ["33 are a lock", 33n, "busy"],
  ])("what is asked for its content is a guard by its size: %s", (_, size, kind) => {
    const { fs, open } = madeUpFs({ fstat: () => file({ ino: 8n, size }) });
    expect(tryEnter(fs).kind).toBe(kind);
    expect(open.size).toBe(kind === "entered" ? 1 : 0);
  });

  test("a guard that went before its content is written is not the one that was locked", () => {
    const { fs, open } = madeUpFs({
      fstat: () => file({ ino: 8n }),
      openForWriting: refusing("ENOENT"),
      exists: () => true,
    });
    expect(tryEnter(fs)).toStrictEqual(BUSY);
    expect(open.size).toBe(0);
  });

  test.each([
    ["inode", { ino: 8n }],
    ["device", { dev: 2n }],
  ])("a guard with another %s by path is told apart by the content", (_, changes) => {
    const { fs, open, opened } = madeUpFs({ lstat: () => file(changes) });
    expect(tryEnter(fs).kind).toBe("entered");
    expect(opened).toEqual(["openGuard", "openForWriting"]);
    // The second one was for writing only.
    expect(open.size).toBe(1);
  });

  test("a lock file that had the guard's name for a while is not the guard, and nothing is written", () => {
    const { fs, open, opened } = madeUpFs({ fstat: () => file({ ino: 8n, size: 300n }) });
    expect(tryEnter(fs)).toStrictEqual(BUSY);
    expect(opened).not.toContain("openForWriting");
    expect(open.size).toBe(0);
  });

  test("a lock file that has the guard's name by now is never written into", () => {
    // By descriptor an empty guard, by path a lock file.
    const writers = new Set<number>();
    const odd: MadeUpFs = madeUpFs({
      fstat: (fd) => file({ ino: 8n, size: writers.has(fd) ? 300n : 0n }),
      openForWriting: () => {
        const fd = odd.fs.openGuard("");
        writers.add(fd);
        return fd;
      },
      writeText: () => {
        throw new Error("must not be called");
      },
    });
    expect(tryEnter(odd.fs)).toStrictEqual(BUSY);
    expect(odd.open.size).toBe(0);
  });

  test("an unlinked guard is not the file that the path names, and nothing is written", () => {
    const { fs, opened } = madeUpFs({
      fstat: () => file({ ino: 8n, nlink: 0n }),
      read: (_, buffer) => buffer.length,
    });
    expect(tryEnter(fs)).toStrictEqual(BUSY);
    expect(opened).not.toContain("openForWriting");
  });

  test.each<[string, LockFs["read"]]>([
    ["another content of the same length", (_, buffer) => buffer.fill("x").length],
    ["nothing at all", () => 0],
  ])("a guard that has %s by descriptor is not the file that the path names", (_, read) => {
    const { fs, open } = madeUpFs({ lstat: () => file({ ino: 8n }), read });
    expect(tryEnter(fs)).toStrictEqual(BUSY);
    expect(open.size).toBe(0);
  });

  test("a guard file that cannot be unlinked does not keep a process from leaving the guard", () => {
    const { fs, open } = madeUpFs({
      unlink: () => {
        throw new Error("EPERM");
      },
    });
    const guard = tryEnter(fs);
    if (guard.kind === "entered") guard.leave();
    expect(open.size).toBe(0);
  });
});

describe("the guard by creation, as on Windows", () => {
  test("a guard by creation is entered by making or taking over its file, and left by closing it", () => {
    const exists = (): never => {
      throw Object.assign(new Error("EEXIST"), { code: "EEXIST" });
    };
    for (const changes of [{}, { createSelfDeleting: exists }]) {
      const { fs, open, opened } = madeUpFs({ ...changes, lstat: exists, unlink: exists });
      const guard = tryEnterGuardFile("s.jsonl.lock", fs, "win32");
      expect(guard.kind).toBe("entered");
      expect(opened).toHaveLength(1);
      expect(open.size).toBe(1);
      if (guard.kind === "entered") guard.leave();
      expect(open.size).toBe(0);
    }
  });

  /** The real calls but these, which answer with an error of that code. */
  function failing(codes: Readonly<Partial<Record<keyof LockFs, string>>>): LockFs {
    const failures = Object.entries(codes).map(([call, code]) => {
      const fail = (): never => {
        throw Object.assign(new Error(`${code}: ${call}`), { code });
      };
      return [call, fail] as const;
    });
    return { ...realLockFs, ...Object.fromEntries(failures) };
  }

  test.each([
    ["another process is inside", "EEXIST", "EBUSY"],
    ["another process has just left", "EEXIST", "ENOENT"],
  ])("a guard by creation is busy without an error: %s", (_, creating, takingOver) => {
    const fs = failing({ createSelfDeleting: creating, takeOverSelfDeleting: takingOver });
    expect(tryEnterGuardFile("s.jsonl.lock", fs, "win32")).toStrictEqual(BUSY);
  });

  test.each([
    ["a forbidden directory", "EPERM", "ENOENT", "EPERM"],
    ["a pending delete", "EPERM", "EPERM", "EPERM"],
    ["a guard file that may not be opened", "EEXIST", "EACCES", "EACCES"],
  ])("a guard by creation is busy with an error: %s", (_, creating, takingOver, code) => {
    const fs = failing({ createSelfDeleting: creating, takeOverSelfDeleting: takingOver });
    expect(tryEnterGuardFile("s.jsonl.lock", fs, "win32")).toMatchObject({
      kind: "busy",
      error: { code },
    });
  });

  test("an error of the guard that time does not heal is thrown", () => {
    for (const code of ["EMFILE", "ENOENT"]) {
      const fs = failing({ createSelfDeleting: code });
      expect(() => tryEnterGuardFile("s.jsonl.lock", fs, "win32")).toThrow(code);
    }
  });
});
