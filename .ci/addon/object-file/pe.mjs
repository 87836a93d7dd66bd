// Reads what a Windows DLL imports and exports. Layouts: Microsoft PE/COFF specification, PE32+ only.

const MACHINES = new Map([
  [0x8664, "x64"],
  [0xaa64, "arm64"],
]);

/** @param {Buffer} file */
export function isPe(file) {
  return file.toString("latin1", 0, 2) === "MZ";
}

function cString(file, offset) {
  const end = file.indexOf(0, offset);
  if (end < 0) throw new Error(`unterminated string in PE file at ${offset}`);
  return file.toString("latin1", offset, end);
}

/**
 * @param {Buffer} file
 * @returns {{ format: "pe", arch: string, needed: string[], exports: string[] }} `needed`: DLLs by
 *   name, delay-loaded ones included
 */
export function readPe(file) {
  const pe = file.readUInt32LE(0x3c);
  if (file.toString("latin1", pe, pe + 4) !== "PE\0\0") throw new Error("not a PE file");
  const machine = file.readUInt16LE(pe + 4);
  const sectionCount = file.readUInt16LE(pe + 6);
  const optional = pe + 24;
  if (file.readUInt16LE(optional) !== 0x20b) throw new Error("not a 64-bit PE file");
  const sections = Array.from({ length: sectionCount }, (_, index) => {
    const at = optional + file.readUInt16LE(pe + 20) + index * 40;
    return {
      address: file.readUInt32LE(at + 12),
      size: Math.max(file.readUInt32LE(at + 8), file.readUInt32LE(at + 16)),
      offset: file.readUInt32LE(at + 20),
    };
  });
  const toOffset = (address) => {
    const section = sections.find(
      ({ address: start, size }) => address >= start && address < start + size,
    );
    if (section === undefined) throw new Error(`address outside every PE section: ${address}`);
    return section.offset + (address - section.address);
  };
  const directory = (index) =>
    index < file.readUInt32LE(optional + 108) ? file.readUInt32LE(optional + 112 + index * 8) : 0;

  const needed = [];
  // Both tables end with a descriptor of zeros; the name is at another place in each.
  for (const { index, size, name } of [
    { index: 1, size: 20, name: 12 },
    { index: 13, size: 32, name: 4 },
  ]) {
    if (directory(index) === 0) continue;
    for (let at = toOffset(directory(index)); file.readUInt32LE(at + name) !== 0; at += size) {
      needed.push(cString(file, toOffset(file.readUInt32LE(at + name))));
    }
  }

  const exports = [];
  if (directory(0) !== 0) {
    const table = toOffset(directory(0));
    const count = file.readUInt32LE(table + 24);
    if (count > 0) {
      const names = toOffset(file.readUInt32LE(table + 32));
      for (let index = 0; index < count; index += 1) {
        exports.push(cString(file, toOffset(file.readUInt32LE(names + index * 4))));
      }
    }
  }
  return {
    format: "pe",
    arch: MACHINES.get(machine) ?? `machine 0x${machine.toString(16)}`,
    needed,
    exports,
  };
}
