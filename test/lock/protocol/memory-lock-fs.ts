/**
 * A file system in memory behind the seam of the lock layer: names, inodes, descriptors, both kinds of kernel locks. It
 * writes down every call, and fails the one that it is told to.
 */
import type { BigIntStats } from "node:fs";

import type { LockAttempt, LockFs, PathKind } from "../../../lib/lock/protocol/lock-fs.js";
import { systemError } from "../../../lib/util/error-code.js";
import { LOCKING } from "../../support/locks/failing-fs.js";

interface Inode {
  readonly number: bigint;
  bytes: Buffer;
  modifiedNs: bigint;
  changedNs: bigint;
  /** By which descriptor. */
  flock: number | null;
  owner: number | null;
}

interface OpenFile {
  readonly inode: Inode;
  readonly deletes: string | null;
}

/** What a machine's kernel and file system are like. */
export interface MemoryFsOptions {
  /** What statfs(2) says; null: nothing. */
  readonly type: number | null;
  /** Whether it makes files without a name. */
  readonly hasUnnamed: boolean;
  readonly hasLinks: boolean;
  /** Whether a linked name leads to another inode than the file that it was made for, as on mergerfs. */
  readonly renumbersLinks: boolean;
  /** What kernel locks are like; `hidden`: they do not show through another descriptor. */
  readonly locks: "shown" | "hidden" | "none";
}

/** A Linux disk. */
export const EXT4: MemoryFsOptions = {
  type: 0xef53,
  hasUnnamed: true,
  hasLinks: true,
  renumbersLinks: false,
  locks: "shown",
};

/** Makes the call of that number fail, once, counted from 1; what it does may be done all the same. */
export interface Failure {
  readonly call: number;
  readonly code: string;
  readonly isDone: boolean;
}

const DIRECTORY = "/d";
const START_NS = 1_700_000_000_000_000_000n;

export class MemoryFs {
  /** `name(argument…)`, in the order of the calls. */
  readonly calls: string[] = [];
  readonly fs: LockFs;
  readonly #options: MemoryFsOptions;
  readonly #names = new Map<string, Inode>();
  readonly #open = new Map<number, OpenFile>();
  #hasDirectory = true;
  #failure: Failure | null = null;
  #inodes = 0n;
  #nowNs = START_NS;

  constructor(options: Partial<MemoryFsOptions> = {}) {
    this.#options = { ...EXT4, ...options };
    this.fs = this.#recorded(this.#real());
  }

  /** From now on calls are counted anew. */
  failNext(failure: Failure | null): void {
    this.calls.length = 0;
    this.#failure = failure;
  }

  /** Names, in their order. */
  names(): string[] {
    return [...this.#names.keys()].toSorted();
  }

  text(path: string): string | null {
    return this.#names.get(path)?.bytes.toString() ?? null;
  }

  /** How many descriptors are open. */
  openCount(): number {
    return this.#open.size;
  }

  /** As another part of the program does, unrecorded. */
  open(path: string): number {
    return this.#opened(this.#at(path));
  }

  close(fd: number): void {
    this.#close(fd);
  }

  /** A file that lies there, and is open to no process. */
  put(path: string, text: string, modifiedMs?: number): void {
    const inode = this.#newInode(Buffer.from(text));
    if (modifiedMs !== undefined) inode.modifiedNs = BigInt(modifiedMs) * 1_000_000n;
    this.#names.set(path, inode);
  }

  /** The directory goes, with all that is in it. */
  removeAll(): void {
    this.#names.clear();
    this.#hasDirectory = false;
  }

  #newInode(bytes = Buffer.alloc(0)): Inode {
    const at = this.#tick();
    const number = ++this.#inodes;
    return { number, bytes, modifiedNs: at, changedNs: at, flock: null, owner: null };
  }

