/** Whether there are descriptors to look at processes with. */
import { errorCode } from "../util/error-code.js";
import { fs } from "../util/node-modules.js";

/** What one question about a process takes at a time. */
const OF_ONE_QUESTION = 2;

/** Whether this process, or its system, is out of them. POSIX: Windows' handles have no such limit. */
export function isShortOfDescriptors(): boolean {
  if (process.platform === "win32") return false;
  const opened: number[] = [];
  try {
    while (opened.length < OF_ONE_QUESTION) opened.push(fs.openSync("/dev/null", "r"));
    return false;
  } catch (error) {
    return ["EMFILE", "ENFILE"].includes(errorCode(error) ?? "");
  } finally {
    for (const fd of opened) fs.closeSync(fd);
  }
}
