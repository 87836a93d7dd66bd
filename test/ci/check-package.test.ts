/**
 * `.ci/check-package.mjs` decides whether a package may be published: it has to refuse what would break
 * or mislead users. Each test spoils a copy of the real package in one way.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

import { beforeEach, describe, expect, it } from "vitest";

import { ROOT } from "../support/processes/programs.js";
import { requireLinux } from "../support/require.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/** What is used of .ci/guides.mjs: plain JavaScript, of which the compiler knows nothing. */
interface Guides {
  readonly publishedGuides: (root: string) => string[];
  readonly writeGuides: (root: string, folder: string) => void;
  readonly asPublished: (name: string, text: string, published: ReadonlySet<string>) => string;
  readonly relativeLinks: (
    name: string,
    text: string,
  ) => { readonly to: string; readonly path: string }[];
}

const { asPublished, publishedGuides, relativeLinks, writeGuides } = (await import(
  pathToFileURL(join(ROOT, ".ci/guides.mjs")).href
)) as Guides;

beforeEach((context) => {
  requireLinux(context, "packages are checked and published there");
});

/** What npm would pack from the repository, without binaries. */
function packageCopy(): string {
  const root = join(temporaryFolder(), "package");
  mkdirSync(root);
  const guides = [".github", "README.md", "lib", "native/README.md"];
  for (const name of ["LICENSE", "dist", "package.json", ...guides]) {
    cpSync(join(ROOT, name), join(root, name), { recursive: true });
  }
  // As it is published.
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    readonly scripts: Readonly<Record<string, string>>;
  };
  const { prepare: _, ...published } = scripts;
  changeManifest(root, { scripts: published });
  return root;
}

/** What the check has against a package, one problem per line. */
function problems(root: string, ...flags: readonly string[]): string[] {
  // As npm packs it, but without npm, which takes seconds to start.
  writeGuides(root, root);
  return packed(root, ...flags);
}

/** The same of the guides as they lie there. */
function packed(root: string, ...flags: readonly string[]): string[] {
  const tarball = `${root}.tgz`;
  const guides = ["README.md", ...publishedGuides(root)];
  const files = ["LICENSE", "dist", "package.json", "prebuilds", ...guides]
    .filter((name) => existsSync(join(root, name)))
    .map((name) => `package/${name}`);
  const tar = spawnSync("tar", ["--format=ustar", "-czf", tarball, ...files], {
    cwd: dirname(root),
  });
  expect(tar.status).toBe(0);
  return check(root, "--tarball", tarball, ...flags);
}

function check(root: string, ...flags: readonly string[]): string[] {
  const program = join(ROOT, ".ci/check-package.mjs");
  const checked = spawnSync(process.execPath, [program, ...flags, root], { encoding: "utf8" });
  const lines = checked.stderr.trim().split("\n").filter(Boolean);
  expect(checked.stdout + checked.stderr).toMatch(/^\d+ files, \d+ binaries, \d+ bytes packed$/mu);
  expect(checked.status).toBe(lines.length === 0 ? 0 : 1);
  return lines;
}

function changeManifest(root: string, change: Readonly<Record<string, unknown>>): void {
  const path = join(root, "package.json");
  const manifest = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  writeFileSync(path, JSON.stringify({ ...manifest, ...change }));
}

it("the check accepts the package as npm packs it, and nothing else of the folder", () => {
  const root = packageCopy();
  for (const name of ["binding.gyp", "tsconfig.json", "pidentity.log"]) {
    writeFileSync(join(root, name), "");
  }
  expect(check(root)).toEqual([]);
});

it("the check accepts the package", () => {
  expect(problems(packageCopy())).toEqual([]);
});

it("the check refuses a release without its binaries and names each", () => {
  expect(problems(packageCopy(), "--release")).toEqual(
    [
      "linux-x64/pidentity.glibc.node",
      "linux-arm64/pidentity.glibc.node",
      "linux-x64/pidentity.musl.node",
      "linux-arm64/pidentity.musl.node",
      "darwin-x64/pidentity.node",
      "darwin-arm64/pidentity.node",
      "win32-x64/pidentity.node",
      "win32-arm64/pidentity.node",
    ].map((name) => `a release needs the binary prebuilds/${name}`),
  );
});

