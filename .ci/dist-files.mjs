// What the package consists of: code and declarations, bundled into one file per entry and a few that entries share.
// Finding and opening a file costs an import more than running it.

/** What can be imported, without extensions: `exports` of package.json. */
export const TYPED_ENTRIES = [
  "index",
  "session-lock/index",
  "session-controller/index",
  "session-attention/index",
  "file-lock/index",
];

/** What users can name: those, and the command. */
export const ENTRIES = [...TYPED_ENTRIES, "cli/main"];

/**
 * The shared files, and whose modules go there as soon as two entries need them; the first one that claims a
 * module has it. A file imports only those before it. All lie two levels below the package root, as in lib/:
 * from there the addon is found (lib/native/load.ts).
 */
export const SHARED = [
  // session-controller and session-attention know no addon.
  { name: "shared/util", modules: /^util\//u },
  { name: "shared/process", modules: /^(?:native|process)\//u },
  // The command uses both faces.
  { name: "shared/lock", modules: /^(?:lock|session-lock|file-lock|util)\//u },
];

/** What belongs into dist/: paths in the package, `/` between folders. */
export function distFiles() {
  const shared = SHARED.map(({ name }) => name);
  const code = [...ENTRIES, ...shared].map((name) => `${name}.js`);
  const types = [...TYPED_ENTRIES, ...shared].map((name) => `${name}.d.ts`);
  return [...code, ...types].map((name) => `dist/${name}`);
}
