// Run by npm in the clone that it makes for an installation from git, and nowhere else. What it would install has no
// binaries: they are built for releases, and installing compiles nothing.
console.error(
  "pidentity cannot be installed from git: its binaries are built for releases; install it from the registry.",
);
process.exitCode = 1;