  #tick(): bigint {
    this.#nowNs += 1_000_000n;
    return this.#nowNs;
  }

  #recorded(fs: LockFs): LockFs {
    const entries = Object.entries(fs) as [string, (...args: unknown[]) => unknown][];
    const recorded = entries.map(([name, call]) => [
      name,
      (...args: unknown[]): unknown => {
        this.calls.push(`${name}(${args.filter((arg) => !Buffer.isBuffer(arg)).join(", ")})`);
        const failure = this.#failure?.call === this.calls.length ? this.#failure : null;
        if (failure === null) return call(...args);
        if (failure.isDone) call(...args);
        if (LOCKING.has(name)) return { refused: failure.code } satisfies LockAttempt;
        throw refusal(failure.code, name);
      },
    ]);
    return Object.fromEntries(recorded) as LockFs;
  }

  #at(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw refusal("ENOENT", "open");
    return inode;
  }

  #of(fd: number): Inode {
    const file = this.#open.get(fd);
    if (file === undefined) throw refusal("EBADF", "fd");
    return file.inode;
  }

  #opened(inode: Inode, deletes: string | null = null): number {
    let fd = 3;
    while (this.#open.has(fd)) fd++;
    this.#open.set(fd, { inode, deletes });
    return fd;
  }

  #create(path: string, deletes: string | null = null): number {
    if (!this.#hasDirectory) throw refusal("ENOENT", "open");
    if (this.#names.has(path)) throw refusal("EEXIST", "open");
    const inode = this.#newInode();
    this.#names.set(path, inode);
    return this.#opened(inode, deletes);
  }

  #close(fd: number): void {
    const { inode, deletes } = this.#open.get(fd) ?? { inode: this.#of(fd), deletes: null };
    this.#open.delete(fd);
    if (inode.flock === fd) inode.flock = null;
    if (inode.owner === fd) inode.owner = null;
    if (deletes !== null) this.#names.delete(deletes);
  }

  #link(inode: Inode, path: string): void {
    if (!this.#hasDirectory) throw refusal("ENOENT", "link");
    if (this.#names.has(path)) throw refusal("EEXIST", "link");
    inode.changedNs = this.#tick();
    const named = this.#options.renumbersLinks ? this.#newInode(Buffer.from(inode.bytes)) : inode;
    this.#names.set(path, named);
  }

  #id({ number }: Inode): string {
    return `2049:${String(number)}`;
  }

  #stamp(inode: Inode): string {
    return `${this.#id(inode)} ${String(inode.bytes.length)} ${String(inode.modifiedNs)}`;
  }

  #stats(inode: Inode): BigIntStats {
    const nlink = [...this.#names.values()].filter((named) => named === inode).length;
    const { number, bytes, modifiedNs, changedNs } = inode;
    const times = { mtimeNs: modifiedNs, ctimeNs: changedNs };
    const is = { isFile: () => true, isDirectory: () => false, isSymbolicLink: () => false };
    const numbers = { dev: 2049n, ino: number, size: BigInt(bytes.length), nlink: BigInt(nlink) };
    return { ...numbers, ...times, ...is } as object as BigIntStats;
  }

  #attempt(fd: number, kind: "flock" | "owner", take: boolean): LockAttempt {
    const inode = this.#of(fd);
    if (this.#options.locks === "none") return { refused: "ENOTSUP" };
    const by = inode[kind];
    if (by !== null && by !== fd) return this.#options.locks === "hidden" ? "acquired" : "held";
    if (take) inode[kind] = fd;
    return "acquired";
  }

  #real(): LockFs {
    const { type, hasUnnamed, hasLinks } = this.#options;
    return {
      openForReading: (path) => this.#opened(this.#at(path)),
      openForWriting: (path) => this.#opened(this.#at(path)),
      createExclusive: (path) => this.#create(path),
      createUnnamed: () => {
        if (!hasUnnamed) throw refusal("EOPNOTSUPP", "open");
        if (!this.#hasDirectory) throw refusal("ENOENT", "open");
        return this.#opened(this.#newInode());
      },
      linkOpenFile: (fd, path) => this.#link(this.#of(fd), path),
      openGuard: (path) => {
        const inode = this.#names.get(path);
        return inode === undefined ? this.#create(path) : this.#opened(inode);
      },
      createSelfDeleting: (path) => this.#create(path, path),
      takeOverSelfDeleting: (path) => {
        const inode = this.#at(path);
        const isOpen = [...this.#open.values()].some((file) => file.inode === inode);
        if (isOpen) throw refusal("EBUSY", "open");
        return this.#opened(inode, path);
      },
      read: (fd, buffer, offset, length) =>
        this.#of(fd).bytes.copy(buffer, offset, offset, offset + length),
      writeText: (fd, text) => {
        const inode = this.#of(fd);
        inode.bytes = Buffer.from(text);
        inode.modifiedNs = inode.changedNs = this.#tick();
      },
      setModified: (fd, seconds) => {
        const inode = this.#of(fd);
        inode.modifiedNs = BigInt(Math.trunc(seconds * 1e6)) * 1000n;
        inode.changedNs = this.#tick();
      },
      close: (fd) => this.#close(fd),
      fstat: (fd) => this.#stats(this.#of(fd)),
      fileId: (fd) => this.#id(this.#of(fd)),
      isNamed: (path, fd) => this.#names.get(path) === this.#open.get(fd)?.inode,
      lstat: (path) => {
        const inode = this.#names.get(path);
        return inode === undefined ? null : this.#stats(inode);
      },
      kindAt: (path): PathKind => (this.#names.has(path) ? "file" : "nothing"),
      isWithoutLinks: () => true,
      link: (existing, path) => {
        if (!hasLinks) throw refusal("EPERM", "link");
        this.#link(this.#at(existing), path);
      },
      makeDirectory: () => {
        this.#hasDirectory = true;
      },
      realpath: (path) => path,
      readLink: () => {
        throw refusal("EINVAL", "readlink");
      },
      exists: (path) => (path === DIRECTORY ? this.#hasDirectory : this.#names.has(path)),
      unlink: (path) => {
        this.#at(path).changedNs = this.#tick();
        this.#names.delete(path);
      },
      removeDirectory: () => {
        throw refusal("ENOTDIR", "rmdir");
      },
      rename: (from, to) => {
        this.#names.set(to, this.#at(from));
        this.#names.delete(from);
      },
      list: () => ({ next: () => null, close: () => {} }),
      fileSystemType: () => type ?? 0,
      fileSystemTypeOf: () => type,
      canLock: () => true,
      tryExclusive: (fd) => this.#attempt(fd, "flock", true),
      probe: (fd) => this.#attempt(fd, "flock", false),
      drop: (fd) => {
        const inode = this.#of(fd);
        if (inode.flock === fd) inode.flock = null;
      },
      tryOwn: (fd) => this.#attempt(fd, "owner", true),
      probeOwner: (fd) => this.#attempt(fd, "owner", false),
      stamp: (fd) => this.#stamp(this.#of(fd)),
      stampAt: (path) => {
        const inode = this.#names.get(path);
        return inode === undefined ? null : this.#stamp(inode);
      },
    };
  }
}

/** The same calls, of which some fail, each with its code. */
export function withRefused(
  fs: LockFs,
  codes: Partial<Readonly<Record<keyof LockFs, string>>>,
): LockFs {
  const refused = Object.entries(codes).map(([name, code]) => [
    name,
    (): never => {
      throw refusal(code, name);
    },
  ]);
  return { ...fs, ...(Object.fromEntries(refused) as Partial<LockFs>) };
}

function refusal(code: string, syscall: string, path = ""): Error {
  return systemError(code, "in memory", syscall, path);
}
