/** Nothing but misuse: the raw addon must answer every wrong argument with a typed error, never crash. */
import { spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
} from "node:fs";
import { constants as osConstants } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import {
  ARGS_REASONS,
  DELIVERIES,
  FACT,
  FACT_COUNT,
  FACT_ROW,
  IDENTITY_FACT,
  MOST_AT_ONCE,
  type NativeBinding,
  type NativeProcessReference,
  REASONS,
  STATES,
} from "../../lib/native/binding.js";
import { loadNative } from "../../lib/native/load.js";
import { startReady } from "../support/processes/child.js";
import { openNewFile, openToRead } from "../support/processes/open-file.js";
import { program } from "../support/processes/programs.js";
import { requireBinding, requireLinux, requirePosix, requireWindows } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { waitFor } from "../support/wait-for.js";

type Raw = Readonly<Record<keyof NativeBinding, (...args: readonly unknown[]) => unknown>>;

let binding: NativeBinding;
let raw: Raw;

beforeEach((context) => {
  binding = requireBinding(context);
  raw = binding as unknown as Raw;
});

const untouchable = {
  get pid(): never {
    throw new Error("a getter ran");
  },
  toString(): never {
    throw new Error("toString ran");
  },
  valueOf(): never {
    throw new Error("valueOf ran");
  },
};

/** Each in an array of its own: a table of arrays would be taken apart. */
const NOT_NUMBERS: readonly (readonly [unknown])[] = [
  [undefined],
  [null],
  [true],
  ["12"],
  [""],
  ["x".repeat(100_000)],
  [12n],
  [Symbol("pid")],
  [() => 12],
  [[12]],
  [Object(12)],
  [untouchable],
  [new Proxy({}, { get: () => 12 })],
];
const NOT_STRINGS = [
  ...NOT_NUMBERS.filter(([value]) => typeof value !== "string"),
  [12] as const,
  [NaN] as const,
  [Buffer.from("/")] as const,
  [new URL("file:///")] as const,
];

const NOT_IN_RANGE = [
  NaN,
  Infinity,
  -Infinity,
  -1,
  1.5,
  2 ** 32,
  2 ** 53,
  Number.MAX_VALUE,
  5e-324,
] as const;

/** linux/magic.h */
const PROC_SUPER_MAGIC = 0x9fa0;

const PID_FUNCTIONS = ["isAlive", "startTime", "args", "inspect", "identity", "reference"] as const;
const LOCK_FUNCTIONS = [
  "lockTryExclusive",
  "lockProbe",
  "lockDrop",
  "ownershipTry",
  "ownershipProbe",
] as const;
const FD_FUNCTIONS = [
  "keepFile",
  "dropFile",
  "fileId",
  "fileSystemType",
  "fileStamp",
  "tellCloses",
  "closeFile",
] as const;

/** Every function that takes a descriptor, alone or after other arguments. */
const FD_CALLS: readonly (readonly [
  keyof NativeBinding,
  (...fd: readonly unknown[]) => unknown,
])[] = [
  ...[...LOCK_FUNCTIONS, ...FD_FUNCTIONS].map(
    (name) => [name, (...fd: readonly unknown[]) => raw[name](...fd)] as const,
  ),
  ["linkOpenFile", (...fd) => raw.linkOpenFile(fd[0], process.execPath, 0)],
  ["isNamed", (...fd) => raw.isNamed(process.execPath, ...fd)],
  ["readAt", (...fd) => raw.readAt(fd[0], Buffer.alloc(1), 0, 1)],
  ["writeFile", (...fd) => raw.writeFile(fd[0], "text")],
];

/** `expect(…).toThrow` compares class and message separately; this says both. */
function errorOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return String(error);
  }
  return "nothing was thrown";
}

describe.each(PID_FUNCTIONS)("%s", (name) => {
  test.each(NOT_NUMBERS)("a pid that is no number is refused: %#", (value) => {
    expect(errorOf(() => raw[name](value))).toBe("TypeError: pid must be a number");
  });

  test.each(NOT_IN_RANGE)("a number that can be no pid is refused: %s", (value) => {
    expect(errorOf(() => raw[name](value))).toBe("RangeError: pid must be an integer in range");
  });

  test("a missing pid is refused, not guessed", () => {
    expect(errorOf(() => raw[name]())).toBe("TypeError: pid must be a number");
  });
});

test("a pid beyond the platform's range is invalid, not asked for", () => {
  for (const pid of [0, -0, ...(process.platform === "win32" ? [] : [2 ** 31, 2 ** 32 - 1])]) {
    expect(binding.isAlive(pid)).toBe(false);
    expect(binding.startTime(pid)).toBeNull();
    expect(binding.args(pid)).toBeNull();
    expect(binding.reference(pid)).toBeNull();
    const facts = new Float64Array(FACT_COUNT);
    binding.identity(pid, facts);
    expect(STATES[facts[IDENTITY_FACT.state] ?? -1]).toBe("gone");
    expect(REASONS[facts[IDENTITY_FACT.reason] ?? -1]).toBe("invalid-pid");
    expect(Array.from(facts.subarray(2))).toEqual([NaN, NaN, NaN, 0]);
  }
});

