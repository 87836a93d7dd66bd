// What the package consists of: code and declarations, bundled into one file per entry and a few that entries share.
// Finding and opening a file costs an import more than running it.

/** What can be imported, without extensions: `exports` of package.json. */
export const TYPED_ENTRIES = [
  "index",
  "session-lock/index",
  "session-controller/index",
  "session-attention/index",
  "file-lock/index",
  "proper-lockfile/index",
  "lease/index",
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
  // What a lock needs of leases; the engines' clients are in the entry of their own.
  { name: "shared/lease", modules: /^lease\//u },
  { name: "shared/lock", modules: /^(?:lock|session-lock|util)\//u },
  // The command uses them as well; proper-lockfile's functions are typed as that package's.
  { name: "shared/file-lock", modules: /^file-lock\//u, isOnlyCode: true },
];

/** What belongs into dist/: paths in the package, `/` between folders. */
export function distFiles() {
  const typed = SHARED.filter(({ isOnlyCode = false }) => !isOnlyCode);
  const code = [...ENTRIES, ...SHARED.map(({ name }) => name)].map((name) => `${name}.js`);
  const types = [...TYPED_ENTRIES, ...typed.map(({ name }) => name)].map((name) => `${name}.d.ts`);
  return [...code, ...types].map((name) => `dist/${name}`);
}
