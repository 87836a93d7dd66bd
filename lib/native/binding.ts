/**
 * The typed interface of the addon, exactly as `native/addon.cc` exports it.
 *
 * Numbers stand for the enums of `native/process.h`; the lists below are in the same order. The
 * addon only keeps a wrong argument from doing harm, by a TypeError or RangeError that names it: what users pass is
 * checked, and shown in errors, by the callers of this interface.
 */

/** `State` in native/process.h. */
export const STATES = ["alive", "gone", "unknown"] as const;

/** `Reason` in native/process.h. */
export const REASONS = [
  "running",
  "no-such-process",
  "zombie",
  "exited",
  "thread-id",
  "invalid-pid",
  "access-denied",
  "unsupported",
] as const;

/** `ArgsReason` in native/process.h; the first one, "the arguments were read", has no name. */
export const ARGS_REASONS = [
  null,
  "gone",
  "access-denied",
  "busy",
  "skipped",
  "unsupported",
] as const;

/** Where {@link NativeBinding.inspect} writes each fact; a fact that is not known is NaN. */
export const FACT = {
  state: 0,
  reason: 1,
  startTime: 2,
  startedAtMs: 3,
  parentPid: 4,
  argsReason: 5,
} as const;

/** Where {@link NativeBinding.identity} writes each fact; a fact that is not known is NaN. */
export const IDENTITY_FACT = {
  state: 0,
  reason: 1,
  startTime: 2,
  /** The upper and the lower 32 bits of a 64-bit number. */
  exactIdHigh: 3,
  exactIdLow: 4,
} as const;

/** Length of the array handed to {@link NativeBinding.inspect} and {@link NativeBinding.identity}. */
export const FACT_COUNT = 6;

/**
 * Where an array of {@link FACT_ROW} numbers tells, behind the facts, of the arguments: how many there are, and from
 * the next index on where each of them ends in the command line, one character before the next begins. 0: not told
 * there, since they are too many, the command line is too long or not ASCII, or the OS does not join them by one
 * character.
 */
export const ARGUMENT_COUNT = 6;

/** The facts, {@link ARGUMENT_COUNT}, and room for 25 ends. */
export const FACT_ROW = 32;

/** How many processes {@link NativeBinding.inspectMany} describes at most in one call. */
export const MOST_AT_ONCE = 64;

/** `HostFacts` in native/process.h; an empty string is "unknown". */
export interface NativeHostFacts {
  readonly machineId: string;
  readonly bootId: string;
  readonly pidNamespace: string;
  readonly initialPidNamespace: boolean;
  /** NaN when it cannot be known. */
  readonly startTimeOffset: number;
  /** NaN when it cannot be known. */
  readonly monotonicOffsetMs: number;
}

/** `Delivery` in native/process.h. */
export const DELIVERIES = ["sent", "gone", "access-denied", "unsupported"] as const;

/** `ProcessReference` in native/process.h; all but {@link close} throw after it. */
export interface NativeProcessReference {
  /** True once that process has exited. */
  exited(): boolean;
  /** Fills `facts`, see {@link IDENTITY_FACT}. */
  identity(facts: Float64Array): void;
  /** Index into {@link DELIVERIES}. On Windows any number but 0 ends the process. */
  signal(number: number): number;
  /** Drops the reference; may be called twice. Also done by garbage collection. */
  close(): void;
}

