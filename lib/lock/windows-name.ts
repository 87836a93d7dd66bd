/**
 * Names under which Windows has no file of one's own. Node reaches the disk below the rules of Win32 (`\\?\`), where some of
 * them are allowed, and other programs then cannot open or remove what was made. Pure.
 */
import { win32 } from "../util/node-modules.js";
import { asidePathOf } from "./protocol/names.js";

/** UTF-16 units, on NTFS and ReFS. */
const LONGEST_NAME = 255;

const ANY_NONCE = "0".repeat(32);

const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[1-9¹²³])$/iu;

/**
 * What the file system would have to say of such a lock file, before anything is made. null: nothing.
 *
 * @param lockPath - Absolute.
 */
export function unusableOnWindows(lockPath: string): Error | null {
  const { root, base } = win32.parse(lockPath);
  const names = lockPath.slice(root.length).split(/[\\/]/u);
  for (const name of names) {
    const why = fault(name);
    if (why !== null) return refusal("EINVAL", `invalid name, ${why}`, lockPath);
  }
  if (DEVICE.test(base)) return refusal("EINVAL", "invalid name, it is a device's", lockPath);
  // Under that name it is removed.
  const longest = win32.basename(asidePathOf(lockPath, ANY_NONCE));
  return longest.length > LONGEST_NAME ? refusal("ENAMETOOLONG", "name too long", lockPath) : null;
}

function fault(name: string): string | null {
  // `file:stream` is a part of another file.
  // eslint-disable-next-line no-control-regex
  const [character] = /[<>:"|?*\u0000-\u001F]/u.exec(name) ?? [];
  if (character !== undefined) return `it has ${JSON.stringify(character)} in it`;
  return /[^.][. ]$/u.test(name) ? "it ends with a dot or a space" : null;
}

/** As Node would make it. */
function refusal(code: string, what: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${what}, open '${path}'`), {
    code,
    syscall: "open",
    path,
  });
}
