import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  argumentBytes,
  hasSameMemory,
  hostStartTime,
  isSettled,
  isZombie,
  parseCmdline,
  parseNamespacePids,
  parseStat,
  parseTgid,
  parseTimeOffsets,
} from "../../../lib/process/backends/procfs-parse.js";

/** A line as the kernel writes it; the fields behind the name from the third on. */
function statLine({
  pid = "42",
  name = "node",
  state = "S",
  parent = "7",
  flags = "4194560",
  threads = "11",
  start = "123456",
  argStart = "140000000000000",
  argEnd = "140000000000020",
  envEnd = "140000000000090",
} = {}): string {
  const fields = Array.from({ length: 50 }, () => "0");
  Object.assign(fields, { 0: state, 1: parent, 6: flags, 17: threads, 19: start });
  Object.assign(fields, { 45: argStart, 46: argEnd, 48: envEnd });
  return `${pid} (${name}) ${fields.join(" ")}\n`;
}

function stat(fields: Parameters<typeof statLine>[0]) {
  const parsed = parseStat(statLine(fields));
  if (parsed === null) throw new Error("not a stat line");
  return parsed;
}

describe("parseStat", () => {
  test("reads the fields that identity needs", () => {
    expect(parseStat(statLine())).toEqual({
      pid: 42,
      state: "S",
      parentPid: 7,
      flags: 4194560,
      threads: 11,
      startTime: 123456,
      memory: { argStart: "140000000000000", argEnd: "140000000000020", envEnd: "140000000000090" },
    });
  });

  test.each([") R 1 1 1", "a) (b", "((((", "))))", "", " ", "a\nb", "42 (x) Z 0", "\u00ff\u0000"])(
    "a process cannot fake its fields by its name %j",
    (name) => {
      expect(stat({ name })).toEqual(stat({}));
    },
  );

  test.each([
    ["empty", ""],
    ["no name", "42 node S 7 0 0"],
    ["cut within the name", "42 (node"],
    ["cut after the name", "42 (node)"],
    ["cut before the start time", statLine().split(" ").slice(0, 20).join(" ")],
    ["state of two letters", statLine({ state: "SS" })],
    ["state a digit", statLine({ state: "7" })],
    ["negative pid", statLine({ pid: "-42" })],
    ["start time not a number", statLine({ start: "12x" })],
    ["start time negative", statLine({ start: "-5" })],
    ["start time beyond 2^53", statLine({ start: "9007199254740993" })],
    ["start time beyond 2^64", statLine({ start: "99999999999999999999999" })],
    ["threads missing", statLine({ threads: "" })],
  ])("refuses a line that is %s", (_, line) => {
    expect(parseStat(line)).toBeNull();
  });

  test("a line that ends after the start time has no argument area (Linux before 3.5)", () => {
    const short = parseStat(statLine().split(" ").slice(0, 22).join(" "));
    expect(short?.startTime).toBe(123456);
    expect(short && argumentBytes(short)).toBeNull();
  });

  test("never throws, and gives only what the types say", () => {
    const parts = fc.constantFrom(
      "1 (",
      ") ",
      "S",
      " ",
      "0",
      "-1",
      "Z",
      "18446744073709551616",
      "(",
      "\n",
    );
    const lines = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(parts).map((some) => some.join("")),
    );
    fc.assert(
      fc.property(lines, (line) => {
        const parsed = parseStat(line);
        if (parsed === null) return;
        expect(Number.isSafeInteger(parsed.startTime)).toBe(true);
        expect(parsed.state).toMatch(/^[A-Za-z]$/u);
      }),
      { numRuns: 500 },
    );
  });

  test("survives any name", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (name) => {
        expect(stat({ name })).toEqual(stat({}));
      }),
    );
  });
});