describe.each(FD_CALLS)("%s", (_name, call) => {
  test.each(NOT_NUMBERS)("a descriptor that is no number is refused: %#", (value) => {
    expect(errorOf(() => call(value))).toBe("TypeError: fd must be a number");
  });

  test.each([...NOT_IN_RANGE, 2 ** 31])(
    "a number that can be no descriptor is refused: %s",
    (value) => {
      expect(errorOf(() => call(value))).toBe("RangeError: fd must be an integer in range");
    },
  );

  test("a missing descriptor is refused, not guessed", () => {
    expect(errorOf(() => call())).toBe("TypeError: fd must be a number");
  });
});

test("a descriptor that is not open: locks answer a negated errno, nothing else guesses", () => {
  const notOpen = 2 ** 31 - 1;
  for (const name of LOCK_FUNCTIONS) expect(binding[name](notOpen)).toBeLessThan(0);
  expect(binding.keepFile(notOpen)).toBeNull();
  expect(binding.dropFile(notOpen)).toBe(false);
  expect(binding.fileId(notOpen)).toBeNull();
  expect(binding.fileSystemType(notOpen)).toBeNull();
  expect(binding.fileStamp(notOpen)).toBeNull();
  expect(binding.isNamed(process.execPath, notOpen)).toBe(false);
  expect(binding.tellCloses(notOpen)).toBe(false);
  expect(binding.readAt(notOpen, Buffer.alloc(1), 0, 1)).toBeLessThan(0);
  expect(binding.writeFile(notOpen, "text")).toBeLessThan(0);
  expect(binding.closeFile(notOpen)).toBeLessThan(0);
  for (const by of [0, 1]) {
    expect(binding.linkOpenFile(notOpen, join(temporaryFolder(), "name"), by)).toBeLessThan(0);
  }
});

test("only Windows ties children to this process, and what is not tied cannot be loosened", (context) => {
  // This process would end with the tie.
  requirePosix(context, "it is tried in a process of its own there");
  expect(binding.tieChildren()).toBe(false);
  expect(binding.loosenChildren()).toBe(false);
});

describe("a kept file", () => {
  test("a kept file is the same open file, and its lock lives until it is dropped", () => {
    const path = join(temporaryFolder(), "file");
    const opened = openSync(path, "wx+");
    const kept = binding.keepFile(opened) ?? -1;
    expect(kept === opened).toBe(process.platform === "win32");
    if (kept !== opened) closeSync(opened);
    expect(binding.lockTryExclusive(kept)).toBe(0);
    const other = openSync(path, "r");
    expect(binding.fileId(kept)).toBe(binding.fileId(other));
    expect(binding.lockProbe(other)).toBe(1);
    expect(binding.dropFile(kept)).toBe(true);
    expect(binding.lockProbe(other)).toBe(0);
    if (kept === opened) closeSync(opened);
    closeSync(other);
    // Its number is no kept file's any more.
    expect(binding.dropFile(kept)).toBe(false);
  });

  test("a file that was never kept is not dropped", () => {
    const fd = openSync(process.execPath, "r");
    expect(binding.dropFile(fd)).toBe(false);
    closeSync(fd);
  });
});

describe("isNamed", () => {
  test.each(NOT_STRINGS)("isNamed refuses a path that is no string: %#", (value) => {
    expect(errorOf(() => raw.isNamed(value, 0))).toBe("TypeError: path must be a string");
  });

  test("isNamed refuses missing arguments, and names the first one", () => {
    expect(errorOf(() => raw.isNamed())).toBe("TypeError: path must be a string");
    expect(errorOf(() => raw.isNamed(null, null))).toBe("TypeError: path must be a string");
  });
});

describe("linkOpenFile", () => {
  test.each(NOT_STRINGS)("linkOpenFile refuses a path that is no string: %#", (value) => {
    expect(errorOf(() => raw.linkOpenFile(0, value, 0))).toBe("TypeError: path must be a string");
  });

  test.each(NOT_NUMBERS)("linkOpenFile refuses a way that is no number: %#", (value) => {
    expect(errorOf(() => raw.linkOpenFile(0, "name", value))).toBe(
      "TypeError: by must be a number",
    );
  });

  test.each([...NOT_IN_RANGE, 2, 2 ** 31 - 1])(
    "linkOpenFile refuses a number that is no way to a file: %s",
    (value) => {
      expect(errorOf(() => raw.linkOpenFile(0, "name", value))).toMatch(
        /^RangeError: by must be /u,
      );
    },
  );

  test("linkOpenFile refuses missing arguments, and names the first one", () => {
    expect(errorOf(() => raw.linkOpenFile())).toBe("TypeError: fd must be a number");
    expect(errorOf(() => raw.linkOpenFile(0))).toBe("TypeError: path must be a string");
    expect(errorOf(() => raw.linkOpenFile(0, "name"))).toBe("TypeError: by must be a number");
  });
});

describe.each(["fileStampAt", "pathKind", "isWithoutLinks", "openFile", "unlinkFile"] as const)(
  "%s",
  (name) => {
    test.each(NOT_STRINGS)(`${name} refuses a path that is no string: %#`, (value) => {
      expect(errorOf(() => raw[name](value))).toBe("TypeError: path must be a string");
    });

    test(`${name} refuses a missing path`, () => {
      expect(errorOf(() => raw[name]())).toBe("TypeError: path must be a string");
    });
  },
);

