// A crowd of processes to ask about: forks <count> children that sleep, prints their pids as one
// JSON array, and ends them when its standard input ends. They never outlive it.
//
//   cc -O2 -o crowd test/lab/bench/programs/crowd.c
//   ./crowd <count> [argument...]
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char** argv) {
  const int count = argc > 1 ? atoi(argv[1]) : 0;
  if (count <= 0) {
    fprintf(stderr, "usage: crowd <count> [argument...]\n");
    return 2;
  }
  pid_t* pids = calloc((size_t)count, sizeof *pids);
  if (pids == NULL) return 1;
  const pid_t self = getpid();
  for (int i = 0; i < count; ++i) {
    pids[i] = fork();
    if (pids[i] < 0) {
      perror("fork");
      for (int j = 0; j < i; ++j) kill(pids[j], SIGKILL);
      return 1;
    }
    if (pids[i] == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      // It may have ended before it could be asked to tell.
      if (getppid() != self) _exit(0);
      close(STDIN_FILENO);
      close(STDOUT_FILENO);
      for (;;) pause();
    }
  }
  for (int i = 0; i < count; ++i) printf("%c%d", i == 0 ? '[' : ',', (int)pids[i]);
  printf("]\n");
  fflush(stdout);
  while (getchar() != EOF) {
  }
  for (int i = 0; i < count; ++i) kill(pids[i], SIGKILL);
  for (int i = 0; i < count; ++i) waitpid(pids[i], NULL, 0);
  free(pids);
  return 0;
}
