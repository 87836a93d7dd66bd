// A CommonJS program: require() of an ES module, without a flag.
const assert = require("node:assert/strict");

const pidentity = require("pidentity");
const { cleanStaleLockFiles } = require("pidentity/session-lock");

assert.equal(pidentity.nativeStatus().backend, "native");
assert.equal(pidentity.isPidAlive(process.pid), true);
assert.equal(typeof cleanStaleLockFiles, "function");
console.log("required");