describe("the calls on files", () => {
  test.each(NOT_NUMBERS)("flags and a mode that are no numbers are refused: %#", (value) => {
    expect(errorOf(() => raw.openFile("name", value, 0, false))).toBe(
      "TypeError: flags must be a number",
    );
    expect(errorOf(() => raw.openFile("name", 0, value, false))).toBe(
      "TypeError: mode must be a number",
    );
    const buffer = Buffer.alloc(1);
    expect(errorOf(() => raw.readAt(0, buffer, value, 0))).toBe(
      "TypeError: offset must be a number",
    );
    expect(errorOf(() => raw.readAt(0, buffer, 0, value))).toBe(
      "TypeError: length must be a number",
    );
  });

  test.each([...NOT_IN_RANGE, 2 ** 32])("numbers out of range are refused: %s", (value) => {
    for (const call of [
      () => raw.openFile("name", value, 0, false),
      () => raw.openFile("name", 0, value, false),
      () => raw.readAt(0, Buffer.alloc(1), value, 0),
      () => raw.readAt(0, Buffer.alloc(1), 0, value),
    ]) {
      expect(errorOf(call)).toMatch(
        /^RangeError: (?:flags|mode|offset|length) must be an integer in range$/u,
      );
    }
  });

  test("openFile asks for a plain yes or no", () => {
    for (const value of [undefined, null, 0, 1, "true", {}]) {
      expect(errorOf(() => raw.openFile("name", 0, 0, value))).toBe(
        "TypeError: keep must be a boolean",
      );
    }
  });

  test.each([
    ["nothing", undefined],
    ["an array", [1]],
    ["a string", "text"],
    ["an ArrayBuffer", new ArrayBuffer(8)],
    ["a DataView", new DataView(new ArrayBuffer(8))],
    ["a Float64Array", new Float64Array(1)],
    ["a proxy of the right thing", new Proxy(Buffer.alloc(8), {})],
  ])("a buffer that is %s is refused", (_what, buffer) => {
    expect(errorOf(() => raw.readAt(0, buffer, 0, 1))).toBe(
      "TypeError: buffer must be a Uint8Array",
    );
  });

  test("readAt writes nothing beyond its buffer, and nothing into a detached one", () => {
    const buffer = Buffer.alloc(8);
    for (const [offset, length] of [
      [9, 0],
      [0, 9],
      [8, 1],
      [1, 8],
      [2 ** 32 - 1, 1],
      [1, 2 ** 32 - 1],
    ]) {
      expect(errorOf(() => raw.readAt(0, buffer, offset, length))).toBe(
        "RangeError: buffer must be longer",
      );
    }
    const detached = new Uint8Array(8);
    structuredClone(null, { transfer: [detached.buffer] });
    expect(errorOf(() => raw.readAt(0, detached, 0, 1))).toBe("RangeError: buffer must be longer");
  });

  test.each(NOT_STRINGS)("a text that is no string is refused: %#", (value) => {
    expect(errorOf(() => raw.writeFile(0, value))).toBe("TypeError: text must be a string");
  });

  test("a path that no system call takes is not opened and not removed", () => {
    const { path } = openNewFile();
    for (const wrong of [`${path}\0`, `\0${path}`, path.padEnd(4096, "x"), "x".repeat(1e6)]) {
      expect(binding.openFile(wrong, constants.O_RDONLY, 0, false)).toBeNull();
      expect(binding.unlinkFile(wrong)).toBeNull();
    }
    expect(existsSync(path)).toBe(true);
  });

  test("on Windows every one of them is not supported", (context) => {
    requireWindows(context, "where Node makes these calls");
    const { path, fd } = openNewFile();
    const answers = [
      binding.openFile(path, constants.O_RDONLY, 0, true),
      binding.readAt(fd, Buffer.alloc(1), 0, 1),
      binding.writeFile(fd, "text"),
      binding.closeFile(fd),
      binding.unlinkFile(path),
    ];
    expect(new Set(answers)).toEqual(new Set([-4049]));
  });

  describe("on POSIX", () => {
    beforeEach((context) => {
      requirePosix(context, "on Windows Node makes these calls");
    });
    const NEW = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;

    test("a file is opened with its mode, written, read at an offset, closed and unlinked", () => {
      const path = join(temporaryFolder(), "\u{1f512} lock");
      const fd = binding.openFile(path, NEW, 0o640, false) ?? -1;
      expect(statSync(path).mode & 0o777).toBe(0o640 & ~process.umask());
      expect(binding.writeFile(fd, "first \u20ac ")).toBe(0);
      expect(binding.writeFile(fd, "second")).toBe(0);
      expect(readFileSync(path, "utf8")).toBe("first \u20ac second");
      const buffer = Buffer.alloc(20, ".");
      expect(binding.readAt(fd, buffer, 10, 6)).toBe(6);
      expect(buffer.toString()).toBe("..........second....");
      expect(binding.readAt(fd, buffer, 16, 4)).toBe(0);
      expect(binding.readAt(fd, buffer, 0, 0)).toBe(0);
      expect(binding.closeFile(fd)).toBe(0);
      expect(binding.closeFile(fd)).toBeLessThan(0);
      expect(binding.unlinkFile(path)).toBe(0);
      expect(binding.unlinkFile(path)).toBe(-osConstants.errno.ENOENT);
      expect(binding.openFile(path, constants.O_RDONLY, 0, false)).toBe(-osConstants.errno.ENOENT);
    });

    test("a text of any length arrives whole, in UTF-8 as Node writes it", () => {
      const folder = temporaryFolder();
      // Around the length that has room on the stack, with characters of one to four bytes there.
      const lengths = [0, 1, 4080, 4090, 4091, 4092, 4093, 4094, 4095, 4096, 4097, 5000, 200_000];
      for (const length of lengths) {
        for (const end of ["", "\u00e9", "\u20ac", "\u{1f512}", "\ud800", "\0"]) {
          const text = "x".repeat(length) + end;
          const path = join(folder, "text");
          const fd = binding.openFile(path, NEW, 0o600, false) ?? -1;
          expect(binding.writeFile(fd, text)).toBe(0);
          binding.closeFile(fd);
          expect(readFileSync(path).equals(Buffer.from(text))).toBe(true);
          binding.unlinkFile(path);
        }
      }
    });

    test("a program that is started inherits no descriptor of openFile's", (context) => {
      requireLinux(context, "/proc/self/fd");
      const path = join(temporaryFolder(), "file");
      const fd = binding.openFile(path, NEW, 0o600, false) ?? -1;
      const { stdout } = spawnSync("ls", ["-l", "/proc/self/fd"], { encoding: "utf8" });
      binding.closeFile(fd);
      expect(stdout).toContain("-> ");
      expect(stdout).not.toContain(path);
    });

    test("an opened file that is kept ends by closeFile or by dropFile, once", () => {
      const { path, fd: other } = openNewFile();
      for (const end of ["closeFile", "dropFile"] as const) {
        const fd = binding.openFile(path, constants.O_RDWR, 0, true) ?? -1;
        expect(binding.lockTryExclusive(fd)).toBe(0);
        expect(binding.lockProbe(other)).toBe(1);
        expect(binding[end](fd)).toBe(end === "closeFile" ? 0 : true);
        expect(binding.lockProbe(other)).toBe(0);
        // Its number is no kept file's any more.
        expect(binding.dropFile(fd)).toBe(false);
        expect(binding.closeFile(fd)).toBe(-osConstants.errno.EBADF);
      }
    });
  });
});

