/** Protocols that are known to be broken, as small changes to the product's own: the checker must refute each. */
import type { LockFs } from "../../../lib/lock/protocol/lock-fs.js";
import { guardPathOf } from "../../../lib/lock/protocol/names.js";
import { isLockAt } from "../../../lib/lock/protocol/read.js";
import { tryRemoveLock } from "../../../lib/lock/protocol/remove.js";
import { LOCK_PATH, type Operation, type Surroundings } from "./automaton.js";
import { OWN_LOCK } from "./operations.js";

type Operations = Readonly<Record<string, Operation>>;

const GUARD_PATH = guardPathOf(LOCK_PATH);
const ASIDE_PATH = `${LOCK_PATH}.${"a".repeat(32)}.gone`;
// No descriptor of the world.
const NOWHERE = -1;

type Change = (operations: Operations) => Operations;

export const BROKEN_VARIANTS = {
  "a reclaim that reads, compares and unlinks by path": (operations) => ({
    ...operations,
    reclaim: onFs(operations["reclaim"], withoutGuard),
  }),
  "a reclaim that renames aside and verifies there": (operations) => ({
    ...operations,
    reclaim: ({ fs }) => {
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
  "a release without guard": (operations) => ({
    ...operations,
    release: onFs(operations["release"], withoutGuard),
  }),
  "a fence without guard": (operations) => ({
    ...operations,
    fence: onFs(operations["fence"], withoutGuard),
  }),
  "a guard whose path is not looked at again": (operations) =>
    everywhere(operations, withoutRecheck),
  "a guard that is closed before it is unlinked": (operations) =>
    everywhere(operations, closingFirst),
  "a guard file that only its maker removes": (operations) => everywhere(operations, withoutKernel),
  "a reclaim that compares inode numbers": (operations) => ({
    ...operations,
    reclaim: ({ fs }) => tryRemoveLock(LOCK_PATH, fs, () => fs.lstat(LOCK_PATH)?.ino === 0n).kind,
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
  "a refused guard that counts as none": (operations) => ({
    ...operations,
    fence: onFs(operations["fence"], withoutRefusedGuard),
  }),
  "a second name for a guard that is not looked at": (operations) =>
    everywhere(operations, trustingLink),
} satisfies Readonly<Record<string, Change>>;

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
