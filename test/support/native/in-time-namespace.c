// Runs a program in a new time namespace:
//   in-time-namespace <seconds> <nanoseconds> <file> <argument…>   offsets of CLOCK_BOOTTIME and
//                                                                  CLOCK_MONOTONIC alike
// unshare(1) takes whole seconds only.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

int main(int argc, char** argv) {
  char offsets[256];
  int status;
  if (argc < 4) return 2;
  if (unshare(CLONE_NEWTIME) != 0) {
    perror("unshare");
    return 2;
  }
  const int length = snprintf(offsets, sizeof offsets, "boottime %s %s\nmonotonic %s %s\n", argv[1],
                              argv[2], argv[1], argv[2]);
  const int file = open("/proc/self/timens_offsets", O_WRONLY);
  if (file < 0 || write(file, offsets, (size_t)length) != length || close(file) != 0) {
    perror("timens_offsets");
    return 2;
  }
  // Children live in the new namespace, this process does not.
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(argv[3], argv + 3);
    perror(argv[3]);
    _exit(2);
  }
  if (child == -1 || waitpid(child, &status, 0) != child) return 2;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}