describe("fileSystemType", () => {
  test("fileSystemType is what Node's statfs says of the same file, and nothing on Windows", () => {
    const { path, fd } = openNewFile();
    const expected = process.platform === "win32" ? null : statfsSync(path).type;
    expect(binding.fileSystemType(fd)).toBe(expected);
  });

  test("fileSystemType tells one file system from another by the descriptor alone", (context) => {
    requireLinux(context, "/proc, a file system of its own");
    expect(binding.fileSystemType(openToRead("/proc/1/stat"))).toBe(PROC_SUPER_MAGIC);
    const { path, fd } = openNewFile();
    rmSync(path);
    const ofDeleted = binding.fileSystemType(fd);
    expect([PROC_SUPER_MAGIC, null]).not.toContain(ofDeleted);
  });
});

describe.each(["monotonicMs", "sinceBootMs"] as const)("%s", (name) => {
  test("a clock takes no argument and ignores one", () => {
    for (const value of [...NOT_NUMBERS.flat(1), ...NOT_IN_RANGE]) {
      const answer = raw[name](value, value);
      expect(answer === null || typeof answer === "number").toBe(true);
    }
  });

  test("a clock never goes back, and is finer than a millisecond", (context) => {
    const first = binding[name]();
    if (first === null) return context.skip("needs a clock since boot, which only Linux has");
    let last = first;
    const fractions = new Set<number>();
    for (let call = 0; call < 10_000; call++) {
      const now = binding[name]() ?? Number.NaN;
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
      fractions.add(now % 1);
    }
    // Windows counts its ticks: 0.5 ms at best, 15.6 ms at worst.
    expect(fractions.size).toBeGreaterThan(process.platform === "win32" ? 0 : 100);
    expect(first).toBeGreaterThan(0);
  });
});

test("monotonicMs goes as fast as the runtime's own clock", async () => {
  const answer = (): number => binding.monotonicMs() ?? Number.NaN;
  const [before, started] = [answer(), performance.now()];
  await waitFor("300 ms to pass", () => performance.now() - started > 300);
  const [own, runtime] = [answer() - before, performance.now() - started];
  expect(Math.abs(own - runtime)).toBeLessThan(100);
});

test("sinceBootMs is known on Linux only", () => {
  expect(binding.sinceBootMs() === null).toBe(process.platform !== "linux");
});