describe("the argument area", () => {
  test.each([
    ["20 bytes", "1000", "1020", 20],
    ["hidden", "0", "0", null],
    ["not laid out yet", "1000", "0", null],
    ["empty", "1000", "1000", null],
    ["above 2^53", "18446744073709551000", "18446744073709551015", 15],
    ["garbage", "x", "1020", 1020],
  ])("%s", (_, argStart, argEnd, expected) => {
    expect(argumentBytes(stat({ argStart, argEnd }))).toBe(expected);
  });

  test("another program has another one", () => {
    expect(hasSameMemory(stat({}), stat({}))).toBe(true);
    expect(hasSameMemory(stat({}), stat({ argStart: "1" }))).toBe(false);
    expect(hasSameMemory(stat({}), stat({ argEnd: "1" }))).toBe(false);
    expect(hasSameMemory(stat({}), stat({ envEnd: "0" }))).toBe(false);
  });
});

describe("the end of a process", () => {
  test.each([
    ["sleeping", { state: "S", threads: "1" }, { settled: true, zombie: false }],
    ["in the kernel", { state: "D", threads: "1" }, { settled: true, zombie: false }],
    ["zombie", { state: "Z", threads: "1" }, { settled: true, zombie: true }],
    ["zombie leader, threads run", { state: "Z", threads: "2" }, { settled: true, zombie: false }],
  ])("%s", (_, fields, { settled, zombie }) => {
    expect(isSettled(stat(fields))).toBe(settled);
    expect(isZombie(stat(fields))).toBe(zombie);
  });

  test.each([
    ["dead: being reaped, or replaced by a thread's execve", { state: "X", threads: "0" }],
    ["taken off its pid", { state: "Z", threads: "0" }],
  ])("a line proves nothing that is %s", (_, fields) => {
    expect(isSettled(stat(fields))).toBe(false);
  });
});

describe("status", () => {
  const status =
    "Name:\tnode\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t42\nNgid:\t0\nPid:\t43\nNSpid:\t42\t7\n";

  test("Tgid names the process of a thread", () => {
    expect(parseTgid(status)).toBe(42);
    expect(parseTgid("Name:\tTgid:\t1\n")).toBeNull();
    expect(parseTgid("")).toBeNull();
  });

  test("a name cannot fake a line: the kernel escapes its newlines", () => {
    expect(parseTgid("Name:\tx\\nTgid:\\t9\nTgid:\t42\n")).toBe(42);
  });

  test("NSpid lists one number per pid namespace", () => {
    expect(parseNamespacePids(status)).toEqual([42, 7]);
    expect(parseNamespacePids("NSpid:\t42\n")).toEqual([42]);
    expect(parseNamespacePids("Pid:\t1\n")).toBeNull();
  });
});

