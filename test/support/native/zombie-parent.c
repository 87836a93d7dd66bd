// Forks a child, prints its pid and never reaps it. Ends with its input.
//   zombie-parent        the child has exited and is a zombie
//   zombie-parent later  the child runs until somebody kills it
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char** argv) {
  char byte;
  siginfo_t info;
  const int later = argc > 1;
  (void)argv;
  const pid_t child = fork();
  if (child == -1) return 1;
  if (child == 0) {
    if (later) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (;;) pause();
    }
    _exit(0);
  }
  if (!later && waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) != 0) return 1;
  printf("%d\n", (int)child);
  fflush(stdout);
  while (read(0, &byte, 1) > 0) {
  }
  return 0;
}