test("sinceBootMs is the kernel's time since boot", (context) => {
  requireLinux(context, "its boot clock");
  const answer = binding.sinceBootMs();
  // Suspended time counts here and not there.
  expect((binding.monotonicMs() ?? Number.NaN) - (answer ?? Number.NaN)).toBeLessThan(1000);
  // In a container that file may be lxcfs's, and its number the container's age.
  if (binding.fileSystemType(openToRead("/proc/uptime")) !== PROC_SUPER_MAGIC) return;
  const uptimeMs = Number(readFileSync("/proc/uptime", "latin1").split(" ")[0]) * 1000;
  expect(Math.abs((answer ?? Number.NaN) - uptimeMs)).toBeLessThan(5000);
});

describe("reasonByExactId", () => {
  test.each(NOT_STRINGS)("reasonByExactId refuses an id that is no string: %#", (value) => {
    expect(errorOf(() => raw.reasonByExactId(value))).toBe("TypeError: exactId must be a string");
  });

  test.each([
    "",
    " 1",
    "1 ",
    "+1",
    "-1",
    "0x1",
    "1.0",
    "1e3",
    "١",
    "1\0",
    "18446744073709551616",
    "9".repeat(23),
    "9".repeat(100_000),
    // What is cut off must not count as zeros in front of nothing.
    "1".padStart(100, "0"),
  ])("reasonByExactId refuses an id that is no 64-bit decimal number: %#", (value) => {
    expect(errorOf(() => raw.reasonByExactId(value))).toBe(
      "RangeError: exactId must be a decimal number of 64 bits",
    );
  });

  test("reasonByExactId answers every 64-bit number", () => {
    for (const id of ["0", "1", "18446744073709551615", "00000000000000000001"]) {
      expect(REASONS[binding.reasonByExactId(id)]).toBeDefined();
    }
  });
});

const WRONG_FACTS: readonly (readonly [string, () => unknown])[] = [
  ["nothing", () => undefined],
  ["null", () => null],
  ["an array", () => [0, 0, 0, 0, 0, 0]],
  ["a Float32Array", () => new Float32Array(FACT_COUNT)],
  ["a BigInt64Array", () => new BigInt64Array(FACT_COUNT)],
  ["a bare buffer", () => new ArrayBuffer(FACT_COUNT * 8)],
  ["a DataView", () => new DataView(new ArrayBuffer(FACT_COUNT * 8))],
  ["a proxy of the right thing", () => new Proxy(new Float64Array(FACT_COUNT), {})],
  ["something that inherits from it", () => Object.create(new Float64Array(FACT_COUNT))],
];

describe.each(["inspect", "identity"] as const)("the facts of %s", (name) => {
  test.each(WRONG_FACTS)("facts that are %s are refused", (_what, make) => {
    expect(errorOf(() => raw[name](process.pid, make()))).toBe(
      "TypeError: facts must be a Float64Array",
    );
  });

  test("an array that the facts do not fit in is refused", () => {
    for (const length of [0, 1, FACT_COUNT - 1]) {
      expect(errorOf(() => raw[name](process.pid, new Float64Array(length)))).toBe(
        "RangeError: facts must be longer",
      );
    }
  });

  test("a detached array for the facts is refused", () => {
    const facts = new Float64Array(FACT_COUNT);
    structuredClone(facts.buffer, { transfer: [facts.buffer] });
    expect(errorOf(() => raw[name](process.pid, facts))).toBe("RangeError: facts must be longer");
  });
});