describe("parseCmdline", () => {
  const cases: [name: string, bytes: string, args: string[], commandLine: string, area?: number][] =
    [
      ["nothing: a kernel thread", "", [], ""],
      ["one empty argument", "\0", [""], ""],
      ["arguments", "a\0b\0", ["a", "b"], "a b"],
      ["one argument", "a\0", ["a"], "a"],
      ["no final NUL", "a\0b", ["a", "b"], "a b"],
      ["no NUL at all", "a b", ["a b"], "a b"],
      ["empty arguments within", "a\0\0\0b\0", ["a", "", "", "b"], "a   b"],
      ["an empty first argument", "\0a\0", ["", "a"], " a"],
      ["empty arguments at the end", "a\0b\0\0", ["a", "b", ""], "a b "],
      ["newlines", "a\n\0\nb\0", ["a\n", "\nb"], "a\n \nb"],
      ["a title and its padding", "my title\0\0", ["my title"], "my title"],
      ["a title and much padding", `my title${"\0".repeat(64)}`, ["my title"], "my title"],
      ["an empty title", "\0\0\0", [""], ""],
      ["a title that runs into the environment", "titleHOME=/root\0", ["title"], "title", 5],
      ["environment behind the arguments", "a\0b\0HOME=/root\0", ["a", "b"], "a b", 4],
      ["an area as long as the bytes", "a\0b\0", ["a", "b"], "a b", 4],
      ["an area longer than the bytes", "a\0b\0", ["a", "b"], "a b", 400],
    ];

  test.each(cases)("%s", (_, bytes, args, commandLine, area) => {
    expect(parseCmdline(Buffer.from(bytes, "latin1"), area ?? null)).toEqual({ args, commandLine });
  });

  test("bytes that are not UTF-8 are replaced", () => {
    expect(parseCmdline(Buffer.from([0x61, 0xff, 0, 0xe2, 0x82, 0, 0xc3, 0xa9, 0]))).toEqual({
      args: ["a\ufffd", "\ufffd", "é"],
      commandLine: "a\ufffd \ufffd é",
    });
  });

  /** The rule in one line each, by way of text: slow, and obviously what the comment says. */
  function naive(bytes: Buffer, area: number | null): string[] {
    const text = bytes.toString("latin1").slice(0, area ?? undefined);
    if (text === "") return [];
    if (/^[^\0]*\0{2,}$/u.test(text)) return [text.replace(/\0+$/u, "")];
    return text.replace(/\0$/u, "").split("\0");
  }

  const hostile = fc
    .array(fc.constantFrom(0, 0, 0x20, 0x61, 0x0a, 0x3d), { maxLength: 24 })
    .map((bytes) => Buffer.from(bytes));
  const areas = fc.option(fc.integer({ min: 1, max: 30 }), { nil: null });

  test("agrees with the naive model", () => {
    fc.assert(
      fc.property(hostile, areas, (bytes, area) => {
        expect(parseCmdline(bytes, area).args).toEqual(naive(bytes, area));
      }),
      { numRuns: 1000 },
    );
  });

  test("never throws, and never shows a byte beyond the area", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), areas, (bytes, area) => {
        const { args, commandLine } = parseCmdline(Buffer.from(bytes), area);
        expect(commandLine).not.toContain("\0");
        const most = Math.min(area ?? Infinity, bytes.length);
        expect(args.length).toBeLessThanOrEqual(most);
        expect(commandLine.length).toBeLessThanOrEqual(most);
      }),
      { numRuns: 500 },
    );
  });

  test("the command line is the arguments, joined", () => {
    fc.assert(
      fc.property(hostile, areas, (bytes, area) => {
        const { args, commandLine } = parseCmdline(bytes, area);
        expect(commandLine).toBe(args.join(" "));
      }),
    );
  });

  test("takes a 1 MB command line in its stride", () => {
    const many = Buffer.from("x\0".repeat(2 ** 19));
    expect(parseCmdline(many).args).toHaveLength(2 ** 19);
    const padded = Buffer.concat([Buffer.from("t"), Buffer.alloc(2 ** 20)]);
    expect(parseCmdline(padded)).toEqual({ args: ["t"], commandLine: "t" });
  });
});

describe("time namespaces", () => {
  test("offsets of the two clocks", () => {
    const text = "monotonic        -100 250000000\nboottime         3600        0\n";
    expect(parseTimeOffsets(text)).toEqual({ boottimeTicks: 360_000, monotonicMs: -99_750 });
  });

  test("a fraction of a tick stays one", () => {
    const text = "monotonic 0 0\nboottime 1 5000000\n";
    expect(parseTimeOffsets(text)?.boottimeTicks).toBe(100.5);
  });

  test.each(["", "monotonic 0 0\n", "monotonic 0 0\nboottime x 0\n", "boottime 1 2\n"])(
    "%j is no answer: unknown, not zero",
    (text) => {
      expect(parseTimeOffsets(text)).toBeNull();
    },
  );

  test("the host's start time is the same from every namespace, within a tick", () => {
    const starts = fc.bigInt({ min: 0n, max: 10n ** 18n });
    const offsets = fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n });
    fc.assert(
      fc.property(starts, offsets, (startNs, offsetNs) => {
        // fs/proc/array.c: an unsigned 64-bit sum, then whole ticks.
        const shown = Number(BigInt.asUintN(64, startNs + offsetNs) / 10_000_000n);
        const host = Number(startNs / 10_000_000n);
        const found = hostStartTime(shown, Number(offsetNs) / 1e7);
        expect(Math.abs(found - host)).toBeLessThanOrEqual(1);
      }),
      { numRuns: 500 },
    );
  });

  test("an offset of whole ticks changes nothing at all", () => {
    expect(hostStartTime(123_456 + 360_000, 360_000)).toBe(123_456);
    expect(hostStartTime(123_456 - 100, -100)).toBe(123_456);
    expect(hostStartTime(123_456, 0)).toBe(123_456);
  });
});