export interface NativeBinding {
  /** False only on proof: a process about which the OS tells nothing counts as alive. */
  isAlive(pid: number): boolean;
  startTime(pid: number): number | null;
  /**
   * null when the process is gone or its command line cannot be read. Where `row`, of {@link FACT_ROW}, has room for
   * the arguments (see {@link ARGUMENT_COUNT}), only they are written there, and the command line is returned with
   * spaces between them.
   */
  args(pid: number, row?: Float64Array): string[] | string | null;
  /**
   * Fills `facts` (see {@link FACT}) and, when `args` is given, pushes the argument vector into that
   * empty array and returns the raw command line; otherwise, or when it could not be read, null. Where `facts` is of
   * {@link FACT_ROW} and has room for the arguments, they are told there instead, and the command line has spaces
   * between them.
   */
  inspect(pid: number, facts: Float64Array, args?: string[]): string | null;
  /**
   * {@link inspect} for the first `count` of `pids`, at most {@link MOST_AT_ONCE}: one after the other until
   * `budgetMs` are used up, the first one in any case. Fills a row of {@link FACT_ROW} for each. The command line of
   * the i-th goes to `lines[2 * i]`, and its arguments, where the row does not tell of them, to `lines[2 * i + 1]`;
   * `lines` is an empty array, without which command lines are skipped.
   *
   * @returns how many were asked
   */
  inspectMany(
    pids: Uint32Array,
    count: number,
    facts: Float64Array,
    budgetMs: number,
    lines?: (string | string[] | undefined)[],
  ): number;
  /** Fills `facts`, see {@link IDENTITY_FACT}. */
  identity(pid: number, facts: Float64Array): void;
  /** Index into {@link REASONS} of the process with this exact id: 0 when it is running. */
  reasonByExactId(exactId: string): number;
  host(): NativeHostFacts;
  /** null when there is no such process, or none can be held. */
  reference(pid: number): NativeProcessReference | null;
  /** The same by exact id, whatever its pid is here; null, too, where the OS cannot find it so. */
  referenceByExactId(exactId: string): NativeProcessReference | null;
  /** The pids of all processes that can be seen here; null: they cannot be listed. */
  list(): Uint32Array | null;
  /**
   * Makes the `fs.watch` that was just started on the file that `fd` has open report ("rename"), too, when a
   * descriptor that the file could be written through is closed. False: it does not (native/file_watch.h).
   */
  tellCloses(fd: number): boolean;
  /**
   * Windows: from now on the processes that this one starts, and those that they start, end with this one, however it
   * ends. False: they do not (native/child_tie.h).
   */
  tieChildren(): boolean;
  /** Ends that, for those that run, too. False: it was not so, or the OS refuses. */
  loosenChildren(): boolean;
  /** 0 acquired (it ends with its descriptor), 1 held elsewhere, negative: the negated errno of a refusal. */
  lockTryExclusive(fd: number): number;
  /** 0 free, 1 held elsewhere, negative: the negated errno of a refusal. */
  lockProbe(fd: number): number;
  /** Drops what `lockTryExclusive` took; 0, or the negated errno of a refusal. */
  lockDrop(fd: number): number;
  /**
   * Linux: an open-file-description lock, which the one above does not see, nor sees. 0 acquired (it ends with its
   * open file), 1 held elsewhere, negative: the negated errno of a refusal; elsewhere always "not supported".
   */
  ownershipTry(fd: number): number;
  /** 0 no other open file has it, 1 held elsewhere, negative: the negated errno of a refusal. Takes nothing. */
  ownershipProbe(fd: number): number;
  /**
   * Gives an open file that has no name (O_TMPFILE) the name `path`, never replacing. 0, or the negated errno; null:
   * no system call takes such a path.
   *
   * @param by - 0: by its descriptor; 1: by way of /proc.
   */
  linkOpenFile(fd: number, path: string, by: number): number | null;
  /** `<st_dev>:<st_ino> <size> <modification time>`; null on Windows and when the OS does not tell. */
  fileStamp(fd: number): string | null;
  /** The same of what `path` names, a final symbolic link not followed; null also when there is nothing. */
  fileStampAt(path: string): string | null;
  /**
   * Makes an open file one that ends, with its lock, when this thread ends, however that comes about. Gives the
   * descriptor to use from now on; when that is another, the old one is to be closed (POSIX). null: refused.
   */
  keepFile(fd: number): number | null;
  /**
   * Ends what `keepFile` began. True: it was kept, and its descriptor is closed by this unless it was the
   * caller's own (`keepFile` gave the same number: Windows). False: it was not kept.
   */
  dropFile(fd: number): boolean;
  /** `<st_dev>:<st_ino>` as Node's own `fstat` gives them; null on Windows and when the OS does not tell. */
  fileId(fd: number): string | null;
  /** `f_type` of fstatfs(2); null on Windows and when the OS does not tell. */
  fileSystemType(fd: number): number | null;
  /**
   * What `path` names, a final symbolic link not followed: 0 nothing, 1 a file, 2 a directory, 3 a symbolic link,
   * 4 something else. null on Windows and when the OS does not tell.
   */
  pathKind(path: string): number | null;
  /**
   * Whether no part of a directory's path is a symbolic link, so that it is its own real path; false also when that
   * cannot be told in one call (but on Linux 5.6 and later).
   */
  isWithoutLinks(directory: string): boolean;
  /** Whether `path` names the very regular file that `fd` has open; false also when that cannot be told. */
  isNamed(path: string, fd: number): boolean;
  /**
   * open(2): the descriptor, or the negated errno; null: no system call takes such a path. On Windows this and the
   * four below are "not supported".
   *
   * @param flags - Of `fs.constants`; O_CLOEXEC goes without saying.
   * @param keep - The file ends with this thread, as `keepFile` makes one; `closeFile` and `dropFile` end it before.
   */
  openFile(path: string, flags: number, mode: number, keep: boolean): number | null;
  /** Reads what lies at `offset` of the file to `offset` of `buffer`: how many bytes, or the negated errno. */
  readAt(fd: number, buffer: Uint8Array, offset: number, length: number): number;
  /** Writes all of `text`, as UTF-8, where the descriptor stands: 0, or the negated errno. */
  writeFile(fd: number, text: string): number;
  /** The descriptor is closed, whatever this answers: 0, or the negated errno. */
  closeFile(fd: number): number;
  /** 0, or the negated errno; null: no system call takes such a path. */
  unlinkFile(path: string): number | null;
  /** `monotonic_ms` in native/clock.h, time-namespace offset included; null when the OS refuses. */
  monotonicMs(): number | null;
  /** `since_boot_ms` in native/clock.h, time-namespace offset included; null but on Linux. */
  sinceBootMs(): number | null;
}