describe("inspectMany", () => {
  const pids = Uint32Array.of(process.pid, 2 ** 32 - 1);
  const facts = (): Float64Array<ArrayBuffer> => new Float64Array(2 * FACT_ROW);

  test.each([
    ["an array", [process.pid]],
    ["a Float64Array", Float64Array.of(process.pid)],
    ["an Int32Array", Int32Array.of(process.pid)],
    ["a proxy of the right thing", new Proxy(pids, {})],
    ["nothing", undefined],
  ])("pids that are %s are refused", (_what, wrong) => {
    expect(errorOf(() => raw.inspectMany(wrong, 1, facts(), 0))).toBe(
      "TypeError: pids must be a Uint32Array",
    );
  });

  test.each(NOT_NUMBERS)("a count that is no number is refused: %#", (count) => {
    expect(errorOf(() => raw.inspectMany(pids, count, facts(), 0))).toBe(
      "TypeError: count must be a number",
    );
  });

  test.each(NOT_IN_RANGE)("a number that can be no count is refused: %s", (count) => {
    expect(errorOf(() => raw.inspectMany(pids, count, facts(), 0))).toBe(
      "RangeError: count must be an integer in range",
    );
  });

  test("a count of nothing, and of more than one call takes, is refused", () => {
    const many = new Uint32Array(1000);
    const rows = new Float64Array(1000 * FACT_ROW);
    for (const count of [0, MOST_AT_ONCE + 1, 1000]) {
      expect(errorOf(() => raw.inspectMany(many, count, rows, 0))).toBe(
        "RangeError: count must be from 1 to 64",
      );
    }
    expect(binding.inspectMany(many, MOST_AT_ONCE, rows, Infinity)).toBe(MOST_AT_ONCE);
  });

  test("more pids than there are, and more rows than there is room for, are refused", () => {
    expect(errorOf(() => raw.inspectMany(pids, 3, new Float64Array(999), 0))).toBe(
      "RangeError: pids must be longer",
    );
    expect(errorOf(() => raw.inspectMany(pids, 2, new Float64Array(2 * FACT_ROW - 1), 0))).toBe(
      "RangeError: facts must be longer",
    );
  });

  test.each(WRONG_FACTS)("facts of many that are %s are refused", (_what, make) => {
    expect(errorOf(() => raw.inspectMany(pids, 1, make(), 0))).toBe(
      "TypeError: facts must be a Float64Array",
    );
  });

  test("detached arrays are refused", () => {
    const [detachedPids, detachedFacts] = [new Uint32Array(pids), facts()];
    structuredClone(null, {
      transfer: [detachedPids.buffer, detachedFacts.buffer],
    });
    expect(errorOf(() => raw.inspectMany(detachedPids, 1, facts(), 0))).toBe(
      "RangeError: pids must be longer",
    );
    expect(errorOf(() => raw.inspectMany(pids, 1, detachedFacts, 0))).toBe(
      "RangeError: facts must be longer",
    );
  });

  test("a budget that is no time is refused", () => {
    for (const [value] of NOT_NUMBERS) {
      expect(errorOf(() => raw.inspectMany(pids, 1, facts(), value))).toBe(
        "TypeError: budgetMs must be a number",
      );
    }
    for (const value of [NaN, -1, -Infinity, -5e-324]) {
      expect(errorOf(() => raw.inspectMany(pids, 1, facts(), value))).toBe(
        "RangeError: budgetMs must be 0 or more",
      );
    }
  });

  test.each([
    ["null", null],
    ["an object", {}],
    ["an array that holds something", ["x"]],
    ["a proxy of an array", new Proxy([], {})],
  ])("lines that are %s are refused", (_what, lines) => {
    expect(errorOf(() => raw.inspectMany(pids, 1, facts(), 0, lines))).toBe(
      "TypeError: lines must be an empty array",
    );
  });

  test("lines that cannot be filled end the call with nothing or an error, and no harm", () => {
    for (const lines of [Object.freeze([]), Object.preventExtensions([]), Object.seal([])]) {
      const made = errorOf(() => raw.inspectMany(pids, 2, facts(), Infinity, lines));
      expect(made).toMatch(/^(nothing was thrown|TypeError: .*)$/u);
      expect(lines).toEqual([]);
    }
  });

  test("inspectMany writes only the rows of those that it asked", () => {
    const rows = new Float64Array(3 * FACT_ROW).fill(-7);
    const window = rows.subarray(FACT_ROW / 2, FACT_ROW / 2 + 2 * FACT_ROW);
    expect(binding.inspectMany(pids, 2, window, 0)).toBe(1);
    expect(window[FACT.state]).toBe(STATES.indexOf("alive"));
    expect(new Set(rows.subarray(0, FACT_ROW / 2))).toEqual(new Set([-7]));
    expect(new Set(rows.subarray(FACT_ROW / 2 + FACT_ROW))).toEqual(new Set([-7]));
  });

  test("a setter on Array.prototype that detaches the arrays ends in an error", async (context) => {
    requireLinux(context, "a program of test/support/native");
    const child = await startReady(program("idle"), Array.from({ length: 100 }, String));
    const [asked, rows] = [Uint32Array.of(child.pid, child.pid), facts()];
    Reflect.defineProperty(Array.prototype, "0", {
      configurable: true,
      set() {
        delete (Array.prototype as unknown as Record<string, unknown>)["0"];
        structuredClone(null, {
          transfer: [asked.buffer, rows.buffer],
        });
      },
    });
    let error: unknown;
    try {
      raw.inspectMany(asked, 2, rows, Infinity, []);
    } catch (thrown) {
      error = thrown;
    } finally {
      delete (Array.prototype as unknown as Record<string, unknown>)["0"];
    }
    expect(String(error)).toBe("RangeError: pids must be longer");
  });
});

describe("the row of args", () => {
  test.each(WRONG_FACTS.slice(1))("a row for args that is %s is refused", (_what, make) => {
    expect(errorOf(() => raw.args(process.pid, make()))).toBe(
      "TypeError: facts must be a Float64Array",
    );
  });

  test("args writes its row only when it tells of the arguments there", () => {
    const row = new Float64Array(FACT_ROW).fill(-7);
    expect(binding.args(0, row)).toBeNull();
    expect(new Set(row)).toEqual(new Set([-7]));
    const short = new Float64Array(FACT_ROW - 1).fill(-7);
    // Not this process: emulated, it is shown without a start time.
    expect(binding.args(process.ppid, short)).toBeInstanceOf(Array);
    expect(new Set(short)).toEqual(new Set([-7]));
  });
});

