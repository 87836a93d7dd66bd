// Reads what a shared ELF object needs and offers, from its dynamic section. Layouts: System V gABI,
// 64-bit little-endian only.

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT = {
  needed: 1,
  strtab: 5,
  symtab: 6,
  hash: 4,
  verneed: 0x6ffffffe,
  verneedCount: 0x6fffffff,
};
const DT_GNU_HASH = 0x6ffffef5;
const MACHINES = new Map([
  [62, "x64"],
  [183, "arm64"],
]);

/** @param {Buffer} file */
export function isElf(file) {
  return file.readUInt32BE(0) === 0x7f454c46;
}

function cString(file, offset) {
  const end = file.indexOf(0, offset);
  if (end < 0) throw new Error(`unterminated string in ELF file at ${offset}`);
  return file.toString("latin1", offset, end);
}

/** Number of symbols: the old hash table states it; in the GNU one the last chain's end is it. */
function countSymbols(file, dynamic, toOffset) {
  if (dynamic.has(DT.hash)) return file.readUInt32LE(toOffset(dynamic.get(DT.hash)[0]) + 4);
  const table = toOffset(dynamic.get(DT_GNU_HASH)[0]);
  const bucketCount = file.readUInt32LE(table);
  const firstHashed = file.readUInt32LE(table + 4);
  const bloomWords = file.readUInt32LE(table + 8);
  const buckets = table + 16 + bloomWords * 8;
  const chains = buckets + bucketCount * 4;
  let last = 0;
  for (let index = 0; index < bucketCount; index += 1) {
    last = Math.max(last, file.readUInt32LE(buckets + index * 4));
  }
  if (last < firstHashed) return firstHashed;
  while ((file.readUInt32LE(chains + (last - firstHashed) * 4) & 1) === 0) last += 1;
  return last + 1;
}

/**
 * @param {Buffer} file
 * @returns {{ format: "elf", arch: string, needed: string[], versions: string[], exports: string[],
 *   imports: string[] }} `versions`: every symbol version that other libraries must provide
 */
export function readElf(file) {
  if (file[4] !== 2 || file[5] !== 1) throw new Error("not a 64-bit little-endian ELF file");
  const arch = MACHINES.get(file.readUInt16LE(18)) ?? `machine ${file.readUInt16LE(18)}`;
  const headers = Number(file.readBigUInt64LE(32));
  const headerSize = file.readUInt16LE(54);
  const headerCount = file.readUInt16LE(56);

  const segments = Array.from({ length: headerCount }, (_, index) => {
    const at = headers + index * headerSize;
    return {
      type: file.readUInt32LE(at),
      offset: Number(file.readBigUInt64LE(at + 8)),
      address: Number(file.readBigUInt64LE(at + 16)),
      size: Number(file.readBigUInt64LE(at + 32)),
    };
  });
  const toOffset = (address) => {
    const segment = segments.find(
      ({ type, address: start, size }) =>
        type === PT_LOAD && address >= start && address < start + size,
    );
    if (segment === undefined) throw new Error(`address outside every ELF segment: ${address}`);
    return segment.offset + (address - segment.address);
  };

  const section = segments.find(({ type }) => type === PT_DYNAMIC);
  if (section === undefined) throw new Error("ELF file has no dynamic section");
  /** @type {Map<number, number[]>} */
  const dynamic = new Map();
  for (let at = section.offset; at < section.offset + section.size; at += 16) {
    const tag = Number(file.readBigInt64LE(at));
    if (tag === 0) break;
    const value = Number(file.readBigUInt64LE(at + 8));
    dynamic.set(tag, [...(dynamic.get(tag) ?? []), value]);
  }
  const strings = toOffset(dynamic.get(DT.strtab)[0]);
  const needed = (dynamic.get(DT.needed) ?? []).map((at) => cString(file, strings + at));

  const versions = [];
  if (dynamic.has(DT.verneed)) {
    let at = toOffset(dynamic.get(DT.verneed)[0]);
    for (let left = dynamic.get(DT.verneedCount)[0]; left > 0; left -= 1) {
      let version = at + file.readUInt32LE(at + 8);
      for (let count = file.readUInt16LE(at + 2); count > 0; count -= 1) {
        versions.push(cString(file, strings + file.readUInt32LE(version + 8)));
        version += file.readUInt32LE(version + 12);
      }
      at += file.readUInt32LE(at + 12);
    }
  }

  const exports = [];
  const imports = [];
  const symbols = toOffset(dynamic.get(DT.symtab)[0]);
  const symbolCount = countSymbols(file, dynamic, toOffset);
  for (let index = 1; index < symbolCount; index += 1) {
    const at = symbols + index * 24;
    const name = cString(file, strings + file.readUInt32LE(at));
    const visible = (file[at + 5] & 3) === 0 || (file[at + 5] & 3) === 3;
    if (file.readUInt16LE(at + 6) === 0) imports.push(name);
    else if (visible) exports.push(name);
  }
  return { format: "elf", arch, needed, versions: [...new Set(versions)], exports, imports };
}
