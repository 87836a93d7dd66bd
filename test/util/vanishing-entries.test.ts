/**
 * A directory whose entries vanish while it is read, read ahead as Node does where types are not told:
 * ./directory-reader.test.ts does the same on a real disk, which takes root.
 */
import fs, { type Dir, type Dirent, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { afterEach, expect, test, vi } from "vitest";

import { DirectoryReader, isWithoutEntries } from "../../lib/util/directory-reader.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/** Looks at a block of names at a time, and throws away what it has looked at when one of them is gone. */
class WithoutTypes {
  readonly #names: string[];
  readonly #path: string;
  readonly #block: number;
  readonly #ahead: Dirent[] = [];

  constructor(path: string, block: number) {
    this.#names = fs.readdirSync(path).toSorted();
    this.#path = path;
    this.#block = block;
  }

  readSync(): Dirent | null {
    if (this.#ahead.length === 0) {
      const entries = this.#names.splice(0, this.#block).map((name) => {
        return Object.assign(fs.lstatSync(join(this.#path, name)), { name });
      });
      this.#ahead.push(...(entries as unknown as Dirent[]));
    }
    return this.#ahead.shift() ?? null;
  }

  closeSync(): void {}
}

function forgetTypes(): void {
  vi.spyOn(fs, "opendirSync").mockImplementation((path, options) => {
    fs.accessSync(path);
    return new WithoutTypes(path as string, options?.bufferSize ?? 32) as unknown as Dir;
  });
}

afterEach(() => void vi.restoreAllMocks());

/** Of `0` to `9`, all but what is removed when the first has been read. */
function readWhile(remove: (folder: string) => void, block: number): string[] {
  const folder = temporaryFolder();
  for (let n = 0; n < 10; n++) writeFileSync(join(folder, String(n)), "");
  forgetTypes();
  const reader = new DirectoryReader(folder, { block });
  const names: string[] = [];
  for (let entry = reader.next(); entry !== null; entry = reader.next()) {
    names.push(entry.name);
    if (names.length === 1) remove(folder);
  }
  reader.close();
  return names;
}

test.each([1, 2, 3, 4, 9])("what was behind one that vanished is read again: by %i", (block) => {
  const names = readWhile((folder) => {
    for (const name of ["4", "8"]) rmSync(join(folder, name));
  }, block);
  // What was looked at before it went may be there.
  expect(new Set(names).size).toBe(names.length);
  const staying = ["0", "1", "2", "3", "5", "6", "7", "9"];
  expect(names.filter((name) => staying.includes(name)).toSorted()).toEqual(staying);
});

test.each([1, 4])("one that vanishes as a whole, read by %i, has an end", (block) => {
  const names = readWhile((folder) => rmSync(folder, { recursive: true }), block);
  expect(names).toEqual(["0", "1", "2", "3"].slice(0, block));
});

test("an error of the second reading is passed on", () => {
  const read = (): string[] =>
    readWhile((folder) => {
      rmSync(join(folder, "5"));
      vi.spyOn(fs, "opendirSync").mockImplementation(() => {
        throw Object.assign(new Error("EMFILE: too many open files"), { code: "EMFILE" });
      });
    }, 4);
  expect(read).toThrow(/EMFILE/u);
});

test("an error that is no vanished entry is passed on", () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "any"), "");
  forgetTypes();
  const reader = new DirectoryReader(folder);
  vi.spyOn(fs, "lstatSync").mockImplementation(() => {
    throw Object.assign(new Error("EIO: i/o error"), { code: "EIO", syscall: "lstat" });
  });
  expect(() => reader.next()).toThrow(/EIO/u);
  vi.restoreAllMocks();
  expect(() => new DirectoryReader(join(folder, "none"))).toThrow(/ENOENT/u);
  writeFileSync(join(folder, "file"), "");
  expect(() => new DirectoryReader(join(folder, "file"))).toThrow(/ENOTDIR/u);
});

test("a directory is without entries until it has one", () => {
  const folder = temporaryFolder();
  expect(isWithoutEntries(folder)).toBe(true);
  mkdirSync(join(folder, "entry"));
  expect(isWithoutEntries(folder)).toBe(false);
});
