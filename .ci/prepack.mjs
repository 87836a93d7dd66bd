// npm runs this before it packs or publishes this folder; package managers that install from git, before they pack what
// they have cloned. Both would make a package that is not the published one: see pack.mjs.
console.error(
  'pidentity is packed by "npm run make:tarball", which makes its binaries, too. It cannot be installed from git: ' +
    "install it from the registry.",
);
process.exitCode = 1;
