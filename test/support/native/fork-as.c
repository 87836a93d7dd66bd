// Makes children under one chosen pid (clone3 with set_tid; root, in its own pid namespace).
//   fork-as <pid>
// Reads lines: "fork" makes the child and prints its pid, "kill" kills and reaps it and prints
// "gone", "recycle" does both without a pause, so that both children start within one clock tick if
// they can.
#define _GNU_SOURCE
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t wanted;

static pid_t make(void) {
  struct clone_args args;
  memset(&args, 0, sizeof args);
  args.exit_signal = SIGCHLD;
  args.set_tid = (uint64_t)(uintptr_t)&wanted;
  args.set_tid_size = 1;
  const pid_t child = (pid_t)syscall(SYS_clone3, &args, sizeof args);
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
  }
  if (child == -1) {
    perror("clone3");
    exit(1);
  }
  return child;
}

static void end(pid_t child) {
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
}

int main(int argc, char** argv) {
  char line[32];
  pid_t child = 0;
  if (argc != 2) return 1;
  wanted = (pid_t)atoi(argv[1]);
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (strcmp(line, "fork\n") == 0) {
      child = make();
      printf("%d\n", (int)child);
    } else if (strcmp(line, "kill\n") == 0) {
      end(child);
      child = 0;
      puts("gone");
    } else if (strcmp(line, "recycle\n") == 0) {
      end(child);
      child = make();
      printf("%d\n", (int)child);
    }
  }
  if (child != 0) end(child);
  return 0;
}
