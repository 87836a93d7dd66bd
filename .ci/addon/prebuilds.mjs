// The eight binaries of a release, by name.

/** Target (as in check-binary.mjs) to path in the package; node-gyp-build finds them by these names. */
export const PREBUILDS = new Map([
  ["linux-x64-glibc", "prebuilds/linux-x64/pidentity.glibc.node"],
  ["linux-arm64-glibc", "prebuilds/linux-arm64/pidentity.glibc.node"],
  ["linux-x64-musl", "prebuilds/linux-x64/pidentity.musl.node"],
  ["linux-arm64-musl", "prebuilds/linux-arm64/pidentity.musl.node"],
  ["darwin-x64", "prebuilds/darwin-x64/pidentity.node"],
  ["darwin-arm64", "prebuilds/darwin-arm64/pidentity.node"],
  ["win32-x64", "prebuilds/win32-x64/pidentity.node"],
  ["win32-arm64", "prebuilds/win32-arm64/pidentity.node"],
]);

/** The target of the running Node. */
export function thisTarget() {
  const target = `${process.platform}-${process.arch}`;
  if (process.platform !== "linux") return target;
  // Else the report looks up the name of every network address.
  process.report.excludeNetwork = true;
  // Node on musl reports no glibc.
  return `${target}-${process.report.getReport().header.glibcVersionRuntime ? "glibc" : "musl"}`;
}