describe("files", () => {
  it("a package with a file that no source is left of is refused", () => {
    const root = packageCopy();
    writeFileSync(join(root, "dist/old.js"), "");
    expect(problems(root)).toEqual(["does not belong into the package: dist/old.js"]);
  });

  it("a package with a binary that no runtime would load is refused", () => {
    const root = packageCopy();
    mkdirSync(join(root, "prebuilds/linux-x64"), { recursive: true });
    writeFileSync(join(root, "prebuilds/linux-x64/pidentity.node"), "");
    expect(problems(root)).toEqual([
      "does not belong into the package: prebuilds/linux-x64/pidentity.node",
    ]);
  });

  it("a package with a binary that is none is refused", () => {
    const root = packageCopy();
    mkdirSync(join(root, "prebuilds/win32-x64"), { recursive: true });
    writeFileSync(join(root, "prebuilds/win32-x64/pidentity.node"), "text".repeat(20));
    expect(problems(root)).toEqual([
      "prebuilds/win32-x64/pidentity.node is neither ELF nor PE nor 64-bit Mach-O",
    ]);
  });

  it("a package with missing code or types is refused, with each file that imports them", () => {
    const root = packageCopy();
    rmSync(join(root, "dist/shared/util.js"));
    rmSync(join(root, "dist/shared/process.d.ts"));
    const found = problems(root);
    expect(found).toContain("is not in the package: dist/shared/util.js");
    expect(found).toContain("is not in the package: dist/shared/process.d.ts");
    expect(found).toContain(
      "dist/shared/process.js imports a file that is not there: dist/shared/util.js",
    );
    expect(found).toContain(
      "dist/index.d.ts imports a file that is not there: dist/shared/process.d.ts",
    );
  });

  it("a package that imports what users do not have is refused", () => {
    const root = packageCopy();
    const path = join(root, "dist/index.js");
    writeFileSync(path, `import "vitest";\n${readFileSync(path, "utf8")}`);
    expect(problems(root)).toEqual(["dist/index.js imports what users do not have: vitest"]);
  });

  it("a package with a reference to a source map is refused", () => {
    const root = packageCopy();
    const path = join(root, "dist/index.js");
    writeFileSync(path, `${readFileSync(path, "utf8")}//# sourceMappingURL=index.js.map\n`);
    expect(problems(root)).toEqual(["dist/index.js refers to a source map"]);
  });

  it("a package with a path of the machine that built it is refused", () => {
    const root = packageCopy();
    writeFileSync(join(root, "README.md"), `built in ${join(ROOT, "dist")}`);
    expect(problems(root)[0]).toMatch(/^README\.md contains the path /u);
  });

  it("a package without its documents is refused", () => {
    const root = packageCopy();
    rmSync(join(root, "LICENSE"));
    expect(problems(root)).toEqual([
      "is not in the package: LICENSE",
      "README.md has a link to what is not in the package: LICENSE",
    ]);
  });

  it("a package whose command is no program is refused", () => {
    const root = packageCopy();
    const path = join(root, "dist/cli/main.js");
    writeFileSync(path, readFileSync(path, "utf8").replace(/^#!.*\n/u, ""));
    expect(problems(root)).toEqual(["is no program: dist/cli/main.js"]);
  });

  it("a package that is too large is refused", () => {
    const root = packageCopy();
    // Noise, so that it does not shrink when packed.
    const noise = Buffer.alloc(1_300_000);
    let state = 1;
    for (let index = 0; index < noise.length; index += 1) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      noise[index] = state >>> 16;
    }
    writeFileSync(join(root, "README.md"), noise);
    expect(problems(root)[0]).toMatch(/^the tarball has more than 1200000 bytes: 1\d{6}$/u);
  });
});

describe("package.json", () => {
  it.each([
    [{ scripts: { install: "node x" } }, "package.json has an install script: install"],
    [{ scripts: { postinstall: "x" } }, "package.json has an install script: postinstall"],
    [{ scripts: { build: "x", prebuild: "y" } }, "package.json has a hidden first step: prebuild"],
    [{ gypfile: true }, 'package.json lacks "gypfile": false'],
    [
      { engines: { node: ">=18" } },
      "package.json has other engines than ^20.19.0 || >=22.12.0: >=18",
    ],
    [{ peerDependencies: { a: "1" } }, "package.json has unexpected peerDependencies"],
    [
      { dependencies: { "node-gyp-build": "1", a: "1", b: "1" } },
      "more than 2 dependencies: node-gyp-build, a, b",
    ],
    [
      { bin: { pidentity: "dist/cli/main.js", other: "dist/other.js" } },
      "package.json names a file that is not there: dist/other.js",
    ],
    [
      { types: "./dist/types.d.ts" },
      "package.json names a file that is not there: dist/types.d.ts",
    ],
  ])("a package.json with %j is refused", (change, problem) => {
    const root = packageCopy();
    changeManifest(root, change);
    expect(problems(root)).toContain(problem);
  });
});

describe("the published guides", () => {
  it("have no relative link that leads to nothing in the package", () => {
    const published = temporaryFolder();
    writeGuides(ROOT, published);
    const guides = ["README.md", ...publishedGuides(ROOT)].filter((name) => name.endsWith(".md"));
    expect(guides.length).toBeGreaterThan(10);
    const links = guides.flatMap((guide) =>
      relativeLinks(guide, readFileSync(join(published, guide), "utf8")).map(
        ({ path, to }) => [guide, to, path] as const,
      ),
    );
    expect(links.length).toBeGreaterThan(50);
    const there = (path: string): boolean =>
      path === "LICENSE" || existsSync(join(published, path));
    expect(links.filter(([, , path]) => !there(path))).toEqual([]);
  });

  it("say of what is not published where it is", () => {
    const text =
      "See [how it is tested](test/README.md#x), `[a](b)` and [the guide](lib/README.md).";
    expect(asPublished("README.md", text, new Set(["lib/README.md"]))).toBe(
      "See how it is tested (in the source: `test/README.md`), `[a](b)` and [the guide](lib/README.md).",
    );
    const code = "```js\nconst [a](b);\n```\n";
    expect(asPublished("README.md", code, new Set())).toBe(code);
  });

  it("are refused with a link that leads to nothing", () => {
    const root = packageCopy();
    writeGuides(root, root);
    const text = readFileSync(join(root, "README.md"), "utf8");
    writeFileSync(join(root, "lib/orphan.txt"), "");
    writeFileSync(join(root, "README.md"), `${text}\n[orphan](lib/orphan.txt)\n`);
    expect(packed(root)).toEqual([
      "README.md has a link to what is not in the package: lib/orphan.txt",
    ]);
  });
});
