// Reads what a macOS bundle or library needs and offers. Layouts: mach-o/loader.h and
// mach-o/nlist.h, thin 64-bit files only.

const MAGIC_64 = 0xfeedfacf;
const LC = {
  symtab: 0x02,
  loadDylib: 0x0c,
  codeSignature: 0x1d,
  versionMinMacos: 0x24,
  buildVersion: 0x32,
  loadWeakDylib: 0x80000018,
  reexportDylib: 0x8000001f,
};
const PLATFORM_MACOS = 1;
const CPUS = new Map([
  [0x01000007, "x64"],
  [0x0100000c, "arm64"],
]);

/** @param {Buffer} file */
export function isMachO(file) {
  return file.readUInt32LE(0) === MAGIC_64;
}

function cString(file, offset) {
  const end = file.indexOf(0, offset);
  if (end < 0) throw new Error(`unterminated string in Mach-O file at ${offset}`);
  return file.toString("latin1", offset, end);
}

/** Packed as xxxx.yy.zz: sixteen bits major, eight minor, eight patch. */
function versionText(packed) {
  const patch = packed & 0xff;
  return `${packed >>> 16}.${(packed >>> 8) & 0xff}${patch === 0 ? "" : `.${patch}`}`;
}

/**
 * @param {Buffer} file
 * @returns {{ format: "mach-o", arch: string, needed: string[], exports: string[],
 *   minimumMacos: string | null, signed: boolean }}
 */
export function readMachO(file) {
  const cpu = file.readUInt32LE(4);
  const exports = [];
  const needed = [];
  let minimumMacos = null;
  let signed = false;

  let at = 32;
  for (let left = file.readUInt32LE(16); left > 0; left -= 1) {
    const command = file.readUInt32LE(at);
    if (command === LC.loadDylib || command === LC.loadWeakDylib || command === LC.reexportDylib) {
      needed.push(cString(file, at + file.readUInt32LE(at + 8)));
    } else if (command === LC.versionMinMacos) {
      minimumMacos = versionText(file.readUInt32LE(at + 8));
    } else if (command === LC.buildVersion && file.readUInt32LE(at + 8) === PLATFORM_MACOS) {
      minimumMacos = versionText(file.readUInt32LE(at + 12));
    } else if (command === LC.codeSignature) {
      signed = true;
    } else if (command === LC.symtab) {
      const symbols = file.readUInt32LE(at + 8);
      const strings = file.readUInt32LE(at + 16);
      for (let index = 0; index < file.readUInt32LE(at + 12); index += 1) {
        const symbol = symbols + index * 16;
        const type = file[symbol + 4];
        // N_STAB (0xe0): debugging. N_PEXT (0x10): hidden. N_EXT (0x01). N_TYPE (0x0e): 0 undefined.
        if ((type & 0xf1) === 0x01 && (type & 0x0e) !== 0) {
          exports.push(cString(file, strings + file.readUInt32LE(symbol)));
        }
      }
    }
    at += file.readUInt32LE(at + 4);
  }
  return {
    format: "mach-o",
    arch: CPUS.get(cpu) ?? `cpu 0x${cpu.toString(16)}`,
    needed,
    exports,
    minimumMacos,
    signed,
  };
}
