/** Which numbers can be pids at all; asked before any OS call. */

/**
 * Largest pid of each platform. Linux: PID_MAX_LIMIT of include/linux/threads.h (4 Mi). macOS hands
 * out at most 99999 (PID_MAX of sys/proc_internal.h) and the other Unixes less than 2³¹; there the
 * range of pid_t is the safe bound. Windows: a DWORD.
 */
function largestPid(platform: NodeJS.Platform): number {
  switch (platform) {
    case "linux":
    case "android":
      return 2 ** 22;
    case "win32":
      return 2 ** 32 - 1;
    default:
      return 2 ** 31 - 1;
  }
}

// Read once, for what is asked with every question: the global `process` is behind a getter.
const PLATFORM = process.platform;
const LARGEST_PID = largestPid(PLATFORM);

/**
 * True for a positive integer within the platform's range. Everything else must never reach the OS:
 * `kill(0, 0)` and `kill(-1, 0)` succeed, and on Windows `OpenProcess(pid + 1)` opens `pid`, whose
 * real numbers are multiples of four.
 */
export function isValidPid(pid: unknown, platform: NodeJS.Platform = PLATFORM): pid is number {
  return (
    typeof pid === "number" &&
    Number.isInteger(pid) &&
    pid > 0 &&
    pid <= (platform === PLATFORM ? LARGEST_PID : largestPid(platform)) &&
    (platform !== "win32" || pid % 4 === 0)
  );
}
