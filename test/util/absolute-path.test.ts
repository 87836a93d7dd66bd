import { join, resolve, sep } from "node:path";

import { describe, expect, test } from "vitest";

import { absolutePath, pathPrefix, tidyPath } from "../../lib/util/absolute-path.js";
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
