import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { appendWhole } from "../../../lib/session-controller/writes/append.js";
import {
  realSessionFs,
  type SessionFs,
} from "../../../lib/session-controller/fence/session-file.js";
import { requirePosix } from "../../support/require.js";
import { temporaryFolder } from "../../support/temporary-folder.js";

const LINE = '{"role":"user"}\n';
const CHUNK = Buffer.from(LINE);

/** The real calls, except that each write is given to `write`, which may do less or fail. */
function writingAs(write: SessionFs["write"], other: Partial<SessionFs> = {}): SessionFs {
  return { ...realSessionFs, ...other, write };
}

/** Writes `bytes` of what it is asked for, then fails. */
function failingAfter(bytes: number): SessionFs["write"] {
  let left = bytes;
  return (fd, data, offset) => {
    if (left === 0) throw Object.assign(new Error("ENOSPC: no space left"), { code: "ENOSPC" });
    const end = Math.min(data.length, offset + left);
    left -= end - offset;
    return realSessionFs.write(fd, data.subarray(0, end), offset);
  };
}

function sessionWith(text: string): string {
  const file = join(temporaryFolder(), "s.jsonl");
  writeFileSync(file, text);
  return file;
}

test("a chunk is appended, and nothing before it touched", () => {
  const file = sessionWith("old\n");
  appendWhole(file, CHUNK, realSessionFs);
  expect(readFileSync(file, "utf8")).toBe(`old\n${LINE}`);
});

test("a line that a killed writer has torn is ended first, and the chunk begins a line of its own", () => {
  const file = sessionWith('old\n{"ro');
  appendWhole(file, CHUNK, realSessionFs);
  appendWhole(file, CHUNK, realSessionFs);
  expect(readFileSync(file, "utf8")).toBe(`old\n{"ro\n${LINE}${LINE}`);
});

test("nothing to append leaves a torn line alone", () => {
  const file = sessionWith('{"ro');
  appendWhole(file, Buffer.alloc(0), realSessionFs);
  expect(readFileSync(file, "utf8")).toBe('{"ro');
});

test("a full disk takes back the end of the torn line as well", () => {
  const file = sessionWith('{"ro');
  expect(() => appendWhole(file, CHUNK, writingAs(failingAfter(5)))).toThrow("ENOSPC");
  expect(readFileSync(file, "utf8")).toBe('{"ro');
});

test("what is no regular file is refused: what is written there need not be kept", (context) => {
  requirePosix(context, "mkfifo");
  const path = join(temporaryFolder(), "s.jsonl");
  execFileSync("mkfifo", [path]);
  expect(() => appendWhole(path, CHUNK, realSessionFs)).toThrow("not a regular file");
});

test("a missing file is created, readable by its owner only", (context) => {
  requirePosix(context, "file modes");
  const file = join(temporaryFolder(), "s.jsonl");
  appendWhole(file, CHUNK, realSessionFs);
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test("short writes are continued until all of the chunk is there", () => {
  const file = sessionWith("old\n");
  const byteByByte: SessionFs["write"] = (fd, data, offset) =>
    realSessionFs.write(fd, data.subarray(0, offset + 1), offset);
  appendWhole(file, CHUNK, writingAs(byteByByte));
  expect(readFileSync(file, "utf8")).toBe(`old\n${LINE}`);
});

test("a full disk leaves no torn line", () => {
  const file = sessionWith("old\n");
  expect(() => appendWhole(file, CHUNK, writingAs(failingAfter(5)))).toThrow("ENOSPC");
  expect(readFileSync(file, "utf8")).toBe("old\n");
});

test("a disk that was full from the start leaves the file alone", () => {
  const file = sessionWith("old\n");
  const truncate = (): never => {
    throw new Error("truncated for nothing");
  };
  const fs = writingAs(failingAfter(0), { truncate });
  expect(() => appendWhole(file, CHUNK, fs)).toThrow("ENOSPC");
  expect(readFileSync(file, "utf8")).toBe("old\n");
});

test("a file system that writes nothing, again and again, is an error and no endless loop", () => {
  const file = sessionWith("old\n");
  expect(() =>
    appendWhole(
      file,
      CHUNK,
      writingAs(() => 0),
    ),
  ).toThrow("wrote no byte");
});

test("what another writer has appended behind a torn write is not cut off", () => {
  const file = sessionWith("old\n");
  const write = failingAfter(5);
  const fs = writingAs((fd, data, offset) => {
    if (offset === 5) appendFileSync(file, "stranger\n");
    return write(fd, data, offset);
  });
  const error = caught(() => appendWhole(file, CHUNK, fs));
  expect(error).toBeInstanceOf(AggregateError);
  expect(error).toMatchObject({
    message: `5 bytes of an incomplete write are left: ${file}`,
    errors: [{ code: "ENOSPC" }, { message: "another process wrote behind it, size 18" }],
  });
  expect(readFileSync(file, "utf8")).toBe(`old\n${LINE.slice(0, 5)}stranger\n`);
});

test("a torn write that cannot be cut off is told of, with both errors", () => {
  const file = sessionWith("old\n");
  const truncate = (): never => {
    throw new Error("EPERM: append-only file");
  };
  const fs = writingAs(failingAfter(5), { truncate });
  expect(caught(() => appendWhole(file, CHUNK, fs))).toMatchObject({
    errors: [{ code: "ENOSPC" }, { message: "EPERM: append-only file" }],
  });
});

test("the descriptor is closed whatever happens", () => {
  const file = sessionWith("old\n");
  let open = 0;
  const counted: Partial<SessionFs> = {
    openForAppending: (path) => {
      open++;
      return realSessionFs.openForAppending(path);
    },
    close: (fd) => {
      open--;
      realSessionFs.close(fd);
    },
  };
  expect(() => appendWhole(file, CHUNK, writingAs(failingAfter(3), counted))).toThrow("ENOSPC");
  expect(open).toBe(0);
});

test("a missing folder is an error, and is not made", () => {
  const folder = join(temporaryFolder(), "gone");
  expect(() => appendWhole(join(folder, "s.jsonl"), CHUNK, realSessionFs)).toThrow("ENOENT");
  expect(existsSync(folder)).toBe(false);
});

function caught(run: () => void): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error("it did not throw");
}
