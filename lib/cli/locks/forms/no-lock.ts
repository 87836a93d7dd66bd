/** Files that end like locks and are none: they pin the versions of dependencies. Pure. */

const DEPENDENCY_LISTS: ReadonlySet<string> = new Set([
  "yarn.lock",
  "bun.lock",
  "deno.lock",
  "cargo.lock",
  "composer.lock",
  "gemfile.lock",
  "gems.locked",
  "poetry.lock",
  "pdm.lock",
  "uv.lock",
  "pixi.lock",
  "pipfile.lock",
  "podfile.lock",
  "pubspec.lock",
  "mix.lock",
  "rebar.lock",
  "flake.lock",
  "chart.lock",
  "conan.lock",
  "stack.yaml.lock",
  "cabal.project.freeze.lock",
  "shard.lock",
  "package.resolved.lock",
  ".terraform.lock.hcl",
  "buf.lock",
  "cartfile.lock",
  "paket.lock",
  "mint.lock",
  "berksfile.lock",
]);

export function isDependencyList(name: string): boolean {
  return DEPENDENCY_LISTS.has(name.toLowerCase());
}