describe("inspect", () => {
  test("inspect writes only the facts, and only inside a window of a larger buffer", () => {
    const whole = new Float64Array(FACT_COUNT + 4).fill(-7);
    binding.inspect(process.pid, whole.subarray(2));
    expect([...whole.subarray(0, 2), ...whole.subarray(2 + FACT_COUNT)]).toEqual([-7, -7, -7, -7]);
    expect(whole[2 + FACT.state]).toBe(STATES.indexOf("alive"));
    expect(whole[2 + FACT.argsReason]).toBe(ARGS_REASONS.indexOf("skipped"));
  });

  test.each([
    ["null", null],
    ["an object", {}],
    ["a string", "args"],
    ["a typed array", new Float64Array(2)],
    ["an array-like", { length: 0 }],
    ["a proxy of an array", new Proxy([], {})],
  ])("inspect refuses %s as args", (_what, args) => {
    expect(errorOf(() => raw.inspect(process.pid, new Float64Array(FACT_COUNT), args))).toBe(
      "TypeError: args must be an empty array",
    );
  });

  test("inspect refuses an array for args that already holds something", () => {
    expect(errorOf(() => raw.inspect(process.pid, new Float64Array(FACT_COUNT), ["x"]))).toBe(
      "TypeError: args must be an empty array",
    );
  });

  test("does not claim to have filled an array that cannot be filled", () => {
    for (const args of [Object.freeze([]), Object.preventExtensions([]), Object.seal([])]) {
      const facts = new Float64Array(FACT_COUNT);
      expect(errorOf(() => raw.inspect(process.pid, facts, args))).toBe(
        "TypeError: args must be extensible",
      );
    }
  });

  describe("with a setter on Array.prototype", () => {
    let onSet: () => void = () => {};
    beforeEach(() => {
      Reflect.defineProperty(Array.prototype, "0", {
        configurable: true,
        set() {
          onSet();
        },
      });
    });
    afterEach(() => {
      delete (Array.prototype as unknown as Record<string, unknown>)["0"];
    });
    // Nothing in here may use an array but for the call itself.
    function inspectInto(facts: Float64Array): unknown {
      try {
        raw.inspect(process.pid, facts, []);
        return "nothing was thrown";
      } catch (error) {
        return error;
      } finally {
        delete (Array.prototype as unknown as Record<string, unknown>)["0"];
      }
    }

    test("passes on what the setter throws", () => {
      const mine = new Error("mine");
      onSet = () => {
        throw mine;
      };
      expect(inspectInto(new Float64Array(FACT_COUNT))).toBe(mine);
    });

    test("does not write to facts that the setter detached", () => {
      const facts = new Float64Array(FACT_COUNT);
      onSet = () => {
        const { port1, port2 } = new MessageChannel();
        delete (Array.prototype as unknown as Record<string, unknown>)["0"];
        port1.postMessage(0, [facts.buffer]);
        port1.close();
        port2.close();
      };
      expect(String(inspectInto(facts))).toBe("RangeError: facts must be longer");
    });

    test("survives a setter that asks again", () => {
      let again: unknown;
      onSet = () => {
        delete (Array.prototype as unknown as Record<string, unknown>)["0"];
        again = raw.args(process.pid);
      };
      inspectInto(new Float64Array(FACT_COUNT));
      expect(again).toContain(process.execPath);
    });
  });
});

describe("a process reference", () => {
  let reference: NativeProcessReference;
  beforeEach(() => {
    const opened = binding.reference(process.pid);
    if (opened === null) throw new Error("no reference to this process");
    reference = opened;
  });
  afterEach(() => {
    reference.close();
  });

  const WRONG_THIS = [undefined, null, 1, "x", {}, [], new Map(), () => 1, new Proxy({}, {})];

  test("a process reference lets its methods be called on nothing else", () => {
    const { exited, identity, signal, close } = reference as unknown as Record<
      keyof NativeProcessReference,
      () => unknown
    >;
    const methods = { exited, identity, signal, close };
    for (const self of [...WRONG_THIS, binding, Object.create(reference) as unknown]) {
      for (const method of Object.values(methods)) {
        expect(() => Reflect.apply(method, self, [])).toThrow(TypeError);
      }
    }
    expect(reference.exited()).toBe(false);
  });

  test("a process reference cannot be made by hand", () => {
    const made = reference.constructor as new (...args: readonly unknown[]) => object;
    class Derived extends made {}
    const message = "TypeError: a process reference is made by reference() only";
    expect(errorOf(() => new made())).toBe(message);
    expect(errorOf(() => new made(reference, process.pid))).toBe(message);
    expect(errorOf(() => new Derived())).toBe(message);
    expect(errorOf(() => Reflect.construct(made, [], Map))).toBe(message);
    expect(() => Reflect.apply(made, undefined, [])).toThrow(TypeError);
    expect(() => Reflect.apply(made, reference, [])).toThrow(TypeError);
    expect(reference.exited()).toBe(false);
  });

  test("a process reference is closed once and for all, and may be closed twice", () => {
    reference.close();
    reference.close();
    const message = "Error: the process reference is closed";
    expect(errorOf(() => reference.exited())).toBe(message);
    expect(errorOf(() => reference.identity(new Float64Array(FACT_COUNT)))).toBe(message);
    expect(errorOf(() => reference.signal(0))).toBe(message);
  });

  test("a process reference cannot be cloned or transferred into another thread", () => {
    const { port1, port2 } = new MessageChannel();
    expect(
      errorOf(() => port1.postMessage(reference, [reference as unknown as ArrayBuffer])),
    ).toMatch(/^(DataCloneError|TypeError): /u);
    port1.close();
    port2.close();
  });

  test("a process reference tells the same identity as a question by pid", () => {
    const byPid = new Float64Array(FACT_COUNT);
    const byReference = new Float64Array(FACT_COUNT);
    binding.identity(process.pid, byPid);
    reference.identity(byReference);
    expect(byReference).toEqual(byPid);
    expect(errorOf(() => reference.identity(new Float64Array(1)))).toMatch(/^RangeError: facts/u);
    expect(errorOf(() => reference.identity([] as never))).toMatch(/^TypeError: facts/u);
  });

  test("a process reference takes no signal but a number, and asks with 0 only", () => {
    expect(DELIVERIES[reference.signal(0)]).toBe("sent");
    for (const value of NOT_NUMBERS) {
      expect(errorOf(() => reference.signal(value as never))).toBe(
        "TypeError: signal must be a number",
      );
    }
    for (const value of [-1, 1.5, Number.NaN, 2 ** 31, Infinity]) {
      expect(errorOf(() => reference.signal(value))).toBe(
        "RangeError: signal must be an integer in range",
      );
    }
  });

  test("a number that is no signal reaches nothing", (context) => {
    requirePosix(context, "signals");
    expect(DELIVERIES[reference.signal(1000)]).toBe("unsupported");
  });
});

