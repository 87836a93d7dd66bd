/** Vim's swap file, which is also its lock of the file that is being edited. Pure. */
import { claim, type LockForm } from "./form.js";

// memline.c, struct block0: id (2 bytes), version (10), page size, mtime, inode and pid (4 each, the lowest byte
// first on every machine), user name (40), host name (40), file name.
const PID_AT = 24;
const HOST_AT = 68;
const HOST_BYTES = 40;

export const VIM: LockForm = {
  kind: "vim-swap",
  title: "Vim's swap file",
  remedy: "vim -r recovers what was not saved; then remove it by hand",
  mayBe: (name, type) => type === "file" && /\.sw[a-z]$/.test(name),
  read: ({ bytes }) => {
    if (bytes === null || bytes.length < HOST_AT + HOST_BYTES) return null;
    if (!/^b[0cCd]VIM /.test(bytes.toString("latin1", 0, 6))) return null;
    const pid = bytes.readUInt32LE(PID_AT);
    const field = bytes.toString("utf8", HOST_AT, HOST_AT + HOST_BYTES);
    const end = field.indexOf("\0");
    const host = end === -1 ? field : field.slice(0, end);
    return claim({
      // 0: the file was closed in order, or belongs to no process.
      pid: pid === 0 || pid > 0x7fffffff ? null : pid,
      host: host === "" ? null : host,
      isHostCut: end === -1 || end === HOST_BYTES - 1,
      programs: /vim|^(?:vi|view|ex|rview|vimdiff|gvim)$/i,
    });
  },
};
