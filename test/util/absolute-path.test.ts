import { join, resolve, sep } from "node:path";

import { beforeEach, describe, expect, test } from "vitest";

import { absolutePath, leadsUp, pathPrefix, tidyPath } from "../../lib/util/absolute-path.js";
import { requirePosix, requireWindows } from "../support/require.js";

test("a relative path begins at the current directory", () => {
  for (const path of ["a", "./a", "a/", "a//b", join("a", "b")]) {
    expect(absolutePath(path)).toBe(resolve(path));
  }
});

test("an absolute path stays as it was given", () => {
  for (const path of [resolve("a"), resolve("a") + sep, join(resolve("a"), ".") + sep]) {
    expect(absolutePath(path)).toBe(path);
  }
});

describe("a path with `..`", () => {
  test("is not shortened: the kernel knows where it leads", (context) => {
    requirePosix(context, "Windows shortens paths itself");
    expect(absolutePath("link/../a")).toBe(`${process.cwd()}/link/../a`);
    expect(tidyPath("/link/../a//")).toBe("/link/../a");
    expect(pathPrefix("/link/..")).toBe("/link/../");
    expect(absolutePath("a..b/..c")).toBe(resolve("a..b/..c"));
  });

  test("is shortened as Windows does it", (context) => {
    requireWindows(context, "its paths");
    expect(absolutePath("link\\..\\a")).toBe(resolve("a"));
  });
});

describe("on POSIX", () => {
  beforeEach((context) => requirePosix(context, "its paths"));

  test("a file: URL is the path that it names", () => {
    expect(absolutePath(new URL("file:///a%20b/c"))).toBe("/a b/c");
  });

  test("a path leads up by a name of two dots, not by dots in a name", () => {
    for (const path of ["..", "/..", "a/..", "a/../b", "../a"]) expect(leadsUp(path)).toBe(true);
    for (const path of ["", ".", "...", "a..b", "/..a/b..", "a/.../b"]) {
      expect(leadsUp(path)).toBe(false);
    }
    expect(absolutePath("..")).toBe(`${process.cwd()}/..`);
  });

  test("needless parts are taken out where the kernel would not follow a link in between", () => {
    expect(tidyPath("/a//b/./c/")).toBe("/a/b/c");
    expect(tidyPath("/link/..")).toBe("/link/..");
    expect(tidyPath("/a//./link/../b///")).toBe("/a//./link/../b");
    expect(pathPrefix("/a//./b")).toBe("/a/b/");
    expect(pathPrefix("/a//link/../")).toBe("/a//link/../");
  });
});

test("a path of a drive without a root, or without a drive, is no absolute one", (context) => {
  requireWindows(context, "drives");
  const [drive = ""] = process.cwd().split(sep);
  expect(absolutePath(`${drive}a`)).toBe(resolve("a"));
  expect(absolutePath("\\a")).toBe(`${drive}\\a`);
});

test("a prefix has one separator at its end, and none is added to a root", () => {
  const folder = resolve("a");
  for (const path of [folder, folder + sep, folder + sep + sep]) {
    expect(pathPrefix(path)).toBe(folder + sep);
  }
  expect(pathPrefix(resolve("/"))).toBe(resolve("/"));
});
