/** Protocols that are known to be broken, as small changes to the product's own: the checker must refute each. */
import type { LockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { guardFilePathOf } from "../../../lib/lock/protocol/names.js";
import { isLockAt } from "../../../lib/lock/protocol/read.js";
import { tryRemoveLock } from "../../../lib/lock/protocol/remove.js";
import { LOCK_PATH, lockText, type Operation, type Surroundings } from "./automaton.js";
import { OWN_LOCK, stampOf } from "./operations.js";

type Operations = Readonly<Record<string, Operation>>;

const GUARD_PATH = guardFilePathOf(LOCK_PATH);
const ASIDE_PATH = `${LOCK_PATH}.${"a".repeat(32)}.gone`;
// No descriptor of the world.
const NOWHERE = -1;

type Change = (operations: Operations) => Operations;

/** With a guard file: macOS, and file systems that are not local. */
export const BROKEN_WITH_GUARD_FILES = {
  "a reclaim that reads, compares and unlinks by path": (operations) =>
    named(operations, "reclaim locked", withoutGuard),
  "a reclaim that renames aside and verifies there": (operations) => ({
    ...operations,
    "reclaim locked": ({ fs }) => {
      try {
        fs.rename(LOCK_PATH, ASIDE_PATH);
      } catch {
        return "changed";
      }
      const isJudged = isLockAt(ASIDE_PATH, OWN_LOCK, fs);
      if (!isJudged) putBack(fs);
      fs.unlink(ASIDE_PATH);
      return isJudged ? "removed" : "changed";
    },
  }),
  "a release without guard": (operations) => named(operations, "release locked", withoutGuard),
  "a fence without guard": (operations) => named(operations, "fence locked", withoutGuard),
  "a guard whose path is not looked at again": (operations) =>
    everywhere(operations, withoutRecheck),
  "a guard that is closed before it is unlinked": (operations) =>
    everywhere(operations, closingFirst),
  "a guard file that only its maker removes": (operations) => everywhere(operations, withoutKernel),
  "a reclaim that compares inode numbers": (operations) => ({
    ...operations,
    "reclaim locked": ({ fs }) =>
      tryRemoveLock(FILE_GUARDED, fs, () => fs.lstat(LOCK_PATH)?.ino === 0n).kind,
  }),
  "a lock that is locked after it is published": (operations) => ({
    ...operations,
    publish: onFs(operations["publish"], lockingLate),
  }),
  "a lock that is published by a rename": (operations) => ({
    ...operations,
    publish: onFs(operations["publish"], (fs) => ({
      ...fs,
      link: (from, to) => {
        if (fs.exists(to)) throw Object.assign(new Error("EEXIST"), { code: "EEXIST" });
        fs.rename(from, to);
      },
    })),
  }),
  "a refused guard that counts as none": (operations) =>
    named(operations, "fence locked", withoutRefusedGuard),
  "a second name for a guard that is not looked at": (operations) =>
    everywhere(operations, trustingLink),
} satisfies Readonly<Record<string, Change>>;

/** With the lock file as its own guard: Linux. */
export const BROKEN_WITH_INODE_GUARDS = {
  "a guard that is not compared with the path after it was locked": (operations) =>
    ["reclaim owned", "fence owned", "release owned"].reduce<Operations>(
      (changed, name) => named(changed, name, withoutLook),
      operations,
    ),
  "a look at the owner before the guard, and none inside": (operations) => ({
    ...operations,
    // What was judged is over; the guard of whatever lies there now is entered.
    "reclaim owned": ({ fs }) => {
      try {
        const fd = fs.openForReading(LOCK_PATH);
        const file = { lockPath: LOCK_PATH, guards: "inode", fd } as const;
        const { kind } = tryRemoveLock(file, fs, () => true);
        fs.close(fd);
        return kind;
      } catch {
        return "changed";
      }
    },
  }),
  "a release without its guard": (operations) => named(operations, "release owned", unguarded),
  "a fence without its guard": (operations) => named(operations, "fence owned", unguarded),
  "a guard on another file than the lock": (operations) =>
    named(operations, "reclaim owned", (fs) => {
      const guards = new Map<number, number>();
      return {
        ...fs,
        tryExclusive: (fd) => {
          const guard = fs.createUnnamed("/sessions");
          guards.set(fd, guard);
          return fs.tryExclusive(guard);
        },
        drop: () => {},
        close: (fd) => {
          const guard = guards.get(fd);
          if (guard !== undefined) fs.close(guard);
          fs.close(fd);
        },
      };
    }),
  "two kinds of guards of which each process enters one": (operations) => ({
    ...operations,
    "reclaim plain": (surroundings) => {
      const { fs } = surroundings;
      if (!isSandboxed(fs)) return run(operations["reclaim plain"], surroundings);
      return tryRemoveLock(FILE_GUARDED, fs, ({ fd }) => says(fd, PLAIN, fs)).kind;
    },
  }),
  "an empty file that is removed without the guard file of those who write it": (operations) => ({
    ...operations,
    "reclaim empty": ({ fs }) => {
      try {
        const fd = fs.openForReading(LOCK_PATH);
        const file = { lockPath: LOCK_PATH, guards: "inode", fd } as const;
        const { kind } = tryRemoveLock(file, fs, () => says(fd, "", fs));
        fs.close(fd);
        return kind;
      } catch {
        return "changed";
      }
    },
  }),
  "a publication that counts the names of its file": (operations) => ({
    ...operations,
    publish: onFs(operations["publish"], (fs) => ({
      ...fs,
      isNamed: (_, fd) => fs.fstat(fd).nlink > 0n,
    })),
  }),
} satisfies Readonly<Record<string, Change>>;

/** The same guard file for whatever lies there. */
const FILE_GUARDED = { lockPath: LOCK_PATH, guards: "file", fd: null } as const;
const OWN_STAMP = stampOf(0, 0);
const PLAIN = lockText(0, 0, "plain");

function named(operations: Operations, name: string, change: (fs: LockFs) => LockFs): Operations {
  return { ...operations, [name]: onFs(operations[name], change) };
}

function run(operation: Operation | undefined, surroundings: Surroundings): string {
  if (operation === undefined) throw new Error("no such operation");
  return operation(surroundings);
}

function isSandboxed(fs: LockFs): boolean {
  try {
    const fd = fs.openForReading(LOCK_PATH);
    const answer = fs.probeOwner(fd);
    fs.close(fd);
    return typeof answer !== "string";
  } catch {
    return false;
  }
}

function says(fd: number, text: string, fs: LockFs): boolean {
  const buffer = Buffer.alloc(1024);
  return buffer.toString("utf8", 0, fs.read(fd, buffer, 0, buffer.length)) === text;
}

function withoutLook(fs: LockFs): LockFs {
  return { ...fs, isNamed: () => true, stampAt: () => OWN_STAMP };
}

/** The holder goes on without. */
function unguarded(fs: LockFs): LockFs {
  return { ...fs, tryExclusive: () => "acquired", drop: () => {} };
}

function onFs(operation: Operation | undefined, change: (fs: LockFs) => LockFs): Operation {
  if (operation === undefined) throw new Error("no such operation");
  return (surroundings: Surroundings) =>
    operation({ ...surroundings, fs: change(surroundings.fs) });
}

function everywhere(operations: Operations, change: (fs: LockFs) => LockFs): Operations {
  return Object.fromEntries(
    Object.entries(operations).map(([name, operation]) => [name, onFs(operation, change)]),
  );
}

/** Everybody enters. */
function withoutGuard(fs: LockFs): LockFs {
  return {
    ...fs,
    openGuard: () => NOWHERE,
    tryExclusive: (fd) => (fd === NOWHERE ? "acquired" : fs.tryExclusive(fd)),
    isNamed: (path, fd) => fd === NOWHERE || fs.isNamed(path, fd),
    unlink: (path) => {
      if (path !== GUARD_PATH) unlinkIfThere(path, fs);
    },
    close: (fd) => {
      if (fd !== NOWHERE) fs.close(fd);
    },
  };
}

/** A process that is not let in goes on. */
function withoutRefusedGuard(fs: LockFs): LockFs {
  let refused = NOWHERE;
  return {
    ...fs,
    tryExclusive: (fd) => {
      const answer = fs.tryExclusive(fd);
      if (answer === "acquired" || answer === "held") return answer;
      refused = fd;
      return "acquired";
    },
    isNamed: (path, fd) => fd === refused || fs.isNamed(path, fd),
    unlink: (path) => {
      if (path !== GUARD_PATH || refused === NOWHERE) fs.unlink(path);
    },
  };
}

/** The name was just made of the lock's: so it must be the lock's own file. */
function trustingLink(fs: LockFs): LockFs {
  let isLinked = false;
  return {
    ...fs,
    link: (from, to) => {
      fs.link(from, to);
      if (to === GUARD_PATH) isLinked = true;
    },
    isNamed: (path, fd) => (path === GUARD_PATH && isLinked) || fs.isNamed(path, fd),
  };
}

function unlinkIfThere(path: string, fs: LockFs): void {
  try {
    fs.unlink(path);
  } catch {
    // Somebody else was quicker, as such code would say.
  }
}

function withoutRecheck(fs: LockFs): LockFs {
  let guard = NOWHERE;
  return {
    ...fs,
    openGuard: (path) => (guard = fs.openGuard(path)),
    isNamed: (path, fd) => fd === guard || fs.isNamed(path, fd),
    close: (fd) => {
      if (fd === guard) guard = NOWHERE;
      fs.close(fd);
    },
  };
}

function closingFirst(fs: LockFs): LockFs {
  let isLeaving = false;
  return {
    ...fs,
    unlink: (path) => {
      if (path === GUARD_PATH) isLeaving = true;
      else fs.unlink(path);
    },
    close: (fd) => {
      fs.close(fd);
      if (!isLeaving) return;
      isLeaving = false;
      unlinkIfThere(GUARD_PATH, fs);
    },
  };
}

/** As with a guard directory: made exclusively, removed by whoever made it, by nobody after a crash. */
function withoutKernel(fs: LockFs): LockFs {
  let isInside = false;
  return {
    ...fs,
    openGuard: (path) => {
      try {
        const fd = fs.createExclusive(path);
        isInside = true;
        return fd;
      } catch (error) {
        if ((error as Error).message !== "EEXIST") throw error;
        return NOWHERE;
      }
    },
    tryExclusive: (fd) => {
      if (fd === NOWHERE) return "held";
      return isInside ? "acquired" : fs.tryExclusive(fd);
    },
    close: (fd) => {
      if (fd !== NOWHERE) fs.close(fd);
    },
  };
}

/** Its payload says that there is a kernel lock, which is true a moment later. */
function lockingLate(fs: LockFs): LockFs {
  let held = NOWHERE;
  return {
    ...fs,
    tryExclusive: (fd) => {
      held = fd;
      return "acquired";
    },
    link: (from, to) => {
      fs.link(from, to);
      fs.tryExclusive(held);
    },
  };
}

function putBack(fs: LockFs): void {
  try {
    fs.link(ASIDE_PATH, LOCK_PATH);
  } catch {
    // Somebody has published meanwhile.
  }
}
