// Keeps many children that do nothing:
//   idle-children <count>
// Prints their pids on one line. For each line that it reads, a number, it kills and reaps the
// first so many of those that are left and prints how many are left. They end with it.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char** argv) {
  const int count = argc == 2 ? atoi(argv[1]) : 0;
  if (count < 1) return 1;
  pid_t* const children = calloc((size_t)count, sizeof *children);
  if (children == NULL) return 1;
  for (int i = 0; i < count; i++) {
    children[i] = fork();
    if (children[i] == -1) {
      perror("fork");
      return 1;
    }
    if (children[i] == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (;;) pause();
    }
  }
  for (int i = 0; i < count; i++) printf("%d ", (int)children[i]);
  puts("");
  fflush(stdout);
  char line[32];
  int first = 0;
  while (fgets(line, sizeof line, stdin) != NULL) {
    for (int wanted = atoi(line); wanted > 0 && first < count; wanted--, first++) {
      kill(children[first], SIGKILL);
      waitpid(children[first], NULL, 0);
    }
    printf("%d\n", count - first);
    fflush(stdout);
  }
  return 0;
}