test("the list of processes is an array of numbers of its own, and has this process once", () => {
  const pids = binding.list();
  expect(pids).toBeInstanceOf(Uint32Array);
  expect([...(pids ?? [])].filter((pid) => pid === process.pid)).toHaveLength(1);
  expect(new Set(pids).size).toBe(pids?.length);
  pids?.fill(0);
  expect([...(binding.list() ?? [])]).toContain(process.pid);
});

test("functions of the addon need no receiver", () => {
  const { isAlive } = raw;
  expect(isAlive(process.pid)).toBe(true);
  expect(Reflect.apply(isAlive, null, [process.pid])).toBe(true);
  expect(Reflect.apply(isAlive, new Proxy({}, {}), [process.pid])).toBe(true);
});

test("functions of the addon do no harm when they are called as constructors", () => {
  for (const call of Object.values(raw)) {
    // Neither a process nor an open descriptor, which closeFile would close.
    const made = errorOf(() => Reflect.construct(call, [2 ** 31 - 1]) as unknown);
    expect(made).toMatch(/^(nothing was thrown|TypeError: .*)$/u);
  }
});

test("a worker terminated in the middle of calls and errors does not end the process", () => {
  // In a terminating worker nothing can be created or thrown any more: whatever a call was doing then
  // must fail quietly. In a child process, because the failure to fear is an abort.
  const worker = `
    const { parentPort } = require("node:worker_threads");
    const addon = require(${JSON.stringify(loadNative().path)});
    const facts = new Float64Array(${FACT_COUNT});
    const rows = new Float64Array(${2 * FACT_ROW});
    const pids = Uint32Array.of(process.pid, process.ppid);
    parentPort.postMessage("running");
    for (;;) {
      addon.host();
      addon.identity(process.pid, facts);
      addon.inspect(process.pid, facts, []);
      addon.inspectMany(pids, 2, rows, Infinity, []);
      addon.args(process.pid, rows);
      const reference = addon.reference(process.pid);
      reference?.identity(facts);
      reference?.signal(0);
      reference?.close();
      addon.list();
      for (const call of Object.values(addon)) try { call(Symbol("x")); } catch {}
    }`;
  const main = `
    const { once } = require("node:events");
    const { Worker } = require("node:worker_threads");
    const round = async () => {
      const worker = new Worker(${JSON.stringify(worker)}, { eval: true });
      await once(worker, "message");
      await worker.terminate();
    };
    (async () => {
      for (let i = 0; i < 10; i++) await Promise.all([round(), round(), round(), round()]);
      console.log("all ended");
    })();`;
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ["-e", main], {
    encoding: "utf8",
  });
  expect({ status, signal, stdout, stderr }).toEqual({
    status: 0,
    signal: null,
    stdout: "all ended\n",
    stderr: "",
  });
});

describe("the numbers of binding.ts", () => {
  const header = readFileSync(
    fileURLToPath(new URL("../../native/process.h", import.meta.url)),
    "utf8",
  );

  /** `kNoSuchProcess = 1` → `[1]: "no-such-process"` */
  function enumerators(name: string): string[] {
    const body = new RegExp(`enum class ${name} : std::uint8_t \\{(.*?)\\};`, "su").exec(
      header,
    )?.[1];
    if (body === undefined) throw new Error(`not found in process.h: ${name}`);
    const names: string[] = [];
    for (const [, enumerator = "", value = ""] of body.matchAll(/\bk(\w+) = (\d+)/gu)) {
      names[Number(value)] = enumerator.replaceAll(/(?<!^)[A-Z]/gu, "-$&").toLowerCase();
    }
    return names;
  }

  test("the numbers of State in binding.ts are those of native/process.h", () => {
    expect(enumerators("State")).toEqual([...STATES]);
  });
  test("the numbers of Reason in binding.ts are those of native/process.h", () => {
    expect(enumerators("Reason")).toEqual([...REASONS]);
  });
  test("the numbers of ArgsReason in binding.ts are those of native/process.h", () => {
    expect(enumerators("ArgsReason")).toEqual(["read", ...ARGS_REASONS.slice(1)]);
    expect(ARGS_REASONS[0]).toBeNull();
  });
});
